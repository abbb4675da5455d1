//! Files that appear whole or not at all: written beside their place, and moved there when finished.
//!
//! Everything that zoomr leaves is written by this, but for logs that grow (of annotations and evaluations) and blobs of the
//! hub's cache, which are gone on with. A file and its directory are on the medium when it is finished. What is no
//! regular file (a pipe, a device, standard output) has no place to be moved to, and is written as it comes.
//!
//! | file | what it is about |
//! |---|---|
//! | `unfinished` | names and locks of what is being made, and what killed processes have left of it |
//! | `scratch` | directories that go with the process |

mod scratch;
mod unfinished;

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;

use self::unfinished::Unfinished;
#[cfg(feature = "train")]
pub(crate) use self::unfinished::{is_ours, sweep};
pub use self::{scratch::Scratch, unfinished::remove_all as remove_unfinished};

/// What to do about a file that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Leave it, and report an error.
    Refuse,
    /// Replace it when the new one is finished.
    Replace,
}

/// Why a file cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AtomicFileError {
    /// The medium is full or fails, or the place may not be written to.
    #[error("cannot write {path}: {source}; give another path, or make room")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is a file already, and nobody asked for it to be replaced.
    #[error("{path} exists already; give another path, or --overwrite to replace it")]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

impl AtomicFileError {
    /// What the system says, for errors that name the file themselves.
    pub(crate) fn into_io(self) -> io::Error {
        match self {
            Self::Write { source, .. } => source,
            Self::Exists { .. } => io::ErrorKind::AlreadyExists.into(),
        }
    }
}

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    sink: Sink,
}

enum Sink {
    /// Moved to its place when finished.
    File { existing: Existing, writer: BufWriter<File>, unfinished: Unfinished },
    /// Written as it comes.
    Stream(Box<dyn Write + Send>),
}

impl fmt::Debug for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File { .. } => "File",
            Self::Stream(_) => "Stream",
        })
    }
}

impl AtomicFile {
    /// Starts a file beside its place, and removes what killed processes have left there. `-` is standard output.
    ///
    /// # Errors
    /// [`AtomicFileError::Exists`], and [`AtomicFileError::Write`] where the directory cannot be written to.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, AtomicFileError> {
        let failed = |source| AtomicFileError::Write { path: path.to_owned(), source };
        if path == Path::new("-") {
            return Ok(Self::stream("standard output", io::stdout()));
        }
        if is_stream(path) {
            let stream = OpenOptions::new().append(true).open(path).map_err(failed)?;
            return Ok(Self::stream(path, stream));
        }
        // A second look comes with the move; this one saves work that would be for nothing.
        if existing == Existing::Refuse && fs::symlink_metadata(path).is_ok() {
            return Err(AtomicFileError::Exists { path: path.to_owned() });
        }
        // A link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if path.is_file() {
            // Whoever may not write a file shall not replace it.
            OpenOptions::new().append(true).open(&path).map_err(failed)?;
        }
        let (file, unfinished) = Unfinished::file(&path).map_err(failed)?;
        Ok(Self { path, sink: Sink::File { existing, writer: BufWriter::new(file), unfinished } })
    }

    fn stream(name: impl Into<PathBuf>, stream: impl Write + Send + 'static) -> Self {
        Self { path: name.into(), sink: Sink::Stream(Box::new(BufWriter::new(stream))) }
    }

    /// Its place, or the stream's name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`AtomicFileError::Write`] where the medium is full or fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), AtomicFileError> {
        let written = match &mut self.sink {
            Sink::File { writer, .. } => writer.write_all(bytes),
            Sink::Stream(stream) => stream.write_all(bytes),
        };
        written.map_err(|source| AtomicFileError::Write { path: self.path.clone(), source })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`AtomicFileError::Exists`] where a file has come there meanwhile, and [`AtomicFileError::Write`].
    pub fn finish(self) -> Result<(), AtomicFileError> {
        let path = self.path;
        let finished = match self.sink {
            Sink::Stream(mut stream) => stream.flush(),
            Sink::File { existing, mut writer, unfinished } => writer
                .flush()
                .and_then(|()| writer.get_ref().sync_all())
                .and_then(|()| unfinished.move_to(&path, existing)),
        };
        finished.map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => AtomicFileError::Exists { path },
            _ => AtomicFileError::Write { path, source },
        })
    }
}

/// Whether a path names something that is written as it comes, and has no place that anything could be kept beside:
/// standard output (`-`), a pipe, a device.
pub fn is_stream(path: &Path) -> bool {
    let is_special = |found: fs::Metadata| !(found.is_file() || found.is_dir());
    path == Path::new("-") || fs::metadata(path).is_ok_and(is_special)
}

/// Writes a file at once.
///
/// # Errors
/// As [`AtomicFile::create`] and [`AtomicFile::finish`].
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), AtomicFileError> {
    let mut file = AtomicFile::create(path, existing)?;
    file.write(bytes)?;
    file.finish()
}

/// Writes a value as indented JSON, with a newline at the end.
///
/// # Errors
/// As [`write()`]; also where the value is none that JSON knows.
pub fn write_json(path: &Path, value: &impl Serialize, existing: Existing) -> Result<(), AtomicFileError> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|error| AtomicFileError::Write { path: path.to_owned(), source: error.into() })?;
    write(path, (text + "\n").as_bytes(), existing)
}

/// Has a directory keep the names in it over a power cut, where the system can do that.
///
/// # Errors
/// Where the medium fails.
pub(crate) fn sync_dir(dir: &Path) -> io::Result<()> {
    // One that cannot be opened (as on Windows, or without the right to list it) cannot be synced either.
    let Ok(dir) = File::open(dir) else { return Ok(()) };
    match dir.sync_all() {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_only_when_finished() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("trace.jsonl");
        fs::write(&path, "good").unwrap();
        let mut dropped = AtomicFile::create(&path, Existing::Replace).unwrap();
        dropped.write(b"half").unwrap();
        drop(dropped);
        assert_eq!(fs::read_to_string(&path).unwrap(), "good");
        write(&path, b"better", Existing::Replace).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "better");
        let error = write(&path, b"worse", Existing::Refuse).unwrap_err().to_string();
        assert!(error.contains("trace.jsonl exists") && error.contains("--overwrite"), "{error}");
        assert_eq!(names(dir.path()), ["trace.jsonl"]);
    }

    #[test]
    fn names_may_be_as_long_as_the_system_allows() {
        let dir = tempfile::tempdir().unwrap();
        let name = "é".repeat(127);
        write(&dir.path().join(&name), b"x", Existing::Refuse).unwrap();
        assert_eq!(names(dir.path()), [name]);
    }

    #[test]
    #[cfg(unix)]
    fn links_and_devices_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        write(&link, b"new", Existing::Replace).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = AtomicFile::create(&socket, Existing::Replace).unwrap_err();
        assert!(error.to_string().contains("socket"), "{error}");
        assert!(!socket.is_file() && socket.exists());
        write(Path::new("/dev/null"), b"gone", Existing::Refuse).unwrap();
    }
}
