//! One safetensors file: its map, and where each tensor lies in it.

use std::{
    collections::HashMap,
    ops::Range,
    path::{Path, PathBuf},
};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors, tensor::TensorInfo};

use super::{error::WeightsError, map};

/// Bytes before the header: its length, as a little-endian `u64`.
const LENGTH_BYTES: usize = 8;

/// A mapped file whose header has been checked against its length.
pub(super) struct WeightFile {
    path: PathBuf,
    bytes: Mmap,
    tensors: HashMap<String, TensorInfo>,
    /// Where the header ends.
    data: usize,
}

impl WeightFile {
    /// Maps a file and reads its header.
    pub(super) fn open(path: PathBuf) -> Result<Self, WeightsError> {
        let bytes = match map::map(&path) {
            Ok(bytes) => bytes,
            Err(error) => return Err(WeightsError::Read { path, error }),
        };
        let (header, metadata) = match SafeTensors::read_metadata(&bytes) {
            Ok(found) => found,
            Err(problem) => {
                let problem = format!("{problem} (the file has {} bytes)", bytes.len());
                return Err(WeightsError::Damaged { path, problem });
            }
        };
        let tensors = metadata.tensors().into_iter().map(|(name, info)| (name, info.clone())).collect();
        Ok(Self { path, bytes, tensors, data: LENGTH_BYTES + header })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The names of its tensors, in no order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        self.tensors.keys().cloned()
    }

    /// Dtype, shape and place of a tensor, if the file has it.
    pub(super) fn tensor(&self, name: &str) -> Option<(Dtype, &[usize], Range<usize>)> {
        let info = self.tensors.get(name)?;
        let (start, end) = info.data_offsets;
        Some((info.dtype, &info.shape, self.data + start..self.data + end))
    }
}

impl AsRef<[u8]> for WeightFile {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
