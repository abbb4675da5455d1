//! What `generate` and `score` share: the watch over a running engine.

use std::ops::ControlFlow;

use anyhow::{Error, Result};
use zoomr_core::{segment::Role, stats::StepStats};

use crate::{
    interrupt::Interrupt,
    output::{account::Attended, bytes, trace::Trace},
};

/// Follows the steps of an engine, and stops it on Ctrl-C or where something cannot be written.
pub(super) struct Watch {
    trace: Option<Trace>,
    interrupt: Interrupt,
    pub(super) attended: Attended,
    /// What could not be written.
    failure: Option<Error>,
}

impl Watch {
    /// Begins to follow: from now on Ctrl-C ends the run in order.
    pub(super) fn begin(trace: Option<Trace>, interrupt: Interrupt) -> Self {
        interrupt.begin_steps();
        Self { trace, interrupt, attended: Attended::default(), failure: None }
    }

    /// Notes a step.
    pub(super) fn step(&mut self, role: Role, stats: &StepStats) -> ControlFlow<()> {
        self.attended.add(role, stats);
        let traced = self.trace.as_mut().map_or(Ok(()), |trace| trace.step(role, stats));
        self.go_on(traced)
    }

    /// Whether the engine may go on, given what came of writing something.
    pub(super) fn go_on(&mut self, written: Result<()>) -> ControlFlow<()> {
        if let Err(error) = written {
            // The first failure is the cause of any other.
            self.failure.get_or_insert(error);
        }
        if self.failure.is_some() || self.interrupt.stopping() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Finishes the trace.
    ///
    /// # Errors
    /// What could not be written during the run, or now.
    pub(super) fn finish(self) -> Result<()> {
        let finished = self.trace.map_or(Ok(()), Trace::finish);
        self.failure.map_or(finished, Err)
    }
}

/// The status line of a run: how many tokens at what speed, in how much memory.
pub(super) fn progress(tokens: usize, per_second: f64, stats: &StepStats) -> String {
    let resident = stats.bytes.resident();
    let times = stats.full_bytes as f64 / resident.max(1) as f64;
    format!(
        "{tokens} tokens, {per_second:.1} per second, KV {} resident, reduction {times:.1}x",
        bytes(resident)
    )
}
