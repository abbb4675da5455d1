//! How far training is, and how fast.

use std::time::Instant;

use zoomr_model::train::StepReport;

/// The steps of a run as they come.
pub(super) struct Pace {
    steps: usize,
    begun: Instant,
    /// Steps and tokens since then.
    done: usize,
    tokens: usize,
    last: usize,
    /// The mean loss of recent steps.
    loss: Option<f64>,
}

impl Pace {
    pub(super) fn new(steps: usize) -> Self {
        Self { steps, begun: Instant::now(), done: 0, tokens: 0, last: 0, loss: None }
    }

    pub(super) fn add(&mut self, report: &StepReport) {
        self.done += 1;
        self.tokens += report.tokens;
        self.last = report.step;
        // Each step counts for a twentieth: steps differ by what they were about.
        self.loss = Some(self.loss.map_or(report.loss, |loss| 0.95 * loss + 0.05 * report.loss));
    }

    pub(super) fn line(&self) -> String {
        let Some(loss) = self.loss else { return "nothing left to do".to_owned() };
        let seconds = self.begun.elapsed().as_secs_f64().max(1e-9);
        let left = seconds / self.done as f64 * (self.steps - self.last) as f64;
        format!(
            "step {} of {}, loss {loss:.4}, {:.0} tokens per second, {} left",
            self.last,
            self.steps,
            self.tokens as f64 / seconds,
            clock(left)
        )
    }
}

/// Seconds for people.
fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}
