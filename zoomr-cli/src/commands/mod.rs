//! The commands, one file or folder each; what they share is here.

pub(crate) mod completions;
#[cfg(feature = "train")]
pub(crate) mod data;
#[cfg(feature = "train")]
pub(crate) mod eval;
pub(crate) mod generate;
pub(crate) mod inspect;
pub(crate) mod man;
#[cfg(feature = "train")]
pub(crate) mod needle;
pub(crate) mod plan;
pub(crate) mod quantize;
mod run;
pub(crate) mod score;
#[cfg(feature = "train")]
pub(crate) mod train;
pub(crate) mod verify;

use std::process::ExitCode;

use anyhow::Result;

use crate::args::Command;

/// Runs a command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Generate(args) => generate::run(*args),
        Command::Score(args) => score::run(*args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Plan(args) => plan::run(*args),
        Command::Verify(args) => verify::run(args),
        Command::Quantize(args) => quantize::run(&args),
        #[cfg(feature = "train")]
        Command::Train(args) => train::run(*args),
        #[cfg(feature = "train")]
        Command::Eval(args) => eval::run(*args),
        #[cfg(feature = "train")]
        Command::Needle(args) => needle::run(*args),
        #[cfg(feature = "train")]
        Command::Data(args) => data::run(args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
