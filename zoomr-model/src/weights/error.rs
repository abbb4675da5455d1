//! What can be wrong with a checkpoint: each message names the file, the tensor, and what to do.

use std::path::{Path, PathBuf};

use crate::gguf::GgufError;

/// Tensors named in one message at most; a checkpoint of another model would fill the screen.
const NAMED: usize = 6;

/// A checkpoint that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The directory holds no weights.
    #[error("{}: neither model.safetensors nor model.safetensors.index.json is here; give the directory of a Hugging Face checkpoint in safetensors format", dir.display())]
    NoWeights {
        /// The directory.
        dir: PathBuf,
    },
    /// A GGUF file is damaged, or of a kind that zoomr does not run.
    #[error(transparent)]
    Gguf(#[from] GgufError),
    /// A file cannot be opened, read or mapped.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The index is not one.
    #[error("{}: not an index of safetensors files: {problem}; download it again", path.display())]
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The index names a file that is not there.
    #[error("{}: names shard `{shard}`, which is not beside it; download the missing shard", index.display())]
    NoShard {
        /// The index.
        index: PathBuf,
        /// The file's name.
        shard: String,
    },
    /// The file is cut short, or its header is not a safetensors header.
    #[error("{}: truncated or damaged: {problem}; download it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Two shards hold a tensor of one name.
    #[error("tensor `{tensor}` is both in {} and in {}; keep the shards of one checkpoint only", first.display(), second.display())]
    Twice {
        /// The tensor.
        tensor: String,
        /// One file.
        first: PathBuf,
        /// The other file.
        second: PathBuf,
    },
    /// Tensors that the model needs are not there.
    #[error("{}: missing tensors: {tensors}; configuration and weights are of different models, or the download is incomplete", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// Their names, the first few.
        tensors: String,
    },
    /// Tensors that the model has no use for: what it would compute without them is not what it was trained for.
    #[error("{}: unexpected tensors: {tensors}; there are parts that are not supported, or the configuration is of another model", dir.display())]
    Unexpected {
        /// The directory.
        dir: PathBuf,
        /// Their names, the first few.
        tensors: String,
    },
    /// A tensor has another shape than the configuration says.
    #[error("{}: tensor `{tensor}` has shape {found:?}, the configuration asks for {expected:?}; are both of one model?", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// As in the file.
        found: Vec<usize>,
        /// As the configuration says.
        expected: Vec<usize>,
    },
    /// A tensor's element type is not supported.
    #[error("{}: tensor `{tensor}` holds {found} numbers; {advice}", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The container's name of the type.
        found: String,
        /// What is supported, and what to do.
        advice: &'static str,
    },
    /// A tensor holds a NaN or an infinity.
    #[error("{}: tensor `{tensor}`, element {element}, is NaN or infinite; the file is damaged or its training diverged: download it again or use another checkpoint", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// The first such element, in row-major order.
        element: usize,
    },
}

impl WeightsError {
    /// Tensors needed and not there.
    pub(crate) fn missing(dir: &Path, tensors: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::Missing { dir: dir.to_owned(), tensors: first_few(tensors) }
    }

    /// Tensors there and not needed.
    pub(super) fn unexpected(dir: &Path, tensors: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::Unexpected { dir: dir.to_owned(), tensors: first_few(tensors) }
    }
}

/// The first names, and how many more.
fn first_few(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
