//! Reads what Rust's test harness prints under `--show-output`: counts, and tests that skipped themselves.
//!
//! A test that cannot run on this machine (no model, no GPU) prints a line `SKIPPED: why` and returns. The
//! harness calls that `ok`; here it counts as skipped and not as passed, and is named. A line that was captured
//! is that of the test above it; one that was written past the harness, so that a plain `cargo test` shows it too,
//! is `SKIPPED: test: why`. The text format is stable in practice and the only one that stable Rust offers.

/// What one run of one or more test binaries amounted to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestRun {
    /// Tests that ran and held.
    pub(crate) passed: usize,
    /// One line per test that failed: its name.
    pub(crate) failures: Vec<String>,
    /// One line per test that did not run: its name and why.
    pub(crate) skipped: Vec<String>,
}

/// What a test prints, to standard output or error, when this machine cannot run it.
pub(crate) const SKIP_MARK: &str = "SKIPPED:";

/// Adds up all `test result:` lines of `output` and collects the skips and failures.
pub(crate) fn parse(output: &str) -> TestRun {
    let mut run = TestRun::default();
    let mut binary = Binary::default();
    for line in output.lines() {
        if line == "successes:" || line == "failures:" {
            binary.part = if line == "successes:" { Part::Passed(None) } else { Part::Failed };
        } else if let (Part::Passed(test), Some(name)) = (&mut binary.part, captured_output_of(line)) {
            *test = Some(name);
        } else if let Some(said) = skip_reason(line) {
            binary.skip(said);
        } else if let Some(name) = failed_test(line) {
            binary.failures.push(name);
        } else if line.starts_with("test result:") {
            run.add(&std::mem::take(&mut binary), line);
        }
    }
    run
}

/// What is known of a test binary before its result line.
#[derive(Default)]
struct Binary<'a> {
    part: Part<'a>,
    /// Tests that skipped themselves, each with its first reason.
    skipped: Vec<(&'a str, &'a str)>,
    failures: Vec<&'a str>,
}

/// The parts of what a test binary prints.
#[derive(Default)]
enum Part<'a> {
    /// A line for each test, and what was written past the harness.
    #[default]
    Running,
    /// What the tests that passed printed, and whose output is being read.
    Passed(Option<&'a str>),
    /// What the others printed: they failed, whatever they say.
    Failed,
}

impl<'a> Binary<'a> {
    fn skip(&mut self, said: &'a str) {
        let (name, why) = match self.part {
            Part::Passed(Some(test)) => (test, said),
            Part::Running => said.split_once(": ").unwrap_or((said, "")),
            Part::Passed(None) | Part::Failed => return,
        };
        if self.skipped.iter().all(|(known, _)| *known != name) {
            self.skipped.push((name, why));
        }
    }
}

impl TestRun {
    fn add(&mut self, binary: &Binary<'_>, result: &str) {
        self.passed += count(result, "passed").saturating_sub(binary.skipped.len());
        self.skipped.extend(binary.skipped.iter().map(|(name, why)| format!("{name}: {why}")));
        self.skipped.extend((0..count(result, "ignored")).map(|_| "an ignored test".to_owned()));
        let unnamed = count(result, "failed").saturating_sub(binary.failures.len());
        self.failures.extend(binary.failures.iter().map(|&name| name.to_owned()));
        self.failures.extend((0..unnamed).map(|_| "a test without a name".to_owned()));
    }
}

/// The skips of a program that is no test harness: every marked line.
pub(crate) fn skips(output: &str) -> Vec<String> {
    output.lines().filter_map(skip_reason).map(str::to_owned).collect()
}

/// What follows the mark, at the start of a line or, where tests run one after another, behind `test name ... `.
fn skip_reason(line: &str) -> Option<&str> {
    let said = if line.starts_with("test ") {
        line.split_once(" ... ").map_or(line, |(_, said)| said)
    } else {
        line
    };
    said.trim_start().strip_prefix(SKIP_MARK).map(str::trim)
}

/// `---- module::test stdout ----` opens what that test printed.
fn captured_output_of(line: &str) -> Option<&str> {
    line.strip_prefix("---- ")?.strip_suffix(" stdout ----")
}

fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// The number before `what` in `test result: ok. 3 passed; 0 failed; ...`.
fn count(line: &str, what: &str) -> usize {
    let before = line.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
    before.and_then(|n| n.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_BINARIES: &str = "\
running 3 tests
test kv::fits ... ok
test real::greedy ... ok
test real::nll ... FAILED

successes:

---- kv::fits stdout ----
SKIPPED lines without a colon are ordinary text
---- real::greedy stdout ----
SKIPPED: no model in target/models; run .ci/run
  SKIPPED: nor a second one

successes:
    kv::fits

failures:

---- real::nll stdout ----
thread 'real::nll' panicked

test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

running 1 test
test real::greedy ... ok

successes:

---- real::greedy stdout ----
SKIPPED: no model either

test result: ok. 1 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.00s
";

    #[test]
    fn a_test_that_skips_itself_counts_as_skipped_and_not_as_passed() {
        let run = parse(TWO_BINARIES);
        assert_eq!(run.passed, 1);
        assert_eq!(
            run.skipped,
            [
                "real::greedy: no model in target/models; run .ci/run",
                "real::greedy: no model either",
                "an ignored test",
                "an ignored test",
            ]
        );
        assert_eq!(run.failures, ["real::nll"]);
    }

    #[test]
    fn what_is_written_past_the_harness_is_counted_too() {
        let output = "\
running 3 tests
SKIPPED: real::nll: no model
test real::greedy ... SKIPPED: real::greedy: no model
ok
test real::nll ... ok
test plain ... ok

successes:

---- real::nll stdout ----
SKIPPED: once more

successes:
    plain

test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
";
        let run = parse(output);
        assert_eq!(run.skipped, ["real::nll: no model", "real::greedy: no model"]);
        assert_eq!((run.passed, run.failures.len()), (1, 0));
    }

    #[test]
    fn output_without_results_counts_nothing() {
        assert_eq!(parse("error: could not compile\n"), TestRun::default());
    }

    #[test]
    fn doctests_are_counted_like_tests() {
        let output = "test src/lib.rs - (line 3) ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored\n";
        assert_eq!(parse(output).passed, 1);
    }

    #[test]
    fn plain_programs_skip_line_by_line() {
        assert_eq!(skips("a\nSKIPPED: no GPU\nSKIPPED\n"), ["no GPU"]);
    }
}
