//! What can go wrong with a file of data.

use std::{io, path::PathBuf};

use crate::atomic_file::AtomicFileError;

/// An error of reading or writing data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A line is not what it should be.
    #[error("{path}, line {line}: {message}; one JSON object per line is expected")]
    Line {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}; give another path, or make room")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file that is to appear whole cannot be written.
    #[error(transparent)]
    File(#[from] AtomicFileError),
}
