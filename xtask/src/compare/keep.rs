//! Records of the old binary from before, so that it need not do its runs again.
//!
//! A record is kept under what it depends on: the binary's content, the run's arguments and the texts. The real model's own
//! files are not part of it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::Value;

use super::{
    matrix::{INPUTS, Run},
    record::digest,
};

/// A directory of records.
pub(super) struct Keep {
    dir: PathBuf,
    /// Of the binary.
    digest: String,
}

impl Keep {
    /// Opens the directory, making it where there is none, for records of `binary`.
    ///
    /// # Errors
    /// If there is no binary, or no directory can be made.
    pub(super) fn open(dir: &Path, binary: &Path) -> Result<Self> {
        let content = fs::read(binary).with_context(|| format!("cannot read {}", binary.display()))?;
        fs::create_dir_all(dir).with_context(|| format!("--keep: cannot make {}", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), digest: digest(&content) })
    }

    /// The record of a run, if there is one.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(super) fn find(&self, run: &Run) -> Result<Option<Value>> {
        let path = self.path(run);
        if !path.exists() {
            return Ok(None);
        }
        let failed = || format!("--keep: {} is no record; delete it", path.display());
        let content = fs::read(&path).with_context(failed)?;
        serde_json::from_slice(&content).map(Some).with_context(failed)
    }

    /// Keeps the record of a run, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(super) fn put(&self, run: &Run, record: &Value) -> Result<()> {
        let path = self.path(run);
        let failed = || format!("--keep: cannot write {}", path.display());
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, record.to_string()).with_context(failed)?;
        fs::rename(&unfinished, &path).with_context(failed)
    }

    fn path(&self, run: &Run) -> PathBuf {
        let args = serde_json::json!([self.digest, run.name, run.commands, INPUTS]).to_string();
        self.dir.join(format!("{}.json", digest(args.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn run(flag: &str) -> Run {
        Run { name: "one".to_owned(), commands: vec![vec![flag.to_owned()]] }
    }

    #[test]
    fn records_are_found_under_what_they_depend_on() {
        let dir = std::env::temp_dir().join(format!("zoomr-compare-keep-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let binary = dir.join("binary");
        fs::write(&binary, "old").unwrap();
        let keep = Keep::open(&dir.join("kept"), &binary).unwrap();
        assert_eq!(keep.find(&run("--a")).unwrap(), None);
        keep.put(&run("--a"), &json!({"exit": [0]})).unwrap();
        assert_eq!(keep.find(&run("--a")).unwrap(), Some(json!({"exit": [0]})));
        // Neither with other arguments, nor for another binary.
        assert_eq!(keep.find(&run("--b")).unwrap(), None);
        fs::write(&binary, "new").unwrap();
        let other = Keep::open(&dir.join("kept"), &binary).unwrap();
        assert_eq!(other.find(&run("--a")).unwrap(), None);
        fs::remove_dir_all(dir).unwrap();
    }
}
