//! `test-all`: everything a contributor needs, cheapest first.
//!
//! All test steps select the same packages (the default members) and differ in targets only, so that cargo
//! resolves one set of features and compiles each thing once.

use std::{
    collections::BTreeMap,
    process::{Command, ExitCode},
};

use crate::{
    check, features,
    runner::{Runner, Worth},
    workspace::{Package, Workspace, cargo, models},
};

/// Runs everything and prints the account.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut runner = Runner::default();
    check::steps(&mut runner, workspace);
    let mut build = cargo();
    runner.command("build of the tests", Worth::Gate, build.args(["test", "--locked", "--no-run"]));
    tests(&mut runner, workspace);
    // Last, since a machine that never compiled them spends minutes on the CUDA crates.
    features::steps(&mut runner);
    let mut cuda = check::clippy(&["--package", "zoomr-backend-cuda"]);
    runner.command("zoomr-backend-cuda, tests included", Worth::Check, &mut cuda);
    runner.finish()
}

/// One step for unit tests, one for each file of integration tests, one for doctests, one per example.
fn tests(runner: &mut Runner, workspace: &Workspace) {
    runner.command("unit tests", Worth::Tests, &mut test(&["--lib", "--bins"]));
    for (name, packages) in integration_tests(workspace.default_packages()) {
        let step = format!("{}: {name}", packages.join(", "));
        runner.command(&step, Worth::Tests, &mut test(&["--test", name]));
    }
    runner.command("doctests", Worth::Tests, &mut test(&["--doc"]));
    for package in workspace.default_packages() {
        for example in package.targets("example") {
            let mut command = cargo();
            command.args(["run", "--locked", "--example", example]);
            runner.command(&format!("{}: example {example}", package.name), Worth::Check, &mut command);
        }
    }
}

/// Integration tests by name, in the order of the packages that have them; two packages may share a name,
/// and then `cargo test --test NAME` runs both.
fn integration_tests<'a>(packages: impl Iterator<Item = &'a Package>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut order: Vec<&str> = Vec::new();
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in packages {
        for name in package.targets("test") {
            if !order.contains(&name) {
                order.push(name);
            }
            owners.entry(name).or_default().push(&package.name);
        }
    }
    order.into_iter().map(|name| (name, owners.remove(name).unwrap_or_default())).collect()
}

/// `cargo test` for some targets: all binaries run even if one fails, and passing tests' output is shown,
/// since that is where a test says that it skipped itself.
fn test(targets: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["test", "--locked", "--no-fail-fast"]).args(targets).args(["--", "--show-output"]);
    if let Some(models) = models() {
        command.env("ZOOMR_MODELS", models);
    }
    command
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    /// A package whose tests pass, skip themselves, and say so in either way.
    const TESTS: &str = r#"
use std::io::Write;

#[test]
fn passes() {
    println!("not SKIPPED: at the start of a line alone");
}

#[test]
fn skips() {
    println!("SKIPPED: no GPU");
}

#[test]
fn skips_past_the_harness() {
    std::io::stderr().write_all(b"SKIPPED: skips_past_the_harness: no model\n").unwrap();
}
"#;
    const MANIFEST: &str =
        "[package]\nname = \"scratch\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n";

    /// From the source of a test to the last lines of `test-all`.
    #[test]
    fn tests_that_skip_themselves_are_counted_and_named() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Cargo.toml"), MANIFEST).unwrap();
        fs::write(
            dir.path().join("Cargo.lock"),
            "version = 4\n[[package]]\nname = \"scratch\"\nversion = \"0.0.0\"\n",
        )
        .unwrap();
        fs::write(dir.path().join("lib.rs"), TESTS).unwrap();
        let mut runner = Runner::default();
        let mut command = test(&["--lib"]);
        command.current_dir(&dir).env("CARGO_TARGET_DIR", dir.path());
        runner.command("scratch", Worth::Tests, &mut command);
        let account = runner.account();
        let mut lines: Vec<&str> = account.lines().collect();
        lines.sort_unstable();
        let expected = [
            "1 passed, 0 failed, 2 skipped",
            "SKIPPED: scratch: skips: no GPU",
            "SKIPPED: scratch: skips_past_the_harness: no model",
        ];
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_test_name_that_two_packages_share_runs_once() {
        let package = |name: &str, tests: [&str; 2]| {
            let targets = tests.map(|t| json!({"name": t, "kind": ["test"]}));
            json!({"name": name, "id": name, "targets": targets})
        };
        let workspace = Workspace::from_metadata(&json!({
            "packages": [package("core", ["laws", "golden"]), package("model", ["golden", "tokens"])],
            "workspace_default_members": ["core", "model"],
        }));
        let steps = integration_tests(workspace.default_packages());
        assert_eq!(
            steps,
            [("golden", vec!["core", "model"]), ("laws", vec!["core"]), ("tokens", vec!["model"])]
        );
    }
}
