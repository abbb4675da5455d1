//! What can go wrong on the way to a model, each with what to do about it.

use std::{io, path::PathBuf};

use super::ModelId;
use crate::{address::Address, pretrained::Foreign};

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// The name is neither a directory nor the form of a hub id.
    #[error(
        "no directory {model:?}; --model takes a model's directory, or a hub id of the form org/name or \
         org/name@revision (or org/name:Q4_K_M for a file in GGUF)"
    )]
    NotAModel {
        /// What was given.
        model: String,
    },
    /// The path is a file.
    #[error("{path} is a file, and none in GGUF; --model takes the directory that it is in")]
    NotADirectory {
        /// What was given.
        path: PathBuf,
    },
    /// The hub has no such model.
    #[error("the hub has no model {id}, and there is no directory of that name; check the spelling of both")]
    NotFound {
        /// The model.
        id: ModelId,
    },
    /// The hub has the model, but not this revision of it.
    #[error("the hub has the model, but no revision {}: {id}; check its branches, tags and commits", id.revision())]
    NoRevision {
        /// The model.
        id: ModelId,
    },
    /// The hub does not let us have the model.
    #[error(
        "the hub refuses {id} (status {status}): it does not exist, is private, or has terms to accept; \
         check the spelling, accept them on the model's page, and set HF_TOKEN"
    )]
    Denied {
        /// The model.
        id: ModelId,
        /// The HTTP status.
        status: u16,
    },
    /// The repository lacks what zoomr reads.
    #[error("{id} has no {missing}; zoomr reads Hugging Face models with safetensors weights")]
    NotLoadable {
        /// The model.
        id: ModelId,
        /// The file that is missing.
        missing: String,
    },
    /// No GGUF file of the repository, or more than one, has a name that ends so.
    #[error(
        "{id} names no file: what is behind the colon must be the end of one name, as in `:Q4_K_M`; the models in GGUF \
         there are: {models:.2000}"
    )]
    NoSuchFile {
        /// The model.
        id: ModelId,
        /// The names of the models, separated by commas.
        models: String,
    },
    /// The repository holds a model in a format that zoomr does not read.
    #[error(transparent)]
    Foreign(Foreign),
    /// The cache has no copy, and the network must not be used.
    #[error(
        "{id} is not, or not completely, in {cache}, and HF_HUB_OFFLINE forbids to fetch it; \
         unset it, or give a directory"
    )]
    Offline {
        /// The model.
        id: ModelId,
        /// The cache.
        cache: PathBuf,
    },
    /// The hub does not answer as it should, and the cache has no copy.
    #[error(
        "{source}, and {cache} has no complete copy of {id}; check the network and HF_ENDPOINT, or give a directory"
    )]
    Unreachable {
        /// The model.
        id: ModelId,
        /// The cache.
        cache: PathBuf,
        /// What went wrong.
        source: Box<TransportError>,
    },
    /// A download was cut.
    #[error("fetching {file} of {id} failed: {source}; run again to go on where it stopped")]
    Download {
        /// The model.
        id: ModelId,
        /// The file.
        file: String,
        /// What went wrong.
        source: Box<TransportError>,
    },
    /// What arrived is not what was announced; it was thrown away.
    #[error("{file} of {id} arrived with {problem} and was discarded; run again")]
    Garbled {
        /// The model.
        id: ModelId,
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file that is read before the weights is no such file.
    #[error("{file} of {id} has {size} bytes, as the hub says; no file of that kind has more than {most}")]
    TooLarge {
        /// The model.
        id: ModelId,
        /// The file.
        file: String,
        /// Bytes that were announced.
        size: u64,
        /// Bytes that there may be.
        most: u64,
    },
    /// The list of weight files is of no use.
    #[error("{path} does not list the weight files: {reason}; the model is damaged, remove it and run again")]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The cache cannot be written.
    #[error("cannot write {path}: {source}; check permissions and space, or set HF_HOME")]
    Cache {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Nothing says where the cache is.
    #[error("there is no home directory to keep fetched models in; set HF_HOME to a directory")]
    NoHome,
    /// The hub's address leads nowhere.
    #[error("HF_ENDPOINT: `{url}` is no address of a hub: {reason}")]
    Endpoint {
        /// What was given, without a password.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A token that no header can carry.
    #[error(
        "the token (HF_TOKEN, or the file that a login left) has white space or other characters in it that no token has; set it again"
    )]
    Token,
}

/// Why the hub, or whoever it sends us to, does not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nobody is there, or nobody answers in time.
    #[error("cannot reach the hub ({host}: {reason})")]
    Unreachable {
        /// Who was asked, without a password.
        host: String,
        /// What the transport says.
        reason: String,
    },
    /// The answer is a refusal, or a failure of the server.
    #[error("the hub answers with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The hub's own word for it, as in `RevisionNotFound`.
        code: Option<String>,
    },
    /// The answer cannot be understood, or must not be believed.
    #[error("the hub's answer is of no use: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
    /// An answer broke off.
    #[error("the connection broke: {reason}")]
    Broken {
        /// What the transport says.
        reason: String,
    },
}

impl TransportError {
    /// A request that got no answer.
    pub(super) fn unsent(url: &Address, error: &ureq::Error) -> Self {
        let reason = match error {
            // The transport would name the whole address, with the password that may be in it.
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => "it is no address".to_owned(),
            ureq::Error::Io(error) => error.to_string(),
            error => error.to_string(),
        };
        Self::Unreachable { host: url.origin(), reason }
    }

    /// An answer that broke off.
    pub(super) fn broken(error: &ureq::Error) -> Self {
        match error {
            ureq::Error::BodyExceedsLimit(most) => {
                Self::Answer { reason: format!("it is longer than {most} bytes") }
            }
            error => Self::Broken { reason: error.to_string() },
        }
    }

    /// The error for an answer about `id` that is final; `None` where another try, or another hub, may do better.
    pub(super) fn refusal(&self, id: &ModelId) -> Option<HubError> {
        let Self::Status { status, code } = self else { return None };
        match (status, code.as_deref()) {
            (404, Some("RevisionNotFound")) => Some(HubError::NoRevision { id: id.clone() }),
            (404, _) => Some(HubError::NotFound { id: id.clone() }),
            (401 | 403, _) => Some(HubError::Denied { id: id.clone(), status: *status }),
            _ => None,
        }
    }
}
