//! `zoomr data`: makes data to train and to evaluate on.

mod annotate;
mod statistics;
mod summaries;
mod synth;
mod teacher;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use self::{annotate::AnnotateArgs, synth::SynthArgs};

/// Flags of `data`: a command of its own.
#[derive(Debug, Args)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    command: DataCommand,
}

/// How data are made.
#[derive(Debug, Subcommand)]
enum DataCommand {
    /// Split reasoning into thoughts, and have a summary written for each.
    Annotate(Box<AnnotateArgs>),
    /// Make problems of long reasoning whose every step and answer can be checked.
    Synth(SynthArgs),
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: DataArgs) -> Result<ExitCode> {
    match args.command {
        DataCommand::Annotate(args) => annotate::run(*args),
        DataCommand::Synth(args) => synth::run(&args),
    }
}
