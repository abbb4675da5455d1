//! What can be wrong with a GGUF file: each message names the file, the place, and what to do.

use std::path::{Path, PathBuf};

/// A GGUF file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct GgufError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: GgufProblem,
}

/// What is wrong with a GGUF file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GgufProblem {
    /// The file cannot be opened, read or mapped.
    #[error("cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// The file is cut short, or contradicts itself.
    #[error("truncated or damaged: {0}; download it again")]
    Damaged(String),
    /// The file is sound, and asks for something that zoomr does not do; the text says what to do instead.
    #[error("{0}")]
    Unsupported(String),
    /// An entry of the metadata is missing, or holds something else than its name says.
    #[error("metadata `{key}` {reason}")]
    Field {
        /// Its name.
        key: String,
        /// What is wrong.
        reason: String,
    },
}

impl GgufProblem {
    /// The same, with the file that it is about.
    pub(crate) fn of(self, path: &Path) -> GgufError {
        GgufError { path: path.to_owned(), problem: self }
    }

    pub(super) fn damaged(what: impl Into<String>) -> Self {
        Self::Damaged(what.into())
    }

    pub(super) fn field(key: &str, reason: impl Into<String>) -> Self {
        Self::Field { key: key.to_owned(), reason: reason.into() }
    }
}
