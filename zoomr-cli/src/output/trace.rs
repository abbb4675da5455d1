//! The trace: one line of JSON per step, with everything that METHOD.md counts.

use std::{path::Path, time::Instant};

use anyhow::{Context, Result};
use serde::Serialize;
use zoomr_core::{segment::Role, stats::StepStats};

use super::OutFile;

/// One step.
#[derive(Serialize)]
struct Line<'a> {
    /// From 0.
    step: u64,
    /// `prompt` or `stream`.
    role: &'static str,
    /// Since the run began.
    seconds: f64,
    /// All resident tiers together.
    resident_bytes: u64,
    #[serde(flatten)]
    stats: &'a StepStats,
}

/// A trace being written.
#[derive(Debug)]
pub(crate) struct Trace {
    file: OutFile,
    begun: Instant,
    steps: u64,
}

impl Trace {
    /// Begins a trace.
    ///
    /// # Errors
    /// Where `path` cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self { file: OutFile::create("--trace", path)?, begun: Instant::now(), steps: 0 })
    }

    /// Adds a step.
    ///
    /// # Errors
    /// Where the medium is full or fails.
    pub(crate) fn step(&mut self, role: Role, stats: &StepStats) -> Result<()> {
        let line = Line {
            step: self.steps,
            role: match role {
                Role::Prompt => "prompt",
                Role::Stream => "stream",
            },
            seconds: self.begun.elapsed().as_secs_f64(),
            resident_bytes: stats.bytes.resident(),
            stats,
        };
        let mut text = serde_json::to_vec(&line).context("cannot write a step as JSON")?;
        text.push(b'\n');
        self.steps += 1;
        self.file.write(&text)
    }

    /// Puts the trace in its place.
    ///
    /// # Errors
    /// Where that fails.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.finish()
    }
}
