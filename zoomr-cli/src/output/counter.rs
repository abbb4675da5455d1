//! A bar of work that is counted: how much of it is done, and how long the rest will take.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use indicatif::{HumanDuration, ProgressBar};

use super::{
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
    /// When a line was written last, where that is done.
    written: Option<Cell<Instant>>,
}

impl Counter {
    /// A bar of so many `unit`, of which the first `done` took no time.
    pub(crate) fn new(unit: &'static str, done: usize, total: usize) -> Self {
        let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{eta}} left{{wide_msg}}");
        let bar = status::bar(Some(total as u64), &template);
        bar.set_position(done as u64);
        bar.reset_eta();
        let written = (!Status::is_visible()).then(|| Cell::new(Instant::now()));
        Self { bar, unit, written }
    }

    /// So many are done; `remark` stands behind the bar.
    pub(crate) fn at(&self, done: usize, remark: String) {
        self.bar.set_position(done as u64);
        if let Some(written) = self.written.as_ref().filter(|written| written.get().elapsed() >= EVERY) {
            written.set(Instant::now());
            note(&self.line(done, &remark));
        }
        self.bar.set_message(remark);
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

    /// Under a test, standard error may be a terminal: what decides is taken out of its hands.
    #[test]
    fn a_line_comes_when_none_has_for_long() {
        let counter = |since: Option<Duration>| {
            let written = since.and_then(|since| Instant::now().checked_sub(since)).map(Cell::new);
            Counter { written, ..Counter::new("steps", 0, 10) }
        };
        let age = |counter: &Counter| counter.written.as_ref().map(|written| written.get().elapsed());
        let late = counter(Some(2 * EVERY));
        late.at(3, String::new());
        assert!(age(&late).unwrap() < EVERY, "it was not written");
        let soon = counter(Some(EVERY / 2));
        soon.at(3, String::new());
        assert!(age(&soon).unwrap() >= EVERY / 2, "it was written too soon");
        assert!(soon.line(3, "; slowly").starts_with("3 of 10 steps, "), "{}", soon.line(3, ""));
        assert!(soon.line(3, "; slowly").ends_with(" left; slowly"));
    }
}
