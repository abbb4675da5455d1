//! `compare`: whether two binaries of `zoomr` do the same, to the bit.
//!
//! A change that is meant to change nothing is held to that: both binaries do the same runs, greedily and with
//! fixed seeds, and all that they say is compared, times left out. It judges neither: only that they differ, and
//! where first.
//!
//! * [`matrix`]: the runs, and the files that they read.
//! * [`record`]: one run of one binary, and what it left.
//! * [`keep`]: records of the old binary from before, and where they are kept.
//! * [`differ`]: two records side by side, field by field.
//! * [`class`]: what kind of thing a field tells, so that some kinds may be allowed to differ.
//! * [`report`]: the table.

mod class;
mod differ;
mod keep;
mod matrix;
mod record;
mod report;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use self::{class::Class, keep::Keep, matrix::Run, record::Scratch, report::Report};
use crate::workspace::{cargo, found_model, root};

const USAGE: &str =
    "usage: compare OLD_BINARY [NEW_BINARY] [--model DIR] [--filter TEXT] [--keep DIR] [--allow CLASS,..]";

/// What was asked for.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    old: PathBuf,
    /// By default this workspace's own, built now.
    new: Option<PathBuf>,
    /// The real model; by default the one that `bench` measures, where it is found.
    model: Option<PathBuf>,
    /// Only runs whose name contains it.
    filter: String,
    /// Where records of the old binary are kept.
    keep: Option<PathBuf>,
    /// What may differ.
    allow: Vec<Class>,
}

/// Compares; success only if nothing differs but what may.
///
/// # Errors
///
/// If the arguments make no sense, a binary cannot be run, or files cannot be read or written.
pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let asked = Asked::parse(args)?;
    let model = asked.model.clone().or_else(found_model);
    let mut runs = matrix::runs(model.as_deref());
    runs.retain(|run| run.name.contains(&asked.filter));
    ensure!(!runs.is_empty(), "compare: no run is called `{}`", asked.filter);
    let new = asked.new.clone().map_or_else(build, Ok)?;
    let (old, new) = (absolute(&asked.old)?, absolute(&new)?);
    let keep = asked.keep.as_deref().map(|dir| Keep::open(dir, &old)).transpose()?;
    let scratch = Scratch::create()?;
    let mut report = Report::new(asked.allow, runs.len());
    if model.is_none() {
        report
            .note("SKIPPED: the real model; give --model DIR, or have it in $ZOOMR_MODELS or target/models");
    }
    for run in &runs {
        let (before, old_time) = timed(|| recall(keep.as_ref(), &scratch, &old, run))?;
        let (after, new_time) = timed(|| scratch.record(&new, run))?;
        report.add(&run.name, &differ::differences(&before, &after), [old_time, new_time]);
    }
    Ok(report.finish())
}

/// The old binary's record, from before where there is one.
fn recall(keep: Option<&Keep>, scratch: &Scratch, old: &Path, run: &Run) -> Result<Value> {
    let Some(keep) = keep else { return scratch.record(old, run) };
    if let Some(record) = keep.find(run)? {
        return Ok(record);
    }
    let record = scratch.record(old, run)?;
    keep.put(run, &record)?;
    Ok(record)
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Duration)> {
    let begun = Instant::now();
    Ok((work()?, begun.elapsed()))
}

/// This workspace's own binary.
fn build() -> Result<PathBuf> {
    let mut command = cargo();
    let status = command.args(["build", "--locked", "--release", "--package", "zoomr-cli"]).status();
    ensure!(status.context("cannot run `cargo build`")?.success(), "zoomr cannot be built");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(target.join("release/zoomr"))
}

/// Runs have a working directory of their own, where a relative path would not hold.
fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("compare: no such file: {}", path.display()))
}

impl Asked {
    fn parse(args: &[&str]) -> Result<Self> {
        let (mut asked, mut binaries) = (Self::default(), Vec::new());
        let mut args = args.iter();
        while let Some(&arg) = args.next() {
            let mut value = || args.next().copied().with_context(|| format!("compare: {arg} needs a value"));
            match arg {
                "--model" => asked.model = Some(absolute(Path::new(value()?))?),
                "--filter" => asked.filter = value()?.to_owned(),
                "--keep" => asked.keep = Some(PathBuf::from(value()?)),
                "--allow" => asked.allow = value()?.split(',').map(str::parse).collect::<Result<_>>()?,
                flag if flag.starts_with('-') => bail!("compare: unknown flag `{flag}`\n{USAGE}"),
                binary => binaries.push(PathBuf::from(binary)),
            }
        }
        let mut binaries = binaries.into_iter();
        asked.old = binaries.next().with_context(|| format!("compare: which binary?\n{USAGE}"))?;
        asked.new = binaries.next();
        ensure!(binaries.next().is_none(), "compare: two binaries at most\n{USAGE}");
        Ok(asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(args: &[&str]) -> String {
        Asked::parse(args).unwrap_err().to_string()
    }

    #[test]
    fn arguments_come_in_any_order() {
        let asked = Asked::parse(&["--allow", "bytes,moved", "old", "--filter", "quest", "new"]).unwrap();
        let expected = Asked {
            old: "old".into(),
            new: Some("new".into()),
            filter: "quest".to_owned(),
            allow: vec![Class::Bytes, Class::Moved],
            ..Asked::default()
        };
        assert_eq!(asked, expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert!(refused(&[]).contains("which binary"));
        assert!(refused(&["a", "b", "c"]).contains("two binaries at most"));
        assert!(refused(&["a", "--fast"]).contains("unknown flag `--fast`"));
        assert!(refused(&["a", "--keep"]).contains("--keep needs a value"));
        assert!(refused(&["a", "--allow", "speed"]).contains("`speed`"));
        assert!(refused(&["a", "--model", "no/such/model"]).contains("no such file"));
    }
}
