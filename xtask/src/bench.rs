//! `bench`: measurements that people run and read; no test depends on them.
//!
//! The benchmark itself belongs to the crate whose speed it is; here it gets its model.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};

use crate::workspace::{MODEL, cargo, found_model};

/// The benchmarks, each with the package that has it.
const BENCHES: [(&str, &str); 1] = [("decode", "zoomr-cli")];

/// Runs a benchmark; `args` are its name and what it is given.
///
/// # Errors
///
/// If there is no such benchmark, no model to run it on, or cargo cannot be run.
pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let known = || BENCHES.map(|(name, _)| name).join(", ");
    let Some((&name, args)) = args.split_first() else { bail!("bench: which one? there is {}", known()) };
    let found = BENCHES.iter().find(|(known, _)| *known == name);
    let (name, package) = found.with_context(|| format!("no benchmark `{name}`; there is {}", known()))?;
    let (dir, args) = match args {
        ["--model", dir, args @ ..] => (Some(PathBuf::from(dir)), args),
        args => (None, args),
    };
    if !matches!(args, [] | ["--contexts" | "--kv", _] | ["--contexts", _, "--kv", _]) {
        bail!("bench {name}: give --model DIR, then --contexts TOKENS,.., then --kv DTYPE, or none of these");
    }
    let model = dir.map_or_else(default_model, Ok)?;
    // The benchmark runs in its package's folder.
    let model = std::path::absolute(&model).with_context(|| format!("no path: {}", model.display()))?;
    let mut command = cargo();
    command.args(["bench", "--locked", "--package", package, "--bench", name, "--", "--model"]).arg(model);
    command.args(args);
    // Its exit code says whether what it measured will do.
    let status = command.status().context("cannot run `cargo bench`")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn default_model() -> Result<PathBuf> {
    found_model().with_context(|| {
        format!("no model to measure: give --model DIR, or have {MODEL} in $ZOOMR_MODELS or target/models")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_benchmarks_are_refused() {
        assert!(run(&["encode"]).unwrap_err().to_string().contains("there is decode"));
        assert!(run(&["decode", "--fast"]).unwrap_err().to_string().contains("or none"));
        assert!(run(&["decode", "--contexts"]).unwrap_err().to_string().contains("or none"));
        assert!(run(&[]).unwrap_err().to_string().contains("there is decode"));
    }
}
