//! A whole run: step after step, with a log and checkpoints, from wherever the last run got to.
//!
//! A directory holds the run: `checkpoint.safetensors`, and `log.jsonl` with a [`StepReport`] per line. The log is
//! written before the checkpoint; lines after the checkpoint's step are those of work that was lost, and go when
//! the run goes on.

use std::{
    fmt,
    fs::{self, File},
    io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::backend::Backend;
use zoomr_core::kernels::TrainingKernels;

use super::{
    TrainError,
    curriculum::Curriculum,
    trainer::{StepReport, Trainer},
};
use crate::{
    atomic_file::{Existing, is_ours, sweep},
    data::{
        DataError,
        lines::{self, Writer},
    },
};

/// A run in its directory.
pub struct Run<'a, B: Backend, K> {
    trainer: Trainer<B, K>,
    curriculum: &'a Curriculum<'a>,
    /// Their digest.
    texts: String,
    dir: PathBuf,
    log: Vec<StepReport>,
    /// Steps between checkpoints.
    interval: usize,
    /// Nobody else works here while this is open.
    _lock: Option<File>,
}

impl<'a, B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> Run<'a, B, K> {
    /// A run through `curriculum` that keeps its files in `dir`, which is made where there is none, and writes a checkpoint
    /// every `interval` steps (at least 1). With `resume` it goes on from the last checkpoint, if there is one, as
    /// [`Trainer::resume`] says.
    ///
    /// # Errors
    /// [`TrainError::Started`] where a run has been there and `resume` is not set, [`TrainError::File`] where the
    /// directory cannot be used, [`TrainError::Busy`] where another process uses it, [`TrainError::Log`], and as
    /// [`Curriculum::digest`] and [`Trainer::resume`].
    pub fn open(
        trainer: Trainer<B, K>,
        curriculum: &'a Curriculum<'a>,
        dir: &Path,
        interval: usize,
        resume: bool,
    ) -> Result<Self, TrainError> {
        fs::create_dir_all(dir).map_err(|source| DataError::Write { path: dir.to_owned(), source })?;
        // A system on which a directory cannot be opened has no such lock.
        let lock = File::open(dir).ok();
        if lock.as_ref().is_some_and(|lock| !is_ours(lock)) {
            return Err(TrainError::Busy { dir: dir.to_owned() });
        }
        let begun = has_run(dir);
        if begun && !resume {
            return Err(TrainError::Started { dir: dir.to_owned() });
        }
        let (dir, texts, interval) = (dir.to_owned(), curriculum.digest()?, interval.max(1));
        let (trainer, log) = match begun {
            true => {
                let trainer = trainer.resume(&checkpoint_in(&dir), &texts)?;
                let log = read_log(&log_in(&dir), trainer.steps())?;
                (trainer, log)
            }
            false => (trainer, Vec::new()),
        };
        // As large as the model: what a run that was killed has left should not stay until the first checkpoint.
        sweep(&dir);
        Ok(Self { trainer, curriculum, texts, dir, log, interval, _lock: lock })
    }

    /// The model as it is now.
    pub fn trainer(&self) -> &Trainer<B, K> {
        &self.trainer
    }

    /// What every step so far did.
    pub fn log(&self) -> &[StepReport] {
        &self.log
    }

    /// Goes through all steps that are left; `observer` hears of each and may end the run after it, with a
    /// checkpoint. Returns whether the run is over.
    ///
    /// # Errors
    /// Whatever a step, its texts or a checkpoint says.
    pub fn go_on(
        &mut self,
        observer: &mut dyn FnMut(&StepReport) -> ControlFlow<()>,
    ) -> Result<bool, TrainError> {
        let steps = self.trainer.recipe().steps();
        while self.trainer.steps() < steps {
            let report = self.trainer.step(&self.curriculum.batch(self.trainer.steps())?)?;
            self.log.push(report);
            let stopped = observer(&report).is_break();
            let over = report.step == steps;
            if over || stopped || report.step.is_multiple_of(self.interval) {
                self.keep()?;
            }
            if stopped {
                return Ok(over);
            }
        }
        Ok(true)
    }

    fn keep(&self) -> Result<(), TrainError> {
        let mut log = Writer::create(&log_in(&self.dir), Existing::Replace)?;
        for report in &self.log {
            log.write(report)?;
        }
        log.finish()?;
        self.trainer.checkpoint(&checkpoint_in(&self.dir), &self.texts)
    }
}

/// Whether a run has been in `dir`, and left a checkpoint to go on from.
pub fn has_run(dir: &Path) -> bool {
    checkpoint_in(dir).exists()
}

/// The first `steps` lines of a log.
fn read_log(path: &Path, steps: usize) -> Result<Vec<StepReport>, TrainError> {
    let log = match lines::read::<StepReport>(path) {
        Err(DataError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Vec::new(),
        log => log?.take(steps).collect::<Result<_, _>>()?,
    };
    let logged = log.iter().zip(1..).take_while(|(report, step)| report.step == *step).count();
    if logged < steps {
        return Err(TrainError::Log { path: path.to_owned(), logged, steps });
    }
    Ok(log)
}

fn checkpoint_in(dir: &Path) -> PathBuf {
    dir.join("checkpoint.safetensors")
}

fn log_in(dir: &Path) -> PathBuf {
    dir.join("log.jsonl")
}
