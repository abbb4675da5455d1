//! The small files beside `tokenizer.json`: how they are read, and the ids of `generation_config.json` and
//! `config.json` that end a text.
//!
//! All of them are optional; one that is there must be readable. Fields that zoomr does not use are ignored.

use std::{
    io,
    path::{Path, PathBuf},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{gguf::GgufError, text_file};

/// A file of the model directory that is there but of no use.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}; check that the model directory is complete and readable")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is a model in GGUF, and is of no use.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// The file is no JSON.
    #[error("{path} is not valid: {source}; the file is damaged or of another format: fetch the model again")]
    Json {
        /// The file.
        path: PathBuf,
        /// Where the parser stopped, and why.
        source: serde_json::Error,
    },
    /// The file is JSON, but a field of it holds something else than zoomr expects there.
    #[error("{path} is not valid here: {source}; the file is whole, but zoomr does not read this form of it")]
    Form {
        /// The file.
        path: PathBuf,
        /// Where, and what was expected.
        source: serde_json::Error,
    },
}

impl FileError {
    /// What a parser says of a file: that it is no JSON, or that a field holds something unexpected.
    pub(super) fn parsing(path: &Path, source: serde_json::Error) -> Self {
        let path = path.to_owned();
        if source.is_data() { Self::Form { path, source } } else { Self::Json { path, source } }
    }
}

/// The ids that end a text, as `generation_config.json` and `config.json` give them.
#[derive(Debug, Default, Deserialize)]
pub(super) struct EndIds {
    eos_token_id: Option<OneOrMany>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(u32),
    Many(Vec<u32>),
}

impl EndIds {
    /// The ids, or `None` where the file does not say.
    pub(super) fn ids(self) -> Option<Vec<u32>> {
        self.eos_token_id.map(|ids| match ids {
            OneOrMany::One(id) => vec![id],
            OneOrMany::Many(ids) => ids,
        })
    }
}

/// Reads a JSON file; a file that is not there is `None`.
pub(crate) fn read_optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, FileError> {
    let Some(json) = read_if_there(path)? else {
        return Ok(None);
    };
    serde_json::from_str(&json).map(Some).map_err(|source| FileError::parsing(path, source))
}

/// The text of a file; a file that is not there is `None`.
pub(super) fn read_if_there(path: &Path) -> Result<Option<String>, FileError> {
    match text_file::read(path) {
        Ok(text) => Ok(Some(text)),
        // Beside a model that is a file there is nothing.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(source) => Err(FileError::Read { path: path.to_owned(), source }),
    }
}
