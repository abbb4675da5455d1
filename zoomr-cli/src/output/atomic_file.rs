//! Files that commands write: whole or not at all, under the flag that named them.
//!
//! What is no regular file (a pipe, a device) has no place to be moved to, and is written as it comes.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use zoomr_model::atomic_file::{self, Existing};

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub(crate) struct AtomicFile {
    path: PathBuf,
    /// The flag that named it.
    flag: &'static str,
    sink: Sink,
}

#[derive(Debug)]
enum Sink {
    /// Moved to its place when finished.
    File(atomic_file::AtomicFile),
    /// Written as it comes.
    Stream(BufWriter<File>),
}

impl AtomicFile {
    /// Makes sure that `path` can be written, and starts beside it.
    ///
    /// # Errors
    /// Where it cannot be; names `flag` and `path`.
    pub(crate) fn create(flag: &'static str, path: &Path) -> Result<Self> {
        let streams = fs::metadata(path).is_ok_and(|found| !(found.is_file() || found.is_dir()));
        let sink = if streams {
            let opened = OpenOptions::new().append(true).open(path);
            opened.map(|stream| Sink::Stream(BufWriter::new(stream))).with_context(|| failed(flag, path))?
        } else {
            let begun = atomic_file::AtomicFile::create(path, Existing::Replace);
            Sink::File(begun.with_context(|| format!("--{flag}"))?)
        };
        Ok(Self { path: path.to_owned(), flag, sink })
    }

    /// Where the unfinished file is, if it has a name.
    pub(crate) fn unfinished(&self) -> Option<PathBuf> {
        match &self.sink {
            Sink::File(file) => Some(file.unfinished().to_owned()),
            Sink::Stream(_) => None,
        }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Where the medium is full or fails.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Self { path, flag, sink } = self;
        match sink {
            Sink::File(file) => file.write(bytes).with_context(|| format!("--{flag}")),
            Sink::Stream(stream) => stream.write_all(bytes).with_context(|| failed(flag, path)),
        }
    }

    /// Puts the file in its place, over what was there.
    ///
    /// # Errors
    /// Where that fails; what was there then still is.
    pub(crate) fn finish(self) -> Result<()> {
        let Self { path, flag, sink } = self;
        match sink {
            Sink::File(file) => file.finish().with_context(|| format!("--{flag}")),
            Sink::Stream(mut stream) => stream.flush().with_context(|| failed(flag, &path)),
        }
    }
}

fn failed(flag: &str, path: &Path) -> String {
    format!("--{flag}: cannot write {}", path.display())
}

/// Makes sure that of the files that flags name, read or written, no two are the same: one would be lost.
///
/// # Errors
/// Where two are; names their flags.
pub(crate) fn distinct(files: &[(&str, Option<&Path>)]) -> Result<()> {
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in files {
        let Some(place) = path.and_then(place) else { continue };
        if let Some((other, _)) = seen.iter().find(|(_, other)| *other == place) {
            bail!("{other} and {flag} are both {}; give each a file of its own", place.display());
        }
        seen.push((flag, place));
    }
    Ok(())
}

/// Where a file is or would be, however its path is spelled; what cannot be replaced, as a device, has none.
fn place(path: &Path) -> Option<PathBuf> {
    match fs::canonicalize(path) {
        Ok(place) => Some(place).filter(|place| place.is_file()),
        Err(_) => {
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            Some(fs::canonicalize(parent.unwrap_or(Path::new("."))).ok()?.join(path.file_name()?))
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

        let mut dropped = AtomicFile::create("trace", &path).unwrap();
        dropped.write(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_to_string(&path).unwrap(), "good");

        let mut finished = AtomicFile::create("trace", &path).unwrap();
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
            let message = format!("{:#}", AtomicFile::create("trace", path).unwrap_err());
            assert!(message.contains("--trace") && message.contains(&*path.to_string_lossy()), "{message}");
        }
    }

    #[test]
    fn two_spellings_of_a_file_are_one() {
        let dir = tempfile::tempdir().unwrap();
        let [there, new] = ["there", "new"].map(|name| dir.path().join(name));
        fs::write(&there, "").unwrap();
        for file in [&there, &new] {
            let other = dir.path().join("./.").join(file.file_name().unwrap());
            let error =
                distinct(&[("--csv", Some(file.as_path())), ("--trace", None), ("--plot", Some(&other))])
                    .unwrap_err();
            assert!(error.to_string().contains("--csv and --plot"), "{error}");
        }
        assert!(distinct(&[("--csv", Some(&there)), ("--plot", Some(&new))]).is_ok());
    }
}
