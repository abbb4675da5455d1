//! Files that appear whole or not at all: written beside their place, and moved there when finished.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::{Builder, NamedTempFile, TempPath};

/// What names of unfinished files end in, after the name of the finished one and some letters drawn at random.
const SUFFIX: &str = ".part";
/// How many letters.
const LETTERS: usize = 6;

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
    #[error("{path} exists already; give another path, or ask for it to be overwritten")]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub struct AtomicFile {
    path: PathBuf,
    existing: Existing,
    writer: BufWriter<File>,
    temporary: TempPath,
}

impl AtomicFile {
    /// Starts a file beside its place.
    ///
    /// # Errors
    /// [`AtomicFileError::Exists`], and [`AtomicFileError::Write`] where the directory cannot be written to.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, AtomicFileError> {
        // A second look comes with the move; this one saves work that would be for nothing.
        if existing == Existing::Refuse && fs::symlink_metadata(path).is_ok() {
            return Err(AtomicFileError::Exists { path: path.to_owned() });
        }
        let failed = |source| AtomicFileError::Write { path: path.to_owned(), source };
        // A link stays one: what it points to is replaced.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        if path.exists() && !path.is_file() {
            return Err(failed(io::Error::other("it is no regular file, whose place another could take")));
        }
        if path.is_file() {
            // Whoever may not write a file shall not replace it.
            OpenOptions::new().append(true).open(&path).map_err(failed)?;
        }
        let (file, temporary) = beside(&path).map_err(failed)?.into_parts();
        Ok(Self { path, existing, writer: BufWriter::new(file), temporary })
    }

    /// Where the unfinished file is.
    pub fn unfinished(&self) -> &Path {
        &self.temporary
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`AtomicFileError::Write`] where the medium is full or fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), AtomicFileError> {
        self.writer
            .write_all(bytes)
            .map_err(|source| AtomicFileError::Write { path: self.path.clone(), source })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`AtomicFileError::Exists`] where a file has come there meanwhile, and [`AtomicFileError::Write`].
    pub fn finish(mut self) -> Result<(), AtomicFileError> {
        let failed = |source| AtomicFileError::Write { path: self.path.clone(), source };
        self.writer.flush().map_err(failed)?;
        self.writer.get_ref().sync_all().map_err(failed)?;
        let moved = match self.existing {
            Existing::Refuse => self.temporary.persist_noclobber(&self.path),
            Existing::Replace => self.temporary.persist(&self.path),
        };
        moved.map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => AtomicFileError::Exists { path: self.path.clone() },
            _ => AtomicFileError::Write { path: self.path.clone(), source: failed.error },
        })
    }

    /// Removes what processes that were killed have left beside the file `path`; no other may be writing it now.
    ///
    /// # Errors
    /// Where `path` names no file, or the system refuses.
    pub fn sweep(path: &Path) -> io::Result<()> {
        let (dir, name) = place(path)?;
        for entry in fs::read_dir(dir)? {
            let entry = entry?;
            let found = entry.file_name();
            let drawn = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
            let drawn = drawn.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
            if drawn.is_some_and(|letters| {
                letters.len() == LETTERS && letters.iter().all(u8::is_ascii_alphanumeric)
            }) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// An empty file in the directory of `path`, with a name like it that ends in `.part`; gone when dropped, unless it is
/// moved to its place before. Others may read it as they may any new file, by the umask.
///
/// # Errors
/// Where `path` names no file, or its directory cannot be written to.
fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let (dir, name) = place(path)?;
    let mut builder = Builder::new();
    builder.prefix(name).rand_bytes(LETTERS).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        // As for any new file: what the umask leaves of this.
        builder.permissions(Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// Directory and name of a file.
fn place(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((dir, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn links_and_devices_stay_what_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "old").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut whole = AtomicFile::create(&link, Existing::Replace).unwrap();
        whole.write(b"new").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = AtomicFile::create(&socket, Existing::Replace).unwrap_err();
        assert!(error.to_string().contains("socket"), "{error}");
        assert!(!socket.is_file() && socket.exists());
    }

    #[test]
    fn what_was_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let (_, left) = beside(&path).unwrap().keep().unwrap();
        let others = ["log.jsonl", "log.jsonl.part", "log.jsonl.mine.part", "xlog.jsonlabcdef.part"];
        others.iter().for_each(|name| fs::write(dir.path().join(name), "kept").unwrap());
        assert!(left.exists());
        AtomicFile::sweep(&path).unwrap();
        assert!(!left.exists());
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
    }
}
