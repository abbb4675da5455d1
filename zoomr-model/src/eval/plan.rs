//! All runs: every problem under every setting, side by side, each once.

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
    /// Of how many problems, the first ones, missed attention is measured: the share of attention that went to tokens
    /// which a policy did not show. It takes about twice the time again.
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
    /// Everything was done: problem by problem, the settings in their order.
    Done(Vec<Outcome>),
    /// The observer ended it.
    Stopped {
        /// Runs that are over.
        done: usize,
        /// Runs in all.
        total: usize,
    },
}

/// One problem under one setting.
type Task = (usize, usize);

impl Plan<'_> {
    /// Makes sure that it can be done.
    ///
    /// # Errors
    /// [`EvalError`] where there is nothing to do, a setting comes twice, a question is longer than the model's context,
    /// or missed attention is asked for where it cannot be had.
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
        let total = self.problems.len() * self.settings.len();
        let mut outcomes: HashMap<Task, Outcome> =
            known.into_iter().filter_map(|outcome| Some((self.task(&outcome)?, outcome))).collect();
        // Problem by problem, so that settings can be compared long before the end.
        let all = || (0..self.problems.len()).flat_map(|p| (0..self.settings.len()).map(move |s| (p, s)));
        let open: Vec<Task> = all().filter(|task| !outcomes.contains_key(task)).collect();
        let mut done = total - open.len();
        if observer(Progress { done, total, latest: None }).is_break() {
            return Ok(Ended::Stopped { done, total });
        }
        pool::work(
            self.workers,
            &open,
            |&(problem, setting), stop| {
                let (asked, setting) = (&self.problems[problem], &self.settings[setting]);
                let solved = bench.run(problem, asked, setting, problem < self.mass, stop);
                solved.map_err(|source| EvalError::Run {
                    problem,
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
        Ok(Ended::Done(all().filter_map(|task| outcomes.remove(&task)).collect()))
    }

    /// The run that an outcome is of; `None` where it is none of ours.
    fn task(&self, outcome: &Outcome) -> Option<Task> {
        let setting = self.settings.iter().position(|setting| setting.name() == outcome.setting)?;
        (outcome.problem < self.problems.len()).then_some((outcome.problem, setting))
    }
}
