//! `zoomr`: long reasoning in a fraction of the key-value memory.
//!
//! Glue only. `args` is the command line, checked; `commands` has one file per command; `load` and `provider`
//! turn `--model` and the Cargo features into a model on a backend; `builtin` is the model without `--model`; `interrupt` and `echo` are Ctrl-C; `output` is everything that is printed or
//! written. What is computed, and how, is in the other crates.
//!
//! Exit codes: 0, 1 for any error (bad flags included), 3 where the cap on KV memory ended a text, 130 after Ctrl-C (or
//! SIGTERM, or SIGHUP), 141 where nobody reads the output any more.

mod args;
mod builtin;
mod commands;
mod echo;
mod interrupt;
mod load;
mod output;
mod provider;
mod threads;

use std::process::ExitCode;

use clap::{Parser, error::ErrorKind};

use self::args::Cli;

/// What a shell expects of a process that a closed pipe ended: 128 + SIGPIPE.
const CLOSED_PIPE: u8 = 141;

fn main() -> ExitCode {
    output::report_panics();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    commands::run(cli.command).unwrap_or_else(|error| failure(&error))
}

/// Prints what clap has to say: help and version are no errors.
fn usage(error: &clap::Error) -> ExitCode {
    if let Err(unsaid) = output::usage(error) {
        return failure(&unsaid);
    }
    if cfg!(not(feature = "train")) && error.kind() == ErrorKind::InvalidSubcommand {
        output::note(
            "\nThe commands train, eval, needle and data take a zoomr with the Cargo feature `train` (on by default).",
        );
    }
    if error.use_stderr() {
        args::foreign::tips(std::env::args()).iter().for_each(|tip| output::note(tip));
    }
    if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Says what went wrong, if anybody listens.
fn failure(error: &anyhow::Error) -> ExitCode {
    if output::is_closed_pipe(error) {
        return CLOSED_PIPE.into();
    }
    output::complain(error);
    ExitCode::FAILURE
}
