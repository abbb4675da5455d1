//! `check`: what is fast and needs no test, cheapest first. The first part of `test-all`.

use std::process::{Command, ExitCode};

use crate::{
    runner::{Runner, Worth},
    tidy,
    workspace::{Workspace, cargo},
};

/// Runs the checks and prints the account.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut runner = Runner::default();
    steps(&mut runner, workspace);
    runner.finish()
}

/// The checks, as steps of a longer run.
pub(crate) fn steps(runner: &mut Runner, workspace: &Workspace) {
    let mut format = cargo();
    runner.command(
        "format",
        Worth::Check,
        format.args(["fmt", "--all", "--check", "--", "--color", "never"]),
    );
    runner.own_check("tidy", || tidy::findings(workspace));
    runner.command("clippy", Worth::Check, &mut clippy(&[]));
    runner.command(
        "docs",
        Worth::Check,
        cargo().args(["doc", "--locked", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    );
}

/// Clippy on every target; `selection` names packages and features, by default the default members.
pub(crate) fn clippy(selection: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["clippy", "--locked", "--all-targets"]).args(selection).args(["--", "-D", "warnings"]);
    command
}
