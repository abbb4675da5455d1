//! This repository's own lints: what neither rustc, clippy nor rustfmt looks at.
//!
//! [`text`] looks at any file's text, [`rust`] at Rust sources, [`circles`] at what the files of a crate import of each
//! other, [`graph`] at the crates and what they depend on. [`sources`] finds the files. A finding is one line: `path:line: what is wrong and what to do`.

mod circles;
mod graph;
mod readme;
mod rust;
mod sources;
mod text;

use std::process::ExitCode;

use anyhow::Result;

use crate::{features, runner::Runner, workspace::Workspace};

/// Runs the lints and prints the account.
pub(crate) fn run(workspace: &Workspace) -> ExitCode {
    let mut runner = Runner::default();
    runner.own_check("tidy", || findings(workspace));
    runner.finish()
}

/// All findings, in the order of the files.
///
/// # Errors
///
/// If git cannot list the repository's files, or one of them cannot be read.
pub(crate) fn findings(workspace: &Workspace) -> Result<Vec<String>> {
    let mut findings = Vec::new();
    let sources = sources::all()?;
    for source in &sources {
        findings.extend(text::lint(source));
        if source.path.ends_with(".rs") {
            findings.extend(rust::lint(source));
        }
    }
    findings.extend(circles::lint(&sources));
    findings.extend(readme::lint(&sources));
    findings.extend(graph::lint(workspace));
    findings.extend(features::unlisted(workspace));
    Ok(findings)
}
