//! A bar of work that is counted: how much of it is done, and how long the rest will take.

use indicatif::ProgressBar;

use super::{note, status};

/// The bar; says nothing where nobody could read it.
#[derive(Debug)]
pub(crate) struct Counter {
    bar: ProgressBar,
}

impl Counter {
    /// A bar of so many `unit`, of which the first `done` took no time.
    pub(crate) fn new(unit: &str, done: usize, total: usize) -> Self {
        let template = format!("{{bar:30}} {{pos}} of {{len}} {unit}, {{eta}} left{{wide_msg}}");
        let bar = status::bar(Some(total as u64), &template);
        bar.set_position(done as u64);
        bar.reset_eta();
        Self { bar }
    }

    /// So many are done; `remark` stands behind the bar.
    pub(crate) fn at(&self, done: usize, remark: String) {
        self.bar.set_message(remark);
        self.bar.set_position(done as u64);
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
