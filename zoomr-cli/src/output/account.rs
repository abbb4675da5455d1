//! What a run took: gathered step by step, then put into one object, for JSON and for the table.

use std::{fs, time::Duration};

use anyhow::Result;
use burn::tensor::backend::Backend;
use serde::Serialize;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Role,
    stats::{StepStats, TierBytes},
};
use zoomr_model::engine::{Engine, Timing};

/// Tokens attended by streamed rows, against what full attention would have attended.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attended {
    rows: f64,
    attended: f64,
    full: f64,
}

impl Attended {
    /// Adds a step; its rows count as its last one.
    pub(crate) fn add(&mut self, role: Role, stats: &StepStats) {
        if role == Role::Prompt {
            return;
        }
        for row in &stats.last_rows {
            let rows = stats.rows as f64;
            self.rows += rows;
            self.attended += rows * row.attended;
            self.full += rows * (row.position + 1) as f64;
        }
    }

    /// Tokens attended per row.
    pub(crate) fn mean(&self) -> f64 {
        ratio(self.attended, self.rows)
    }

    /// How many times fewer they are than with full attention.
    pub(crate) fn times_fewer(&self) -> f64 {
        ratio(self.full, self.attended)
    }
}

/// What a run took. Bytes are of KV memory, but for the last field.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Account {
    /// The policy's name.
    pub(crate) policy: &'static str,
    /// Tokens of the prompt.
    pub(crate) prompt_tokens: usize,
    /// Tokens after the prompt.
    pub(crate) new_tokens: usize,
    /// Those of them that are summaries which the engine opened.
    pub(crate) summary_tokens: usize,
    /// Thoughts, the open one included.
    pub(crate) thoughts: usize,
    /// Steps taken, those of the prompt included.
    pub(crate) steps: u64,
    /// Time for the prompt.
    pub(crate) prompt_seconds: f64,
    /// New tokens per second, the prompt's time not counted.
    pub(crate) tokens_per_second: f64,
    /// Median time per new token.
    pub(crate) milliseconds_per_token_p50: f64,
    /// The time that 95% of the new tokens keep within.
    pub(crate) milliseconds_per_token_p95: f64,
    /// Tokens that a new token attended, on average.
    pub(crate) attended_tokens: f64,
    /// How many times fewer than with full attention.
    pub(crate) attended_times_fewer: f64,
    /// What a full cache of the same tokens takes.
    pub(crate) kv_bytes_full: u64,
    /// On the device at the end, in whole pages, free ones and the index included.
    pub(crate) kv_bytes_resident: u64,
    /// On the device at most.
    pub(crate) kv_bytes_resident_peak: u64,
    /// In the host's memory at the end.
    pub(crate) kv_bytes_cold: u64,
    /// All tiers at the end.
    pub(crate) kv_bytes: TierBytes,
    /// Resident bytes summed over the steps.
    pub(crate) kv_byte_steps_resident: u64,
    /// Full-cache bytes summed over the steps.
    pub(crate) kv_byte_steps_full: u64,
    /// Times less memory on the device than a full cache held there.
    pub(crate) reduction_of_device: f64,
    /// Times less memory on device and host together than a full cache offloaded to the host; below 1 is more.
    pub(crate) reduction_of_total: f64,
    /// Zoomed thoughts, or passages taken to hand, that were resident already.
    pub(crate) hits: u64,
    /// Those that had to be brought back.
    pub(crate) misses: u64,
    /// `hits / (hits + misses)`; 0 without either.
    pub(crate) hit_rate: f64,
    /// Bytes brought to the device.
    pub(crate) bytes_fetched: u64,
    /// Bytes put away to the host.
    pub(crate) bytes_stored: u64,
    /// The most memory that the whole process took, where the system says.
    pub(crate) process_bytes_peak: Option<u64>,
}

impl Account {
    /// The account of an engine's run so far; `prompt` tokens of its sequence are the prompt's.
    ///
    /// # Errors
    /// Where the engine has lost its sequence.
    pub(crate) fn of<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
        engine: &Engine<'_, B, K>,
        prompt: usize,
        attended: &Attended,
        timing: &Timing,
    ) -> Result<Self> {
        let (session, stream) = (engine.session(), engine.stream()?);
        let (run, bytes, full) = (session.run_stats(), session.account(), session.full_bytes());
        let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
        let prompt_tokens = prompt.min(stream.len());
        Ok(Self {
            policy: session.settings().policy.name(),
            prompt_tokens,
            new_tokens: stream.len() - prompt_tokens,
            summary_tokens: engine.summary_tokens(),
            thoughts: stream.thoughts().len(),
            steps: run.steps,
            prompt_seconds: timing.prompt().as_secs_f64(),
            tokens_per_second: timing.tokens_per_second(),
            milliseconds_per_token_p50: milliseconds(timing.percentile(0.5)),
            milliseconds_per_token_p95: milliseconds(timing.percentile(0.95)),
            attended_tokens: attended.mean(),
            attended_times_fewer: attended.times_fewer(),
            kv_bytes_full: full,
            kv_bytes_resident: bytes.resident(),
            kv_bytes_resident_peak: run.resident_peak.max(bytes.resident()),
            kv_bytes_cold: bytes.cold,
            kv_bytes: bytes,
            kv_byte_steps_resident: run.resident_area,
            kv_byte_steps_full: run.full_area,
            reduction_of_device: ratio(full as f64, bytes.resident() as f64),
            reduction_of_total: ratio(full as f64, bytes.total() as f64),
            hits: run.hits,
            misses: run.misses,
            hit_rate: ratio(run.hits as f64, (run.hits + run.misses) as f64),
            bytes_fetched: run.moved.fetched,
            bytes_stored: run.moved.stored,
            process_bytes_peak: process_peak(),
        })
    }
}

/// `a / b`, and 0 where there is nothing to divide by.
pub(crate) fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

/// A reduction as people read it; below 1 it is none.
pub(crate) fn times_less(reduction: f64) -> String {
    let times = format!("{reduction:.2}x");
    if times.starts_with("0.") { format!("none ({times})") } else { times }
}

/// The most memory that this process has taken, in bytes; Linux keeps count.
fn process_peak() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use zoomr_core::stats::RowStats;

    use super::*;

    #[test]
    fn attended_counts_streamed_rows_only() {
        let step = |position, attended, rows| StepStats {
            rows,
            last_rows: vec![RowStats { position, attended, ..RowStats::default() }],
            ..StepStats::default()
        };
        let mut counted = Attended::default();
        assert_eq!((counted.mean(), counted.times_fewer()), (0.0, 0.0));
        counted.add(Role::Prompt, &step(99, 100.0, 100));
        counted.add(Role::Stream, &step(199, 50.0, 1));
        counted.add(Role::Stream, &step(399, 50.0, 1));
        assert_eq!((counted.mean(), counted.times_fewer()), (50.0, 6.0));
    }

    #[test]
    fn a_reduction_below_one_is_none() {
        let read = [0.0, 0.5, 0.994, 0.996, 1.0, 12.25].map(times_less);
        assert_eq!(read, ["none (0.00x)", "none (0.50x)", "none (0.99x)", "1.00x", "1.00x", "12.25x"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_says_how_much_memory_was_taken() {
        assert!(process_peak().is_some_and(|bytes| bytes > 1 << 20));
    }
}
