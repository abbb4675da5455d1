//! One safetensors file: its map, and where each tensor lies in it.

use std::{
    collections::HashMap,
    fs::File,
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use safetensors::{Dtype, tensor::TensorInfo};

use super::{error::WeightsError, header::Header, map};

/// A mapped file whose header has been checked against its length.
pub(super) struct WeightFile {
    path: PathBuf,
    bytes: Mmap,
    /// By [canonical](super::names::canonical) name.
    tensors: HashMap<String, TensorInfo>,
    /// Where the header ends.
    data: usize,
}

impl WeightFile {
    /// Reads a file's header and maps the file.
    pub(super) fn open(path: PathBuf) -> Result<Self, WeightsError> {
        let opened = || -> io::Result<_> {
            let mut file = File::open(&path)?;
            let header = Header::read(&mut file)?;
            Ok((header, map::map(&file)?))
        };
        match opened() {
            Err(error) => Err(WeightsError::Read { path, error }),
            Ok((Err(problem), _)) => Err(WeightsError::Damaged { path, problem }),
            Ok((Ok(Header { end, .. }), bytes)) if end != bytes.len() => {
                let problem = "its length has changed while it was opened".to_owned();
                Err(WeightsError::Damaged { path, problem })
            }
            Ok((Ok(Header { tensors, data, .. }), bytes)) => Ok(Self { path, bytes, tensors, data }),
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

    /// Dtype, shape and place of a tensor, if the file has it.
    pub(super) fn tensor(&self, name: &str) -> Option<(Dtype, &[usize], Range<usize>)> {
        let info = self.tensors.get(name)?;
        let (start, end) = info.data_offsets;
        Some((info.dtype, &info.shape, self.data + start..self.data + end))
    }

    /// A tensor's bytes, if the file has it.
    pub(super) fn bytes_of(&self, name: &str) -> Option<&[u8]> {
        let (_, _, place) = self.tensor(name)?;
        self.bytes.get(place)
    }
}

impl AsRef<[u8]> for WeightFile {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
