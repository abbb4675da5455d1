//! How training goes, and how fast.

use std::time::Instant;

use zoomr_model::train::StepReport;

/// The steps of a run as they come.
pub(super) struct Pace {
    begun: Instant,
    /// Tokens since then.
    tokens: usize,
    /// The mean loss of recent steps.
    loss: Option<f64>,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), tokens: 0, loss: None }
    }

    pub(super) fn add(&mut self, report: &StepReport) {
        self.tokens += report.tokens;
        // Each step counts for a twentieth: steps differ by what they were about.
        self.loss = Some(self.loss.map_or(report.loss, |loss| 0.95 * loss + 0.05 * report.loss));
    }

    /// Loss and speed; nothing before the first step.
    pub(super) fn line(&self) -> Option<String> {
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let speed = self.tokens as f64 / seconds;
        self.loss.map(|loss| format!("loss {loss:.4}, {speed:.0} tokens per second"))
    }
}
