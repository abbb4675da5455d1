//! What is seen of a search while it runs: how many needles have been looked for, and what the model reads.

use std::ops::ControlFlow;

use zoomr_model::{engine::Event, setting::Setting};

use crate::{interrupt::Interrupt, output::counter::Counter};

/// The bar, and what stands behind it.
pub(super) struct Shown<'a> {
    interrupt: &'a Interrupt,
    counter: Counter,
    done: usize,
    total: usize,
}

impl<'a> Shown<'a> {
    /// So many needles are to be looked for, under all settings together.
    pub(super) fn new(interrupt: &'a Interrupt, total: usize) -> Self {
        Self { interrupt, counter: Counter::new("needles", 0, total), done: 0, total }
    }

    /// Shows how far it is with a needle; ends the search after Ctrl-C.
    pub(super) fn event(&mut self, setting: &Setting, event: &Event<'_>) -> ControlFlow<()> {
        if let Event::Step { stats, .. } = event {
            let tokens = stats.last_rows.first().map_or(0, |row| row.position + 1);
            self.counter.at(self.done, &format!("; {}, {tokens} tokens", setting.name()));
        }
        if self.interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A needle has been looked for.
    pub(super) fn next(&mut self) {
        self.done += 1;
    }

    /// How far it is, for people.
    pub(super) fn done(&self) -> String {
        format!("{} of {} needles", self.done, self.total)
    }

    /// Takes the bar away, until there is more to show.
    pub(super) fn clear(&self) {
        self.counter.clear();
    }
}
