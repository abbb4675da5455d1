//! Outcomes in a directory: `eval.json` says of what, `outcomes.jsonl` has a line for each run, written as soon as the
//! run is over. Whoever is killed loses the runs under way; the next one does what is missing.

use std::{fs, path::Path};

use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};
use zoomr_core::{
    config::Options,
    kernels::{AttentionKernels, LinearKernels},
};

use super::{Bench, EvalError, Outcome, Plan};
use crate::{
    atomic_file::{Existing, write_json},
    data::{
        DataError,
        log::{Log, LogError},
    },
    digest::Digest,
};

/// What an evaluation is of: two with the same description have the same outcomes, but for their times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Description {
    /// The weights' hash.
    model: String,
    /// How many problems there are.
    count: usize,
    /// A hash of them.
    problems: Digest,
    /// How many of them are measured for missed attention.
    mass: usize,
    /// Segmenter, trigger, and how texts are drawn, as text.
    thinking: String,
    /// The settings and their names.
    settings: Vec<(String, Options)>,
}

impl Description {
    /// Describes a plan on a bench, whose model's weights have the hash `model`
    /// ([`Weights::digest`](crate::weights::Weights::digest)).
    pub fn new<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
        model: String,
        bench: &Bench<'_, B, K>,
        plan: &Plan<'_>,
    ) -> Self {
        let problems = plan.problems.iter().map(|problem| format!("{problem:?}"));
        let settings = plan.settings.iter();
        let (segmenter, options) = (&bench.segmenter, &bench.options);
        Self {
            model,
            count: plan.problems.len(),
            problems: Digest::of(problems),
            mass: plan.mass,
            thinking: format!(
                "{segmenter:?}, {:?}, {:?}, {} of {:?}",
                options.trigger,
                options.summary,
                plan.samples,
                bench.sampler.options()
            ),
            settings: settings
                .map(|setting| (setting.name().to_owned(), (**setting.settings()).clone()))
                .collect(),
        }
    }

    /// In what it is different from `other`, if in anything.
    fn difference(&self, other: &Self) -> Option<&'static str> {
        let problems = |of: &Self| (of.count, of.problems);
        let differences = [
            (self.model != other.model, "another model"),
            (problems(self) != problems(other), "other problems"),
            (self.settings != other.settings, "other settings"),
            (self != other, "other options"),
        ];
        differences.into_iter().find(|(differ, _)| *differ).map(|(_, what)| what)
    }
}

/// The directory, open.
#[derive(Debug)]
pub struct Record {
    log: Log,
}

impl Record {
    /// The files of the directory: what the outcomes are of, and they.
    pub const FILES: [&str; 2] = ["eval.json", "outcomes.jsonl"];

    /// Opens the directory of an evaluation, which is made where there is none; with the outcomes in it.
    ///
    /// # Errors
    /// [`EvalError::Other`] where it holds an evaluation of something else, [`EvalError::Busy`] where another process
    /// has it open, [`EvalError::Line`] and [`EvalError::Data`] where it is damaged or cannot be used.
    pub fn open(dir: &Path, description: &Description) -> Result<(Self, Vec<Outcome>), EvalError> {
        fs::create_dir_all(dir).map_err(|source| DataError::Write { path: dir.to_owned(), source })?;
        let [head, path] = Self::FILES.map(|name| dir.join(name));
        // Whose the outcomes are must be known before they are read, and nobody else may be about to say so.
        let other = |what| EvalError::Other { dir: dir.to_owned(), what };
        let known = read(&head)?;
        if let Some(what) = known.as_ref().and_then(|known| known.difference(description)) {
            return Err(other(what));
        }
        let (log, outcomes) = Log::open(&path, r#"{"problem":"#).map_err(|error| match error {
            LogError::Busy => EvalError::Busy { path },
            LogError::Line(line) => EvalError::Line { path, line },
            LogError::Data(error) => error.into(),
        })?;
        if known.is_none() {
            if !log.is_empty() {
                return Err(other("outcomes that nothing describes"));
            }
            write_json(&head, description, Existing::Refuse).map_err(DataError::from)?;
        }
        Ok((Self { log }, outcomes))
    }

    /// Writes an outcome down.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub(super) fn add(&mut self, outcome: &Outcome) -> Result<(), DataError> {
        self.log.add(outcome)
    }
}

/// The description in a file; `None` where there is no such file.
fn read(path: &Path) -> Result<Option<Description>, DataError> {
    let failed = |source| DataError::Read { path: path.to_owned(), source };
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}
