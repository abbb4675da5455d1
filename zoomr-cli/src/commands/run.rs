//! What `generate` and `score` share: the watch over a running engine, and the flags about it.

use std::{io::stderr, ops::ControlFlow, path::PathBuf};

use anyhow::{Context, Error, Result};
use burn::tensor::backend::Backend;
use clap::Args;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Role,
    stats::StepStats,
};
use zoomr_model::engine::{Engine, Timing};

use crate::{
    interrupt::Interrupt,
    output::{
        OutFile,
        account::{Account, Attended},
        account_table::table,
        bytes, note,
        places::Places,
        table::width,
        trace::Trace,
    },
};

/// What is said of a run besides its result.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Print an account of time and memory to standard error at the end.
    #[arg(long)]
    stats: bool,

    /// Do not fit tables to the terminal.
    #[arg(long)]
    pub(super) wide: bool,

    /// Write one line of JSON per step: tokens attended, bytes by tier, votes, zoomed thoughts.
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Write the run's tokens, queries and keys, as safetensors, for `zoomr eval --replay`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

impl WatchArgs {
    /// Makes sure that trace and recording are files of their own, beside those of `places`.
    ///
    /// # Errors
    /// Where two are the same.
    pub(super) fn check(&self, places: &mut Places) -> Result<()> {
        self.trace.iter().try_for_each(|path| places.output("--trace", path))?;
        self.record.iter().try_for_each(|path| places.output("--record", path))
    }

    /// Whether an account was asked for.
    pub(super) fn says(&self) -> bool {
        self.stats
    }

    /// Prints the account, if it was asked for.
    pub(super) fn say(&self, account: &Account) {
        if self.stats {
            note(table(account, width(&stderr(), self.wide)).trim_end());
        }
    }
}

/// Follows the steps of an engine, and stops it on Ctrl-C or where something cannot be written.
pub(super) struct Watch {
    trace: Option<Trace>,
    /// Where the engine's recording goes.
    record: Option<OutFile>,
    interrupt: Interrupt,
    attended: Attended,
    /// What could not be written.
    failure: Option<Error>,
}

impl Watch {
    /// Begins trace and recording, if there are to be any, and listens for Ctrl-C, which ends the process at once until the
    /// steps begin.
    ///
    /// # Errors
    /// Where one of them cannot be written, or the system refuses to tell of Ctrl-C.
    pub(super) fn new(args: &WatchArgs) -> Result<Self> {
        let trace = args.trace.as_deref().map(Trace::create).transpose()?;
        let create = |path| OutFile::create("--record", path);
        let record = args.record.as_deref().map(create).transpose()?;
        let interrupt = Interrupt::listen()?;
        Ok(Self { trace, record, interrupt, attended: Attended::default(), failure: None })
    }

    /// The engine is about to run: has it record, if asked to. From now on Ctrl-C ends the run in order.
    ///
    /// # Errors
    /// Where the engine has run already.
    pub(super) fn begin<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
        &self,
        engine: &mut Engine<'_, B, K>,
    ) -> Result<()> {
        if self.record.is_some() {
            engine.record()?;
        }
        self.interrupt.begin_steps();
        Ok(())
    }

    /// A watch over another run of the same command, of which nothing is written.
    pub(super) fn another(&self) -> Self {
        let interrupt = self.interrupt.clone();
        Self { trace: None, record: None, interrupt, attended: Attended::default(), failure: None }
    }

    /// Whether files are of one run: trace and recording, if there is to be any.
    pub(super) fn writes(&self) -> bool {
        self.trace.is_some() || self.record.is_some()
    }

    /// Notes a step.
    pub(super) fn step(&mut self, role: Role, stats: &StepStats) -> ControlFlow<()> {
        self.attended.add(role, stats);
        let traced = self.trace.as_mut().map_or(Ok(()), |trace| trace.step(role, stats));
        self.go_on(traced)
    }

    /// Whether the engine may go on, given what came of writing something.
    pub(super) fn go_on(&mut self, written: Result<()>) -> ControlFlow<()> {
        if let Err(error) = written {
            // The first failure is the cause of any other.
            self.failure.get_or_insert(error);
        }
        if self.failure.is_some() || self.interrupt.stopping() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Finishes trace and recording; the account of the engine's run, the first `prompt` tokens of which are its prompt.
    ///
    /// # Errors
    /// What could not be written during the run, or now.
    pub(super) fn finish<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
        self,
        engine: &Engine<'_, B, K>,
        prompt: usize,
        timing: &Timing,
    ) -> Result<Account> {
        let account = Account::of(engine, prompt, &self.attended, timing)?;
        let finished = self.trace.map_or(Ok(()), Trace::finish);
        self.failure.map_or(finished, Err)?;
        if let (Some(mut file), Some(recording)) = (self.record, engine.recording()) {
            file.write(&recording.to_bytes().context("--record")?)?;
            file.finish()?;
        }
        Ok(account)
    }
}

/// The status line of a run: how many tokens at what speed, in how much memory.
pub(super) fn progress(tokens: usize, per_second: f64, stats: &StepStats) -> String {
    let resident = stats.bytes.resident();
    let times = stats.full_bytes as f64 / resident.max(1) as f64;
    format!(
        "{tokens} tokens, {per_second:.1} per second, KV {} resident, reduction {times:.1}x",
        bytes(resident)
    )
}
