//! Files that appear whole or not at all: written beside their place, and moved there when finished.
//!
//! What is no regular file (a pipe, a device) has no place to be moved to, and is written as it comes.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use tempfile::TempPath;
use zoomr_model::partial;

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub(crate) struct WholeFile {
    /// Where it will be.
    path: PathBuf,
    /// The flag that named it.
    flag: &'static str,
    writer: BufWriter<File>,
    /// Where it is now, unless it is no regular file.
    temporary: Option<TempPath>,
}

impl WholeFile {
    /// Makes sure that `path` can be written, and starts beside it.
    ///
    /// # Errors
    /// Where it cannot be; names `flag` and `path`.
    pub(crate) fn create(flag: &'static str, path: &Path) -> Result<Self> {
        Self::start(flag, path)
            .with_context(|| format!("--{flag}: cannot write {}; give another path", path.display()))
    }

    fn start(flag: &'static str, path: &Path) -> Result<Self> {
        // A link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(metadata) = fs::metadata(&path) {
            if metadata.is_dir() {
                bail!("it is a directory");
            }
            let existing = OpenOptions::new().append(true).open(&path)?;
            if !metadata.is_file() {
                return Ok(Self { path, flag, writer: BufWriter::new(existing), temporary: None });
            }
        }
        let (file, temporary) = partial::beside(&path)?.into_parts();
        Ok(Self { path, flag, writer: BufWriter::new(file), temporary: Some(temporary) })
    }

    /// Where the unfinished file is, if it has a name.
    pub(crate) fn unfinished(&self) -> Option<PathBuf> {
        self.temporary.as_ref().map(|path| path.to_path_buf())
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Where the medium is full or fails.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { writer, path, flag, .. } = self;
        writer.write_all(bytes).with_context(|| format!("--{flag}: cannot write {}", path.display()))
    }

    /// Puts the file in its place, over what was there.
    ///
    /// # Errors
    /// Where that fails; what was there then still is.
    pub(crate) fn finish(mut self) -> Result<()> {
        let failed = || format!("--{}: cannot write {}", self.flag, self.path.display());
        self.writer.flush().with_context(failed)?;
        match self.temporary.take() {
            Some(temporary) => {
                temporary.persist(&self.path).map_err(|error| error.error).with_context(failed)
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn replaces_a_file_only_when_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace.jsonl");
        fs::write(&path, "good").unwrap();

        let mut dropped = WholeFile::create("trace", &path).unwrap();
        dropped.write(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_to_string(&path).unwrap(), "good");

        let mut finished = WholeFile::create("trace", &path).unwrap();
        finished.write(b"better").unwrap();
        finished.finish().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "better");
        assert_eq!(names(dir.path()), ["trace.jsonl"]);
    }

    #[test]
    fn refuses_what_cannot_be_written() {
        let dir = tempfile::tempdir().unwrap();
        let nowhere = dir.path().join("missing/trace.jsonl");
        for path in [dir.path(), &nowhere] {
            let message = WholeFile::create("trace", path).unwrap_err().to_string();
            assert!(message.contains("--trace") && message.contains(&*path.to_string_lossy()), "{message}");
        }
    }
}
