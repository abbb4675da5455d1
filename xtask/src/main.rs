//! `cargo xtask`: zoomr's own build tool.
//!
//! It runs cargo and the workspace's own lints, and adds up what they say. CI calls it and knows nothing
//! more; it knows nothing of the method. A map:
//! [`check`] and [`test_all`] say what is run, [`runner`] runs it, [`libtest`] reads what tests print,
//! [`features`] lists the feature sets, [`mod@bench`] measures, [`mod@fuzz`] fuzzes, [`compare`] holds two binaries against each other,
//! [`tidy`] holds our lints, [`device`] packs for a GPU machine, [`train_default`] trains the built-in model,
//! [`workspace`] asks cargo what the workspace holds.

mod bench;
mod check;
mod compare;
mod device;
mod features;
mod fuzz;
mod libtest;
mod runner;
mod test_all;
mod tidy;
mod train_default;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::workspace::Workspace;

const HELP: &str = "\
zoomr's build tool. It needs nothing but a Rust toolchain and a C compiler.

usage: cargo xtask COMMAND

  check      what is fast: formatting, tidy, clippy and docs without warnings
  test-all   everything: check, feature sets, tests, doctests, examples; ends with counts, every skip named
  features   compiles every supported set of Cargo features
  tidy       this repository's own lints (files, unsafe code, crate graph)
  device     packs release binaries that test and measure on a machine with an H100 into .device-carry/
  train-default [--accept]
             trains the built-in model anew (an hour), and compares it with the committed one
  compare OLD_BINARY [NEW_BINARY]
             whether two binaries of zoomr do the same to the bit, by default against this workspace's own
             (--model DIR, --filter TEXT: some runs only, --keep DIR: the old one's results, for the next time,
             --allow CLASS,..: what may differ, of text, votes, bytes, moved, other)
  bench NAME measures: `decode` is a real model's decoding speed against memory bandwidth, and where its time
             and heap requests go (--model DIR, then --contexts TOKENS,..)
  fuzz [TARGET] [--seconds N]
             runs each fuzz target for 60 seconds, where cargo-fuzz is installed
  help       this text

Tests on real models look into $ZOOMR_MODELS, or target/models when that is there, and are skipped otherwise;
`bench` and `compare` look there too.
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<ExitCode> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args.as_slice() {
        ["check"] => Ok(check::run(&Workspace::load()?)),
        ["test-all"] => Ok(test_all::run(&Workspace::load()?)),
        ["features"] => Ok(features::run()),
        ["tidy"] => Ok(tidy::run(&Workspace::load()?)),
        ["device"] => device::run(&Workspace::load()?),
        ["train-default", args @ ..] => train_default::run(args),
        ["bench", args @ ..] => bench::run(args),
        ["compare", args @ ..] => compare::run(args),
        ["fuzz", args @ ..] => fuzz::run(args),
        ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        [] => bail!("no command given\n\n{HELP}"),
        [known @ ("check" | "test-all" | "features" | "tidy" | "device"), ..] => {
            bail!("`{known}` takes no arguments")
        }
        [unknown, ..] => bail!("unknown command `{unknown}`\n\n{HELP}"),
    }
}
