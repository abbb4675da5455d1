//! `device`: packs what tests and measures zoomr on a GPU machine, where nothing can be built or fetched.
//!
//! Release binaries, the small golden models and [`run.sh`](RUN) go into one ignored folder, which is copied
//! there whole. It is small enough for that to be quick. Real models are too large; bring them another way.

mod pack;

use std::{
    path::PathBuf,
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::workspace::{Package, Workspace, cargo};

/// The script that runs there.
const RUN: &str = include_str!("run.sh");

/// The crate whose tests and benchmarks are packed.
const CUDA: &str = "zoomr-backend-cuda";

/// A program that cargo has built.
struct Program {
    name: String,
    /// The kind of its target: `bin`, `test` or `bench`.
    kind: String,
    path: PathBuf,
}

/// Builds, packs, and prints the command to run there.
///
/// # Errors
///
/// If something does not build, a file cannot be written, or the folder grows too large.
pub(crate) fn run(workspace: &Workspace) -> Result<ExitCode> {
    let cuda = workspace.package(CUDA).with_context(|| format!("no package {CUDA} in the workspace"))?;
    let programs = build(cuda)?;
    let folder = pack::create(&programs)?;
    println!("packed {}:", folder.path.display());
    for (name, bytes) in &folder.files {
        println!("  {:>8.1} MiB  {name}", pack::mib(*bytes));
    }
    println!(
        "\nCopy that folder to a machine with an H100 and CUDA 13.0, and run there:\n\n    \
         bash {}/run.sh RESULTS\n\nwhere RESULTS is a folder for the whole output; then add a row to \
         {CUDA}/DEVICE.md.",
        pack::FOLDER
    );
    Ok(ExitCode::SUCCESS)
}

/// One cargo call for everything, so that all of it shares one set of dependencies: they take minutes.
fn build(cuda: &Package) -> Result<Vec<Program>> {
    let mut command = cargo();
    command.args(["build", "--locked", "--release", "--message-format", "json-render-diagnostics"]);
    command.args(["--package", CUDA, "--package", "zoomr-cli", "--no-default-features"]);
    command.args(["--features", "zoomr-cli/cuda,zoomr-cli/hub,zoomr-cli/train", "--bin", "zoomr"]);
    for kind in ["test", "bench"] {
        for name in cuda.targets(kind) {
            command.args([format!("--{kind}"), name.to_owned()]);
        }
    }
    let output = command.stderr(Stdio::inherit()).output().context("cannot run `cargo build`")?;
    ensure!(output.status.success(), "`cargo build` failed: {}", output.status);
    let programs = programs(&String::from_utf8_lossy(&output.stdout));
    if programs.is_empty() {
        bail!("`cargo build` named no program");
    }
    Ok(programs)
}

/// Reads cargo's messages, one JSON object to a line.
fn programs(messages: &str) -> Vec<Program> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| program(&message)).collect()
}

fn program(message: &Value) -> Option<Program> {
    Some(Program {
        path: message["executable"].as_str()?.into(),
        name: message["target"]["name"].as_str()?.to_owned(),
        kind: message["target"]["kind"][0].as_str()?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_read_from_cargos_messages() {
        let messages = r#"
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"a"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["test"],"name":"conformance"},"executable":"/t/conformance-1"}
{"reason":"build-finished","success":true}
"#;
        let programs = programs(messages);
        assert_eq!(programs.len(), 1);
        assert_eq!((programs[0].name.as_str(), programs[0].kind.as_str()), ("conformance", "test"));
        assert_eq!(programs[0].path.to_str(), Some("/t/conformance-1"));
    }
}
