//! One file of weights, whatever its container: its map, and where each tensor lies in it.

use std::{
    collections::HashMap,
    fmt,
    fs::File,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use zoomr_core::weight::WeightFormat;

use super::{error::WeightsError, map};
use crate::gguf::Interleaved;

/// A mapped file whose header has been checked against its length.
pub(super) struct WeightFile {
    path: PathBuf,
    bytes: Mmap,
    tensors: Tensors,
}

/// The tensors of a file, by their names in Hugging Face's checkpoints.
pub(super) type Tensors = HashMap<String, Tensor>;

/// Where a tensor lies in its file, and how.
#[derive(Clone, Debug)]
pub(super) struct Tensor {
    pub(super) element: Element,
    /// Rows first.
    pub(super) shape: Vec<usize>,
    pub(super) bytes: Range<usize>,
    /// How its rows are to be put back in order, if they are in another one.
    pub(super) interleaved: Option<Interleaved>,
}

/// How a tensor's numbers are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Element {
    /// As zoomr reads them.
    Known(WeightFormat),
    /// As it does not: by the container's name for it, with what to do.
    Other { name: String, advice: &'static str },
}

/// As containers spell it.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(format) => f.write_str(&format.name().to_ascii_uppercase()),
            Self::Other { name, .. } => f.write_str(name),
        }
    }
}

impl WeightFile {
    /// Maps a file whose header says that it has these tensors, the last of which ends at byte `end` or before.
    pub(super) fn new(
        path: PathBuf,
        file: &File,
        tensors: Tensors,
        end: usize,
    ) -> Result<Self, WeightsError> {
        match map::map(file) {
            Err(error) => Err(WeightsError::Read { path, error }),
            Ok(bytes) if bytes.len() < end => {
                let problem = "its length has changed while it was opened".to_owned();
                Err(WeightsError::Damaged { path, problem })
            }
            Ok(bytes) => Ok(Self { path, bytes, tensors }),
        }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its tensors, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.tensors.keys().cloned()
    }

    /// Gives the tensor `name`, if the file has it, another name.
    pub(super) fn rename(&mut self, name: &str, other: &str) {
        if let Some(tensor) = self.tensors.remove(name) {
            self.tensors.insert(other.to_owned(), tensor);
        }
    }

    /// A tensor, if the file has it.
    pub(super) fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// A tensor's bytes, if the file has it.
    pub(super) fn bytes_of(&self, name: &str) -> Option<&[u8]> {
        self.bytes.get(self.tensor(name)?.bytes.clone())
    }
}

impl AsRef<[u8]> for WeightFile {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
