//! Runs steps one after another, quietly: a line and a time for each, the whole output of one that fails,
//! and at the end every skip, every failure and the counts.

use std::{
    io::{Read, Write, pipe},
    process::{Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::libtest::{self, TestRun};

/// What a step's success is worth in the counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// The step is one check, which holds or does not.
    Check,
    /// As `Check`; and when it fails, nothing later can succeed, so the run ends there.
    Gate,
    /// The step runs test binaries, and each of their tests counts.
    Tests,
}

/// Runs steps and remembers what became of them.
#[derive(Default)]
pub(crate) struct Runner {
    total: TestRun,
    /// The gate that failed; later steps do not run.
    closed: Option<String>,
    not_run: Vec<String>,
}

/// What became of one step.
struct Outcome {
    run: TestRun,
    /// Shown when something failed.
    output: String,
}

impl Runner {
    /// Runs a command; its output is read, and shown only if it fails.
    pub(crate) fn command(&mut self, name: &str, worth: Worth, command: &mut Command) {
        self.step(name, worth, || {
            let (status, output) = capture(command)?;
            let run = match worth {
                Worth::Tests => judge_tests(status, &output),
                Worth::Check | Worth::Gate => judge_check(status, &output),
            };
            Ok(Outcome { run, output })
        });
    }

    /// Runs one of our own checks; what it returns says what is wrong.
    pub(crate) fn own_check(&mut self, name: &str, check: impl FnOnce() -> Result<Vec<String>>) {
        self.step(name, Worth::Check, || {
            let findings = check()?;
            let run =
                if findings.is_empty() { passed() } else { failed(format!("{} findings", findings.len())) };
            Ok(Outcome { run, output: findings.join("\n") })
        });
    }

    /// Counts a step that this machine cannot run.
    pub(crate) fn skip(&mut self, name: &str, why: &str) {
        let run = TestRun { skipped: vec![why.to_owned()], ..TestRun::default() };
        self.step(name, Worth::Check, || Ok(Outcome { run, output: String::new() }));
    }

    fn step(&mut self, name: &str, worth: Worth, work: impl FnOnce() -> Result<Outcome>) {
        if self.closed.is_some() {
            self.not_run.push(name.to_owned());
            return;
        }
        announce(name);
        let start = Instant::now();
        let broken =
            |error: anyhow::Error| Outcome { run: failed(format!("{error:#}")), output: String::new() };
        let outcome = work().unwrap_or_else(broken);
        conclude(&outcome, worth, start.elapsed());
        if worth == Worth::Gate && !outcome.run.failures.is_empty() {
            self.closed = Some(name.to_owned());
        }
        let of_step = |lines: Vec<String>| lines.into_iter().map(move |line| format!("{name}: {line}"));
        self.total.passed += outcome.run.passed;
        self.total.failures.extend(of_step(outcome.run.failures));
        self.total.skipped.extend(of_step(outcome.run.skipped));
    }

    /// Prints the account of the run and gives the exit code.
    pub(crate) fn finish(self) -> ExitCode {
        println!("\n{}", self.account());
        if self.total.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// Every skip, every failure, and last the counts.
    pub(crate) fn account(&self) -> String {
        let TestRun { passed, failures, skipped } = &self.total;
        let mut lines: Vec<_> = skipped.iter().map(|skip| format!("{} {skip}", libtest::SKIP_MARK)).collect();
        if let Some(gate) = &self.closed {
            lines.push(format!("NOT RUN, since `{gate}` failed: {}", self.not_run.join(", ")));
        }
        lines.extend(failures.iter().map(|failure| format!("FAILED: {failure}")));
        lines.push(format!("{passed} passed, {} failed, {} skipped", failures.len(), skipped.len()));
        lines.join("\n")
    }
}

/// The name, at once, so that a person sees what is being waited for.
fn announce(name: &str) {
    print!("{name:<44} ");
    // A closed standard output must not end the run; the exit code still tells.
    let _ = std::io::stdout().flush();
}

fn conclude(outcome: &Outcome, worth: Worth, took: Duration) {
    let TestRun { passed, failures, skipped } = &outcome.run;
    let verdict = match (failures.is_empty(), *passed == 0 && !skipped.is_empty()) {
        (false, _) => "FAILED",
        (true, true) => "skipped",
        (true, false) => "ok",
    };
    let mut line = format!("{verdict:<7} {:>6.1} s", took.as_secs_f64());
    if worth == Worth::Tests {
        line += &format!("  {passed} passed");
    }
    if !skipped.is_empty() {
        line += &format!("  {} skipped", skipped.len());
    }
    println!("{line}");
    if !failures.is_empty() {
        println!("{}", outcome.output.trim_end());
    }
}

/// Runs to the end with standard output and error in one stream, in the order they were written.
fn capture(command: &mut Command) -> Result<(ExitStatus, String)> {
    let program = command.get_program().to_string_lossy().into_owned();
    let (mut reader, writer) = pipe().context("cannot make a pipe")?;
    command.stdin(Stdio::null()).stdout(writer.try_clone().context("cannot share a pipe")?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot run `{program}`"))?;
    // The command holds the pipe's writing end: until it lets go, reading would not end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut output = Vec::new();
    reader.read_to_end(&mut output).with_context(|| format!("cannot read what `{program}` prints"))?;
    let status = child.wait().with_context(|| format!("cannot wait for `{program}`"))?;
    Ok((status, String::from_utf8_lossy(&output).into_owned()))
}

fn judge_check(status: ExitStatus, output: &str) -> TestRun {
    let skipped = libtest::skips(output);
    match (status.success(), skipped.is_empty()) {
        (false, _) => failed(status.to_string()),
        (true, true) => passed(),
        (true, false) => TestRun { skipped, ..TestRun::default() },
    }
}

/// A test step that fails without saying which test, or that runs no test, is one failure.
fn judge_tests(status: ExitStatus, output: &str) -> TestRun {
    let mut run = libtest::parse(output);
    if run.failures.is_empty() && !status.success() {
        run.failures.push(status.to_string());
    } else if run == TestRun::default() {
        run.failures.push("no test ran".to_owned());
    }
    run
}

fn passed() -> TestRun {
    TestRun { passed: 1, ..TestRun::default() }
}

fn failed(why: String) -> TestRun {
    TestRun { failures: vec![why], ..TestRun::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn total(worth: Worth, script: &str) -> TestRun {
        let mut runner = Runner::default();
        runner.command("step", worth, &mut shell(script));
        runner.total
    }

    #[test]
    fn both_streams_are_read_in_order() {
        let (status, output) = capture(&mut shell("echo one; echo two >&2; echo three; exit 3")).unwrap();
        assert_eq!((status.code(), output.as_str()), (Some(3), "one\ntwo\nthree\n"));
    }

    #[test]
    fn a_check_passes_fails_or_is_skipped() {
        assert_eq!(total(Worth::Check, "true").passed, 1);
        assert_eq!(total(Worth::Check, "exit 7").failures, ["step: exit status: 7"]);
        assert_eq!(total(Worth::Check, "echo SKIPPED: no GPU").skipped, ["step: no GPU"]);
        assert_eq!(total(Worth::Check, "exec no-such-program").failures.len(), 1);
        let mut runner = Runner::default();
        runner.skip("step", "no GPU");
        assert_eq!(runner.account(), "SKIPPED: step: no GPU\n0 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_test_step_without_tests_fails() {
        let none = "echo 'test result: ok. 0 passed; 0 failed; 0 ignored'";
        assert_eq!(total(Worth::Tests, none).failures, ["step: no test ran"]);
        assert_eq!(total(Worth::Tests, "true").failures, ["step: no test ran"]);
    }

    #[test]
    fn a_test_step_that_crashes_after_passing_tests_fails() {
        let crash = "echo 'test result: ok. 5 passed; 0 failed; 0 ignored'; exit 101";
        let run = total(Worth::Tests, crash);
        assert_eq!((run.passed, run.failures.len()), (5, 1));
    }

    #[test]
    fn nothing_runs_after_a_gate_that_failed() {
        let mut runner = Runner::default();
        runner.command("build", Worth::Gate, &mut shell("false"));
        runner.command("tests", Worth::Tests, &mut shell("true"));
        assert_eq!(runner.not_run, ["tests"]);
        assert_eq!(runner.total.failures, ["build: exit status: 1"]);
    }

    #[test]
    fn later_steps_run_after_a_check_that_failed() {
        let mut runner = Runner::default();
        runner.command("format", Worth::Check, &mut shell("false"));
        runner.own_check("tidy", || Ok(vec![]));
        assert_eq!((runner.total.passed, runner.total.failures.len()), (1, 1));
    }
}
