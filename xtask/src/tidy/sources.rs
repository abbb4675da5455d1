//! The repository's files: those git tracks, and those it would if they were added.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::workspace::root;

/// One file.
pub(crate) struct Source {
    /// Relative to the root, with `/` between its parts.
    pub(crate) path: String,
    /// The size on disk, in bytes.
    pub(crate) bytes: u64,
    /// The content, unless it is no UTF-8.
    pub(crate) text: Option<String>,
}

/// Reads all files.
///
/// # Errors
///
/// If git is missing, this is no git checkout, or a file cannot be read.
pub(crate) fn all() -> Result<Vec<Source>> {
    let list = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate"];
    let output = Command::new("git").current_dir(root()).args(list).output().context("cannot run git")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`git ls-files` failed: {stderr}");
    let paths = String::from_utf8(output.stdout).context("a file name is no UTF-8")?;
    // A tracked file may be deleted and not yet committed so.
    let present = paths.split_terminator('\0').filter(|path| root().join(path).is_file());
    present.map(read).collect()
}

fn read(path: &str) -> Result<Source> {
    let content = std::fs::read(root().join(path)).with_context(|| format!("cannot read {path}"))?;
    Ok(Source { path: path.to_owned(), bytes: content.len() as u64, text: String::from_utf8(content).ok() })
}

#[cfg(test)]
impl Source {
    /// A file that exists in a test only.
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.len() as u64, text: Some(text.to_owned()) }
    }
}
