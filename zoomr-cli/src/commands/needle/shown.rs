//! What is seen of a search while it runs: how many tokens have gone in, and for which needle.

use std::ops::ControlFlow;

use zoomr_model::{engine::Event, eval::needle::Needle};

use crate::{interrupt::Interrupt, output::counter::Counter};

/// The bar, and what stands behind it.
pub(super) struct Shown<'a> {
    interrupt: &'a Interrupt,
    counter: Counter,
    /// Tokens that have gone in.
    rows: usize,
    /// Needles that have been looked for, and how many there are under all settings together.
    needles: (usize, usize),
}

impl<'a> Shown<'a> {
    /// These needles are to be looked for, under so many settings.
    pub(super) fn new(interrupt: &'a Interrupt, needles: &[Needle], settings: usize) -> Self {
        let rows: usize = needles.iter().map(Needle::rows).sum();
        let counter = Counter::new("tokens", 0, rows * settings);
        Self { interrupt, counter, rows: 0, needles: (0, needles.len() * settings) }
    }

    /// Shows how far it is with a needle under a setting; ends the search after Ctrl-C.
    pub(super) fn event(&mut self, setting: &str, event: &Event<'_>) -> ControlFlow<()> {
        if let Event::Step { stats, .. } = event {
            self.rows += stats.rows;
            self.counter.at(self.rows, &format!("; {}, {setting}", self.done()));
        }
        if self.interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// A needle has been looked for.
    pub(super) fn next(&mut self) {
        self.needles.0 += 1;
    }

    /// How far it is, for people.
    pub(super) fn done(&self) -> String {
        format!("{} of {} needles", self.needles.0, self.needles.1)
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.counter.clear();
    }
}
