//! Files that appear whole or not at all: written beside their place, and moved there when finished.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::TempPath;

use super::{DataError, lines::Existing};
use crate::partial;

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub struct WholeFile {
    path: PathBuf,
    existing: Existing,
    writer: BufWriter<File>,
    temporary: TempPath,
}

impl WholeFile {
    /// Starts a file beside its place.
    ///
    /// # Errors
    /// [`DataError::Exists`], and [`DataError::Write`] where the directory cannot be written to.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, DataError> {
        // A second look comes with the move; this one saves work that would be for nothing.
        if existing == Existing::Refuse && fs::symlink_metadata(path).is_ok() {
            return Err(DataError::Exists { path: path.to_owned() });
        }
        let failed = |source| DataError::Write { path: path.to_owned(), source };
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
        let (file, temporary) = partial::beside(&path).map_err(failed)?.into_parts();
        Ok(Self { path, existing, writer: BufWriter::new(file), temporary })
    }

    /// Where the unfinished file is.
    pub fn unfinished(&self) -> &Path {
        &self.temporary
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.writer.write_all(bytes).map_err(|source| DataError::Write { path: self.path.clone(), source })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`DataError::Exists`] where a file has come there meanwhile, and [`DataError::Write`].
    pub fn finish(mut self) -> Result<(), DataError> {
        let failed = |source| DataError::Write { path: self.path.clone(), source };
        self.writer.flush().map_err(failed)?;
        self.writer.get_ref().sync_all().map_err(failed)?;
        let moved = match self.existing {
            Existing::Refuse => self.temporary.persist_noclobber(&self.path),
            Existing::Replace => self.temporary.persist(&self.path),
        };
        moved.map_err(|failed| match failed.error.kind() {
            io::ErrorKind::AlreadyExists => DataError::Exists { path: self.path.clone() },
            _ => DataError::Write { path: self.path.clone(), source: failed.error },
        })
    }
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
        let mut whole = WholeFile::create(&link, Existing::Replace).unwrap();
        whole.write(b"new").unwrap();
        whole.finish().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let socket = dir.path().join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = WholeFile::create(&socket, Existing::Replace).unwrap_err();
        assert!(error.to_string().contains("socket"), "{error}");
        assert!(!socket.is_file() && socket.exists());
    }
}
