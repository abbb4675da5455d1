//! What can go wrong on the way to a model, each with what to do about it.

use std::{io, path::PathBuf};

use hf_hub::api::sync::ApiError;

use super::ModelId;

/// Why a model cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HubError {
    /// The name is neither a directory nor the form of a hub id.
    #[error("no directory {model:?}; --model takes a model's directory, or a hub id of the form org/name")]
    NotAModel {
        /// What was given.
        model: String,
    },
    /// The path is a file.
    #[error("{path} is a file; --model takes the directory that it is in")]
    NotADirectory {
        /// What was given.
        path: PathBuf,
    },
    /// The hub has no such model, or not this file of it.
    #[error("the hub has no model {id}, and there is no directory of that name; check the spelling of both")]
    NotFound {
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
    /// The hub does not answer, and the cache has no copy.
    #[error(
        "cannot reach the hub for {id}, and {cache} has no complete copy: {source}; \
         check the network and HF_ENDPOINT, or give a directory"
    )]
    Unreachable {
        /// The model.
        id: ModelId,
        /// The cache.
        cache: PathBuf,
        /// What the transport says.
        source: Box<ApiError>,
    },
    /// A download was cut, or could not be written.
    #[error("fetching {file} of {id} failed: {source}; run again to go on where it stopped")]
    Download {
        /// The model.
        id: ModelId,
        /// The file.
        file: String,
        /// What the transport says.
        source: Box<ApiError>,
    },
    /// What arrived is not what was announced; it was thrown away.
    #[error("{file} of {id} arrived with {got} bytes instead of {size} and was discarded; run again")]
    Garbled {
        /// The model.
        id: ModelId,
        /// The file.
        file: String,
        /// Bytes that arrived.
        got: u64,
        /// Bytes that were announced.
        size: u64,
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
}

/// The error for an answer of the hub that is final; `None` where it did not properly answer at all.
pub(super) fn refusal(id: &ModelId, error: &ApiError) -> Option<HubError> {
    let ApiError::RequestError(request) = error else { return None };
    match **request {
        ureq::Error::StatusCode(404) => Some(HubError::NotFound { id: id.clone() }),
        ureq::Error::StatusCode(status @ (401 | 403)) => Some(HubError::Denied { id: id.clone(), status }),
        _ => None,
    }
}
