//! `fuzz`: bytes from strangers, made up by libFuzzer, into the entry points of `fuzz/`.
//!
//! The package there is a workspace of its own, built with the versions of this one's `Cargo.lock`. What libFuzzer finds
//! worth keeping stays in `fuzz/corpus`, what broke something in `fuzz/artifacts`; neither is committed: a failure's input
//! becomes a seed, below `fuzz/seeds`, which the tests of zoomr-model run, too.
//!
//! Without sanitizers, which want a nightly compiler: nearly all of the code is safe, and what is looked for is panics, inputs that
//! take long, and memory.

use std::{
    fs,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    runner::{Runner, Worth},
    workspace::{cargo, root},
};

/// How long a target runs by default, in seconds.
const SECONDS: u32 = 60;
/// The most seconds that one input may take.
const ONE: u32 = 10;
/// The most memory that the process may take, in MiB.
const MEMORY: u32 = 1024;
/// Where temporary files are best, if it is there: in memory, 30 times as many inputs are tried a second.
const IN_MEMORY: &str = "/dev/shm";

/// Runs all targets, or the one that `args` name, and prints the account.
///
/// # Errors
/// If the arguments name no target or time, or the package's files cannot be read.
pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let fuzz = root().join("fuzz");
    let (chosen, seconds) = parse(args)?;
    let mut targets = targets(&fuzz)?;
    if let Some(name) = chosen {
        ensure!(
            targets.iter().any(|target| target == name),
            "no target `{name}`; there is {}",
            targets.join(", ")
        );
        targets.retain(|target| target == name);
    }
    let mut runner = Runner::default();
    if let Some(why) = missing() {
        targets.iter().for_each(|target| runner.skip(&step(target), why));
        return Ok(runner.finish());
    }
    fs::copy(root().join("Cargo.lock"), fuzz.join("Cargo.lock"))
        .context("cannot copy Cargo.lock to fuzz/")?;
    let only = chosen.as_slice();
    runner.command("build of the fuzz targets", Worth::Gate, cargo_fuzz("build").args(only));
    for target in &targets {
        let corpus = fuzz.join("corpus").join(target);
        fs::create_dir_all(&corpus).with_context(|| format!("cannot make {}", corpus.display()))?;
        let mut command = cargo_fuzz("run");
        command.arg(target).arg(corpus).arg(fuzz.join("seeds").join(target)).arg("--");
        command.args([("max_total_time", seconds), ("timeout", ONE), ("rss_limit_mb", MEMORY)].map(flag));
        if Path::new(IN_MEMORY).is_dir() {
            command.env("TMPDIR", IN_MEMORY);
        }
        runner.command(&step(target), Worth::Check, &mut command);
    }
    Ok(runner.finish())
}

/// The target, if one is named, and for how many seconds.
fn parse<'a>(args: &[&'a str]) -> Result<(Option<&'a str>, u32)> {
    let (target, rest) = match args {
        [target, rest @ ..] if !target.starts_with('-') => (Some(*target), rest),
        rest => (None, rest),
    };
    match rest {
        [] => Ok((target, SECONDS)),
        ["--seconds", seconds] => {
            Ok((target, seconds.parse().context("fuzz --seconds: give a whole number")?))
        }
        _ => bail!("fuzz: give a TARGET, then --seconds N, or neither"),
    }
}

/// The names of the targets, in alphabetical order.
fn targets(fuzz: &Path) -> Result<Vec<String>> {
    let files = fs::read_dir(fuzz.join("fuzz_targets")).context("cannot read fuzz/fuzz_targets")?;
    let name = |file: fs::DirEntry| file.path().file_stem().map(|name| name.to_string_lossy().into_owned());
    let mut targets: Vec<String> = files.flatten().filter_map(name).collect();
    targets.sort_unstable();
    Ok(targets)
}

/// What this machine lacks to run a target.
fn missing() -> Option<&'static str> {
    let runs = |command: &mut Command| {
        command
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|it| it.success())
    };
    if !cfg!(unix) {
        Some("libFuzzer runs on Unix alone")
    } else if !runs(cargo().arg("fuzz")) {
        Some("no cargo-fuzz (`cargo install cargo-fuzz --locked`)")
    } else if std::env::var_os("CXX").is_none() && !runs(&mut Command::new("c++")) {
        Some("no C++ compiler, which libFuzzer is built with (c++, or another one in $CXX)")
    } else {
        None
    }
}

fn flag((name, value): (&str, u32)) -> String {
    format!("-{name}={value}")
}

fn step(target: &str) -> String {
    format!("fuzz {target}")
}

fn cargo_fuzz(command: &str) -> Command {
    let mut cargo = cargo();
    cargo.args(["fuzz", command, "--sanitizer", "none"]);
    cargo
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_and_a_time_may_be_given() {
        assert_eq!(parse(&[]).unwrap(), (None, SECONDS));
        assert_eq!(parse(&["grade", "--seconds", "5"]).unwrap(), (Some("grade"), 5));
        assert_eq!(parse(&["--seconds", "5"]).unwrap(), (None, 5));
        assert!(parse(&["--seconds", "soon"]).is_err() && parse(&["grade", "config"]).is_err());
        let unknown = run(&["nothing"]).unwrap_err().to_string();
        assert!(unknown.contains("no target `nothing`; there is adapter, "), "{unknown}");
    }

    /// A target is a file, a part of the manifest, and some seeds.
    #[test]
    fn every_target_is_built_and_has_seeds() {
        let fuzz = root().join("fuzz");
        let manifest = fs::read_to_string(fuzz.join("Cargo.toml")).unwrap();
        for target in targets(&fuzz).unwrap() {
            assert!(manifest.contains(&format!("name = \"{target}\"\npath = \"fuzz_targets/{target}.rs\"")));
            assert!(fs::read_dir(fuzz.join("seeds").join(&target)).unwrap().count() > 0, "{target}");
        }
    }
}
