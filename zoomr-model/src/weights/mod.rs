//! Weights from safetensors files, memory-mapped and checked before anything is computed with them.
//!
//! * `map`: a file as bytes; the one unsafe call.
//! * `shards`: which files a directory's weights lie in.
//! * `file`: one file's header.
//! * `verify`: the directory's tensors against what the architecture needs, and every number finite.
//! * [`Inventory`]: what headers alone tell, for people who want to know before they load.
//! * `error`: what can be wrong.
//!
//! Nothing is copied: a [`StoredWeight`] shares the mapped file, and the map lives as long as any of them.

mod error;
mod file;
mod inventory;
mod map;
mod shards;
mod verify;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use zoomr_core::weight::StoredWeight;

use self::file::WeightFile;
pub use self::{error::WeightsError, inventory::Inventory};
use crate::{config::TensorSpec, digest::Digest};

/// A checkpoint's weights: exactly the tensors asked for, each of the right shape and finite.
#[derive(Clone, Debug)]
pub struct Weights {
    dir: PathBuf,
    tensors: BTreeMap<String, StoredWeight>,
}

impl Weights {
    /// Maps the weights in `dir`: `model.safetensors`, or the shards that `model.safetensors.index.json` names.
    ///
    /// `needed` is what the model takes ([`ModelConfig::tensors`](crate::config::ModelConfig::tensors)). Every
    /// number is read once, to see that it is finite; this also brings the files into memory.
    ///
    /// # Errors
    /// [`WeightsError`] where a file is missing, damaged or of another model; it names file and tensor.
    pub fn open(dir: &Path, needed: &[TensorSpec]) -> Result<Self, WeightsError> {
        Self::open_watched(dir, needed, &mut |_, _| {})
    }

    /// As [`open`](Self::open); `watch` hears, tensor by tensor, how many numbers have been read, and of how many.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_watched(
        dir: &Path,
        needed: &[TensorSpec],
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, WeightsError> {
        let found = files(dir)?;
        verify::names(dir, &found, needed)?;
        let (mut done, all) = (0, needed.iter().map(TensorSpec::elements).sum());
        let tensors = needed.iter().map(|spec| {
            watch(done, all);
            let file = found.get(&spec.name).ok_or_else(|| WeightsError::missing(dir, [&spec.name]))?;
            done += spec.elements();
            Ok((spec.name.clone(), verify::tensor(file, spec)?))
        });
        let tensors = tensors.collect::<Result<_, WeightsError>>()?;
        Ok(Self { dir: dir.to_owned(), tensors })
    }

    /// Maps the single file `path`, which must hold the tensors `needed` and no others.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn open_file(path: &Path, needed: &[TensorSpec]) -> Result<Self, WeightsError> {
        let file = Arc::new(WeightFile::open(path.to_owned())?);
        let found = file.names().map(|name| (name, Arc::clone(&file))).collect();
        verify::names(path, &found, needed)?;
        let tensors = needed.iter().map(|spec| Ok((spec.name.clone(), verify::tensor(&file, spec)?)));
        Ok(Self { dir: path.to_owned(), tensors: tensors.collect::<Result<_, WeightsError>>()? })
    }

    /// The shape of the tensor `name` in the file `path`, if it has one.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is missing or damaged.
    pub(crate) fn shape_in(path: &Path, name: &str) -> Result<Option<Vec<usize>>, WeightsError> {
        let file = WeightFile::open(path.to_owned())?;
        Ok(file.tensor(name).map(|(_, shape, _)| shape.to_vec()))
    }

    /// The tensor `name`; a vector is a matrix of one row.
    ///
    /// # Errors
    /// [`WeightsError::Missing`] where it was not among those asked for on opening.
    pub fn get(&self, name: &str) -> Result<StoredWeight, WeightsError> {
        let weight = self.tensors.get(name);
        weight.cloned().ok_or_else(|| WeightsError::missing(&self.dir, [name]))
    }

    /// A hash of all weights with their names and shapes, in hexadecimal digits: models with the same one are the same.
    /// Reads every byte.
    pub fn digest(&self) -> String {
        let parts = self.tensors.iter().map(|(name, weight)| {
            let shape = format!("{name} {:?} {} {}", weight.dtype(), weight.rows(), weight.columns());
            [Digest::of([&shape]), Digest::of([weight.bytes()])].map(|digest| digest.to_string()).concat()
        });
        Digest::of(parts).to_string()
    }

    /// Bytes of all weights, as stored.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|weight| weight.bytes().len() as u64).sum()
    }
}

/// The file that each tensor of a directory lies in.
fn files(dir: &Path) -> Result<BTreeMap<String, Arc<WeightFile>>, WeightsError> {
    let mut found = BTreeMap::new();
    for path in shards::paths(dir)? {
        let file = Arc::new(WeightFile::open(path)?);
        for name in file.names() {
            let other = found.insert(name.clone(), Arc::clone(&file));
            if let Some(other) = other {
                return Err(WeightsError::Twice {
                    tensor: name,
                    first: other.path().to_owned(),
                    second: file.path().to_owned(),
                });
            }
        }
    }
    Ok(found)
}
