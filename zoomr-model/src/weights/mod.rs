//! Weights from files in safetensors or GGUF, memory-mapped and checked before anything is computed with them.
//!
//! * `map`: a file as bytes; the one unsafe call, and what a file that changes meanwhile does.
//! * `shards`: which files a directory's weights lie in.
//! * `safetensors`, `gguf`: a container's header as a table of tensors, from a copy of it.
//! * `names`: what checkpoints call one and the same tensor.
//! * `file`: one file, its table and its map.
//! * [`Precision`]: what matrices can be made into, on several threads.
//! * `verify`: the directory's tensors against what the architecture needs, and every number finite.
//! * [`Inventory`]: what headers alone tell, for people who want to know before they load.
//! * `error`: what can be wrong.
//!
//! Nothing is copied, but for rows that a container has in another order: a [`StoredWeight`] shares the mapped file, and the map lives as long as any of them. So a file that
//! another program writes to while a model runs changes the model, and one that it cuts short ends the process (SIGBUS on
//! Unix). Replace weights by renaming a new file onto the old one, as downloads and training do; whoever has the old one
//! mapped keeps it.

mod error;
mod file;
mod gguf;
mod inventory;
mod map;
mod names;
mod precision;
mod safetensors;
mod shards;
mod verify;

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use zoomr_core::weight::{Encoding, StoredWeight};

use self::file::WeightFile;
pub use self::{error::WeightsError, inventory::Inventory, precision::Precision};
pub(crate) use self::{
    names::{ADAPTER, EMBEDDING, HEAD},
    precision::{Form, converted},
};
use crate::{
    config::{ModelConfig, TensorSpec},
    digest::Digest,
    gguf::is_gguf,
};

/// A checkpoint's weights: exactly the tensors asked for, each of the right shape and finite.
#[derive(Clone, Debug)]
pub struct Weights {
    dir: PathBuf,
    tensors: BTreeMap<String, StoredWeight>,
}

impl Weights {
    /// Maps the weights in `dir`: `model.safetensors`, or the shards that `model.safetensors.index.json` names; or those of
    /// the GGUF file `dir`.
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
        let found = files(dir, needed)?;
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
        let file = Arc::new(safetensors::open(path.to_owned())?);
        let found = file.names().map(|name| (name, Arc::clone(&file))).collect();
        verify::names(path, &found, needed)?;
        let tensors = needed.iter().map(|spec| Ok((spec.name.clone(), verify::tensor(&file, spec)?)));
        Ok(Self { dir: path.to_owned(), tensors: tensors.collect::<Result<_, WeightsError>>()? })
    }

    /// The shapes of the tensors in the file `path`, by name.
    ///
    /// # Errors
    /// [`WeightsError`] where the file is missing or damaged.
    pub(crate) fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>, WeightsError> {
        let file = safetensors::open(path.to_owned())?;
        let shape = |name: &String| file.tensor(name).map(|tensor| tensor.shape.clone());
        Ok(file.names().filter_map(|name| shape(&name).map(|shape| (name, shape))).collect())
    }

    /// The architecture of the model whose weights lie in `dir`, where `config` is what its `config.json` says: an
    /// output head that is stored, and is another matrix than the embedding, is the model's, even if `config.json`
    /// calls the two one. Transformers does the same. Without weights, `config` as it is.
    ///
    /// # Errors
    /// [`WeightsError`] where a file is damaged or cannot be read.
    pub fn settle_head(dir: &Path, config: ModelConfig) -> Result<ModelConfig, WeightsError> {
        match files(dir, &config.tensors()) {
            Ok(found) if config.is_tied() && verify::has_own_head(&found) => Ok(config.with_own_head()),
            Ok(_) | Err(WeightsError::NoWeights { .. }) => Ok(config),
            Err(error) => Err(error),
        }
    }

    /// The tensor `name`; a vector is a matrix of one row.
    ///
    /// # Errors
    /// [`WeightsError::Missing`] where it was not among those asked for on opening.
    pub fn get(&self, name: &str) -> Result<StoredWeight, WeightsError> {
        let weight = self.tensors.get(name);
        weight.cloned().ok_or_else(|| WeightsError::missing(&self.dir, [name]))
    }

    /// The same weights, with matrices of floats in blocks, made on up to `threads` threads; `watch` hears, tensor by tensor,
    /// how many numbers are done, and of how many. Embedding and output head have 8 bits at least.
    ///
    /// # Errors
    /// [`WeightsError::Damaged`] where a tensor has not the length that its shape says.
    pub fn encoded(
        mut self,
        encoding: Encoding,
        threads: NonZeroUsize,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Self, WeightsError> {
        let numbers = |weight: &StoredWeight| (weight.rows() * weight.columns()) as u64;
        let (mut done, all) = (0, self.tensors.values().map(numbers).sum());
        for (name, weight) in &mut self.tensors {
            watch(done, all);
            done += numbers(weight);
            let form = Precision::Blocks(encoding).form(name, &[weight.rows(), weight.columns()]);
            if weight.rows() == 1 || !weight.format().is_float() || !matches!(form, Form::Blocks(_)) {
                continue;
            }
            let bytes = converted(weight, form, threads);
            let all = 0..bytes.len();
            *weight = StoredWeight::new(Arc::new(bytes), all, form.into(), weight.rows(), weight.columns())
                .map_err(|problem| WeightsError::Damaged {
                path: self.dir.clone(),
                problem: problem.to_string(),
            })?;
        }
        Ok(self)
    }

    /// A hash of all weights with their names and shapes, in hexadecimal digits: models with the same one are the same.
    /// Reads every byte.
    pub fn digest(&self) -> String {
        let parts = self.tensors.iter().map(|(name, weight)| {
            let shape = format!("{name} {:?} {} {}", weight.format(), weight.rows(), weight.columns());
            [Digest::of([&shape]), Digest::of([weight.bytes()])].map(|digest| digest.to_string()).concat()
        });
        Digest::of(parts).to_string()
    }

    /// Bytes of all weights, as stored.
    pub fn bytes(&self) -> u64 {
        self.tensors.values().map(|weight| weight.bytes().len() as u64).sum()
    }
}

/// The file that each tensor of a directory, or of a GGUF model, lies in. Where a model needs no head of its own, and the matrix that it has
/// for both is stored as the head, it is the embedding.
fn files(dir: &Path, needed: &[TensorSpec]) -> Result<BTreeMap<String, Arc<WeightFile>>, WeightsError> {
    let mut files = match is_gguf(dir) {
        true => gguf::open(dir)?,
        false => shards::paths(dir)?.into_iter().map(safetensors::open).collect::<Result<Vec<_>, _>>()?,
    };
    let tied = !needed.iter().any(|spec| spec.name == HEAD);
    if tied && !files.iter().any(|file| file.tensor(EMBEDDING).is_some()) {
        files.iter_mut().for_each(|file| file.rename(HEAD, EMBEDDING));
    }
    let mut found = BTreeMap::new();
    for file in files.into_iter().map(Arc::new) {
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
