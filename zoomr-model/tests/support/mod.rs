//! What tests with real weights share: where the model is, and how a test says that it was skipped.

use std::{env, io::Write, path::PathBuf};

/// The directory of SmolLM2-135M-Instruct, below `ZOOMR_MODELS`.
///
/// Without the variable: `None`, and a line on standard error with the test's name, which `cargo xtask test-all`
/// counts. It is written past the test harness, which would keep a passing test's output to itself, and in one
/// piece, so that tests that run at the same time do not mix.
pub(crate) fn real_model() -> Option<PathBuf> {
    if let Some(models) = env::var_os("ZOOMR_MODELS") {
        return Some(PathBuf::from(models).join("smollm2-135m-instruct"));
    }
    let thread = std::thread::current();
    let test = thread.name().expect("the harness names a test's thread after it");
    let line =
        format!("SKIPPED: {test}: no model; set ZOOMR_MODELS to a folder that holds smollm2-135m-instruct\n");
    std::io::stderr().write_all(line.as_bytes()).expect("standard error is open");
    None
}
