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
    dependencies(runner);
    runner.command("clippy", Worth::Check, &mut clippy(&[]));
    runner.command(
        "docs",
        Worth::Check,
        cargo().args(["doc", "--locked", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings"),
    );
}

/// What `deny.toml` says of the crates that we depend on, where `cargo deny` is installed.
fn dependencies(runner: &mut Runner) {
    let (rules, advisories) = ("dependencies", "dependencies: advisories");
    let ends_well = |command: &mut Command| command.output().is_ok_and(|output| output.status.success());
    if !ends_well(cargo().args(["deny", "--version"])) {
        let why = "no cargo-deny (`cargo install cargo-deny --locked`)";
        [rules, advisories].iter().for_each(|name| runner.skip(name, why));
        return;
    }
    let mut deny = cargo();
    deny.args(["deny", "--locked", "check", "licenses", "bans", "sources"]);
    runner.command(rules, Worth::Check, &mut deny);
    if ends_well(cargo().args(["deny", "--locked", "fetch", "db"])) {
        let mut deny = cargo();
        deny.args(["deny", "--locked", "check", "--disable-fetch", "advisories"]);
        runner.command(advisories, Worth::Check, &mut deny);
    } else {
        runner.skip(advisories, "the advisory database cannot be had");
    }
}

/// Clippy on every target; `selection` names packages and features, by default the default members.
pub(crate) fn clippy(selection: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["clippy", "--locked", "--all-targets"]).args(selection).args(["--", "-D", "warnings"]);
    command
}
