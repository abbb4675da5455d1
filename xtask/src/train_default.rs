//! `train-default`: trains the model that ships inside of the binary, from its recipe and seed alone.
//!
//! The run is `zoomr train`'s own: killed, it goes on from its last checkpoint when this is called again. At the end
//! the weights are compared with the committed ones, byte by byte; `--accept` puts the new ones in their place.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::{DEFAULT_MODEL, cargo, root};

/// Where it is trained.
const TRAINED: &str = "target/default-model";
/// The file that the binary's behaviour hangs on.
const WEIGHTS: &str = "model.safetensors";
/// What else a run leaves and is committed.
const OTHERS: [&str; 4] = ["zoomr.json", "tokenizer.json", "tokenizer_config.json", "loss.svg"];
/// The log is committed with one line of so many: enough to see how it went.
const LOG_EVERY: usize = 20;

/// Trains, compares, and takes over the result if `accept` says so.
///
/// # Errors
/// If training fails, or a file cannot be read or written.
pub(crate) fn run(args: &[&str]) -> Result<ExitCode> {
    let accept = match args {
        [] => false,
        ["--accept"] => true,
        _ => bail!("train-default: give --accept to replace the committed model, or nothing"),
    };
    let (committed, trained) = (root().join(DEFAULT_MODEL), root().join(TRAINED));
    train(&committed, &trained)?;
    let read = |dir: &Path| {
        let path = dir.join(WEIGHTS);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let same = read(&committed)? == read(&trained)?;
    if same {
        println!("the same bytes as {DEFAULT_MODEL}/{WEIGHTS}");
        return Ok(ExitCode::SUCCESS);
    }
    if accept {
        take_over(&trained, &committed)?;
        println!("{DEFAULT_MODEL} is now the model of this run");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "not the bytes of {DEFAULT_MODEL}/{WEIGHTS}: another processor may round otherwise, and a changed recipe trains \
         another model; --accept takes this one over"
    );
    Ok(ExitCode::FAILURE)
}

fn train(committed: &Path, trained: &Path) -> Result<()> {
    let mut command = cargo();
    command.args(["run", "--locked", "--release", "--package", "zoomr-cli", "--", "train", "--workers", "2"]);
    command.arg("--config").arg(committed.join("config.json"));
    command.arg("--recipe").arg(committed.join("recipe.json"));
    command.arg("--out").arg(trained).arg("--resume");
    let status = command.status().context("cannot run `cargo run`")?;
    ensure!(status.success(), "training ended early: {status}; call again to go on");
    Ok(())
}

fn take_over(trained: &Path, committed: &Path) -> Result<()> {
    let failed = |path: &Path| format!("cannot copy {}", path.display());
    for name in OTHERS.into_iter().chain([WEIGHTS]) {
        let from = trained.join(name);
        fs::copy(&from, committed.join(name)).with_context(|| failed(&from))?;
    }
    let from: PathBuf = trained.join("log.jsonl");
    let log = fs::read_to_string(&from).with_context(|| failed(&from))?;
    let kept: String = log.split_inclusive('\n').skip(LOG_EVERY - 1).step_by(LOG_EVERY).collect();
    fs::write(committed.join("log.jsonl"), kept).with_context(|| failed(&from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_taken_over_with_a_short_log() {
        let base = std::env::temp_dir().join(format!("zoomr-train-default-{}", std::process::id()));
        let (from, to) = (base.join("from"), base.join("to"));
        fs::create_dir_all(&from).unwrap();
        fs::create_dir_all(&to).unwrap();
        for name in OTHERS.into_iter().chain([WEIGHTS]) {
            fs::write(from.join(name), name).unwrap();
        }
        let log: String = (1..=45).map(|step| format!("{step}\n")).collect();
        fs::write(from.join("log.jsonl"), log).unwrap();
        take_over(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("log.jsonl")).unwrap(), "20\n40\n");
        assert_eq!(fs::read_to_string(to.join(WEIGHTS)).unwrap(), WEIGHTS);
        fs::remove_dir_all(base).unwrap();
        assert!(run(&["--fast"]).unwrap_err().to_string().contains("--accept"));
    }
}
