//! Files that appear whole or not at all: written beside their place, and moved there when finished.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use tempfile::TempPath;

use super::{DataError, lines::Existing};
use crate::partial;

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub(crate) struct WholeFile {
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
    pub(crate) fn create(path: &Path, existing: Existing) -> Result<Self, DataError> {
        // A second look comes with the move; this one saves work that would be for nothing.
        if existing == Existing::Refuse && fs::symlink_metadata(path).is_ok() {
            return Err(DataError::Exists { path: path.to_owned() });
        }
        let failed = |source| DataError::Write { path: path.to_owned(), source };
        if path.is_dir() {
            return Err(failed(io::ErrorKind::IsADirectory.into()));
        }
        let (file, temporary) = partial::beside(path).map_err(failed)?.into_parts();
        Ok(Self { path: path.to_owned(), existing, writer: BufWriter::new(file), temporary })
    }

    /// Where the unfinished file is.
    pub(crate) fn unfinished(&self) -> &Path {
        &self.temporary
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), DataError> {
        self.writer.write_all(bytes).map_err(|source| DataError::Write { path: self.path.clone(), source })
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`DataError::Exists`] where a file has come there meanwhile, and [`DataError::Write`].
    pub(crate) fn finish(mut self) -> Result<(), DataError> {
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
