//! What is seen of an evaluation while it runs: how far it is, and each setting's accuracy so far.

use std::ops::ControlFlow;

use zoomr_model::{
    eval::{Outcome, Progress},
    setting::Setting,
};

use crate::{interrupt::Interrupt, output::counter::Counter};

/// The bar, and what stands behind it.
pub(super) struct Shown<'a> {
    interrupt: &'a Interrupt,
    /// There is one as soon as it is known how much there is to do.
    counter: Option<Counter>,
    /// Each setting's name, problems solved under it, and those answered right.
    settings: Vec<(&'a str, usize, usize)>,
}

impl<'a> Shown<'a> {
    /// Nothing is seen yet; `known` are the outcomes of an earlier run.
    pub(super) fn new(interrupt: &'a Interrupt, settings: &'a [Setting], known: &[Outcome]) -> Self {
        let settings = settings.iter().map(|setting| (setting.name(), 0, 0)).collect();
        let mut shown = Self { interrupt, counter: None, settings };
        known.iter().for_each(|outcome| shown.count(outcome));
        shown
    }

    /// Shows how far it is; ends the evaluation after Ctrl-C.
    pub(super) fn progress(&mut self, progress: &Progress<'_>) -> ControlFlow<()> {
        if let Some(outcome) = progress.latest {
            self.count(outcome);
        }
        let remark = self.remark();
        let counter = self.counter.get_or_insert_with(|| Counter::new("runs", progress.done, progress.total));
        counter.at(progress.done, &remark);
        if self.interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.counter.iter().for_each(Counter::clear);
    }

    fn count(&mut self, outcome: &Outcome) {
        if let Some((_, problems, correct)) =
            self.settings.iter_mut().find(|(name, ..)| *name == outcome.setting)
        {
            *problems += 1;
            *correct += usize::from(outcome.correct);
        }
    }

    fn remark(&self) -> String {
        let solved = self.settings.iter().filter(|(_, problems, _)| *problems > 0);
        let rates = solved.map(|(name, problems, correct)| {
            format!("{name} {:.1}%", 100.0 * *correct as f64 / *problems as f64)
        });
        let rates: Vec<String> = rates.collect();
        if rates.is_empty() { String::new() } else { format!("; right so far: {}", rates.join(", ")) }
    }
}
