//! A bar of work that is counted: how much of it is done, and how long the rest will take.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar};

use super::{
    harmless::harmless,
    note,
    status::{self, Status},
};

/// Where nobody watches, a line is written so often, for whoever looks later.
const EVERY: Duration = Duration::from_secs(60);

/// The bar; where standard error is no terminal, a line from time to time.
#[derive(Debug)]
pub(crate) struct Counter {
    bar: ProgressBar,
    unit: &'static str,
    /// Where lines are written.
    lines: Option<Lines>,
}

/// When a line was written last, and how long none is then.
#[derive(Debug)]
struct Lines {
    last: Cell<Instant>,
    every: Duration,
}

impl Lines {
    fn new(every: Duration) -> Self {
        Self { last: Cell::new(Instant::now()), every }
    }

    /// Whether the time has come for one; if so, the next has to wait.
    fn are_due(&self) -> bool {
        let due = self.last.get().elapsed() >= self.every;
        if due {
            self.last.set(Instant::now());
        }
        due
    }
}

impl Counter {
    /// A bar of so many `unit`, of which the first `done` took no time.
    pub(crate) fn new(unit: &'static str, done: usize, total: usize) -> Self {
        let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{eta}} left{{wide_msg}}");
        let bar = status::bar(Some(total as u64), &template);
        bar.set_position(done as u64);
        bar.reset_eta();
        let lines = (!Status::is_visible()).then(|| Lines::new(EVERY));
        Self { bar, unit, lines }
    }

    /// So many are done; `remark` stands behind the bar.
    pub(crate) fn at(&self, done: usize, remark: &str) {
        self.bar.set_position(done as u64);
        if self.lines.as_ref().is_some_and(Lines::are_due) {
            note(&self.line(done, remark));
        }
        self.bar.set_message(harmless(remark).into_owned());
    }

    fn line(&self, done: usize, remark: &str) -> String {
        let (total, left) = (self.bar.length().unwrap_or_default(), HumanDuration(self.bar.eta()));
        format!("{done} of {total} {}, {left} left{remark}", self.unit)
    }

    /// Writes a line above the bar.
    pub(crate) fn note(&self, line: &str) {
        self.bar.suspend(|| note(line));
    }

    /// Takes the bar away for good.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_when_none_has_for_long() {
        let soon = Lines::new(Duration::from_millis(5));
        std::thread::sleep(soon.every);
        assert!(soon.are_due());
        let late = Lines::new(Duration::from_secs(3600));
        assert!(!late.are_due() && !late.are_due());
    }

    #[test]
    fn a_line_says_how_far_it_is() {
        let line = Counter::new("steps", 0, 10).line(3, "; slowly");
        assert!(line.starts_with("3 of 10 steps, ") && line.ends_with(" left; slowly"), "{line}");
    }
}
