//! What can be wrong with a recording's file: each message names the file, the tensor, and what to do.

use std::path::PathBuf;

use safetensors::SafeTensorError;

/// A file that is no recording, or cannot be one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is cut short, or no safetensors file at all.
    #[error("{path}: truncated or damaged: {source}; record the run again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: SafeTensorError,
    },
    /// A safetensors file of something else.
    #[error("{path} is no recording of zoomr; make one with --record")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The recording's own part of the header makes no sense, or not to this version.
    #[error("{path}: the recording's header is of no use: {problem}; record the run again")]
    Header {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A tensor is not there.
    #[error("{path}: tensor `{tensor}` is missing; record the run again")]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// A tensor is not what the header says.
    #[error("{path}: tensor `{tensor}` is {found}, not {expected}; record the run again")]
    Tensor {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Type and shape, as in the file.
        found: String,
        /// Type and shape, as they should be.
        expected: String,
    },
    /// A tensor holds a NaN or an infinity.
    #[error(
        "{path}: tensor `{tensor}` holds numbers that are NaN or infinite: the recorded run was of no use"
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
    },
    /// Numbers so large that nothing can be computed with them.
    #[error(
        "{path}: products of layer {layer}'s queries and keys leave the range of f32: the recorded run was of no use"
    )]
    Overflow {
        /// The file.
        path: PathBuf,
        /// The layer, counted from 0.
        layer: usize,
    },
    /// The tensors cannot be put into one file.
    #[error("the recording cannot be written: {0}")]
    Write(SafeTensorError),
}
