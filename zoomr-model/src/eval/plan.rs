//! All runs: every problem under every setting, so many times, side by side.

use std::{collections::HashMap, num::NonZeroUsize, ops::ControlFlow};

use burn::tensor::backend::Backend;
use zoomr_core::kernels::{AttentionKernels, LinearKernels};

use super::{Bench, EvalError, Outcome, Problem, Record, error::distinct};
use crate::{pool, setting::Setting};

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Plan<'a> {
    /// The problems.
    pub problems: &'a [Problem],
    /// The settings.
    pub settings: &'a [Setting],
    /// Texts for each problem under each setting.
    pub samples: NonZeroUsize,
    /// Of how many problems, the first ones, missed attention is measured: the share of attention that went to tokens
    /// which a policy did not show. Of several texts, it is measured on the
    /// first. It takes about twice the time again.
    pub mass: usize,
    /// Threads that work side by side; outcomes do not depend on it.
    pub workers: NonZeroUsize,
}

/// How far it is.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Runs that are over.
    pub done: usize,
    /// Runs in all.
    pub total: usize,
    /// What came of the run that ended last; `None` where none has ended since the last call.
    pub latest: Option<&'a Outcome>,
}

/// Told how far it is, several times a second; may end it.
pub type Observer<'o> = dyn FnMut(Progress<'_>) -> ControlFlow<()> + 'o;

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// Everything was done: problem by problem, the settings in their order, and for each its texts.
    Done(Vec<Outcome>),
    /// The observer ended it.
    Stopped {
        /// Runs that are over.
        done: usize,
        /// Runs in all.
        total: usize,
    },
}

/// A run: the numbers of a problem, of a setting, and of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Task {
    pub(super) problem: usize,
    setting: usize,
    pub(super) sample: usize,
}

impl Task {
    /// Which of all sequences of random numbers it draws from: another one for each problem and text.
    pub(super) fn number(self) -> u64 {
        ((self.problem as u64) << 32).wrapping_add(self.sample as u64)
    }
}

impl Plan<'_> {
    /// Makes sure that it can be done.
    ///
    /// # Errors
    /// [`EvalError`] where there is nothing to do, a setting comes twice, a question is longer than the model's context,
    /// several texts would all be the same, or missed attention is asked for where it cannot be had.
    pub fn check<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
        &self,
        bench: &Bench<'_, B, K>,
    ) -> Result<(), EvalError> {
        if self.problems.is_empty() {
            return Err(EvalError::Nothing { what: "problem" });
        }
        distinct(self.settings)?;
        let context = bench.model.config().context_length();
        let too_long = |problem: &Problem| problem.prompt.len() > context;
        if let Some(problem) = self.problems.iter().position(too_long) {
            let tokens = self.problems[problem].prompt.len();
            return Err(EvalError::TooLong { problem, tokens, context });
        }
        if self.samples.get() > 1 && bench.sampler.is_greedy() {
            return Err(EvalError::Same { samples: self.samples.get() });
        }
        if self.mass > 0 && bench.options.trigger.asks_the_engine() {
            return Err(EvalError::Mass);
        }
        Ok(())
    }

    /// Does what is not among the `known` outcomes, and writes it down where there is a `record`.
    ///
    /// # Errors
    /// As [`check`](Self::check); [`EvalError::Run`] where a run fails, [`EvalError::Data`] where the record cannot be
    /// written. What was done by then is in the record.
    pub fn run<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone>(
        &self,
        bench: &Bench<'_, B, K>,
        known: Vec<Outcome>,
        mut record: Option<Record>,
        observer: &mut Observer<'_>,
    ) -> Result<Ended, EvalError> {
        self.check(bench)?;
        let mut outcomes: HashMap<Task, Outcome> =
            known.into_iter().filter_map(|outcome| Some((self.task(&outcome)?, outcome))).collect();
        let open: Vec<Task> = self.tasks().filter(|task| !outcomes.contains_key(task)).collect();
        let total = self.tasks().count();
        let mut done = total - open.len();
        if observer(Progress { done, total, latest: None }).is_break() {
            return Ok(Ended::Stopped { done, total });
        }
        pool::work(
            self.workers,
            &open,
            |&task, stop| {
                let (problem, setting) = (&self.problems[task.problem], &self.settings[task.setting]);
                let mass = task.problem < self.mass && task.sample == 0;
                bench.run(task, problem, setting, mass, stop).map_err(|source| EvalError::Run {
                    problem: task.problem,
                    setting: setting.name().to_owned(),
                    source: Box::new(source),
                })
            },
            |got| {
                let Some((task, outcome)) = got else {
                    return Ok(observer(Progress { done, total, latest: None }));
                };
                if let Some(record) = &mut record {
                    record.add(&outcome)?;
                }
                done += 1;
                let flow = observer(Progress { done, total, latest: Some(&outcome) });
                outcomes.insert(*task, outcome);
                Ok(flow)
            },
        )?;
        if done < total {
            return Ok(Ended::Stopped { done, total });
        }
        Ok(Ended::Done(self.tasks().filter_map(|task| outcomes.remove(&task)).collect()))
    }

    /// All runs: problem by problem, so that settings can be compared long before the end.
    fn tasks(&self) -> impl Iterator<Item = Task> + use<> {
        let (problems, settings, samples) = (self.problems.len(), self.settings.len(), self.samples.get());
        (0..problems).flat_map(move |problem| {
            (0..settings)
                .flat_map(move |setting| (0..samples).map(move |sample| Task { problem, setting, sample }))
        })
    }

    /// The run that an outcome is of; `None` where it is none of ours.
    fn task(&self, outcome: &Outcome) -> Option<Task> {
        let setting = self.settings.iter().position(|setting| setting.name() == outcome.setting)?;
        let (problem, sample) = (outcome.problem, outcome.sample);
        let is_ours = problem < self.problems.len() && sample < self.samples.get();
        is_ours.then_some(Task { problem, setting, sample })
    }
}
