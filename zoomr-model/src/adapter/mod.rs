//! Low-rank adapters (LoRA, arXiv 2106.09685) kept beside a model, in the layout of the PEFT library.
//!
//! * [`peft`]: files, names of tensors, and the configuration that training writes.
//! * `raw`: `adapter_config.json` as PEFT writes it.
//! * `lora`: the same, checked: modules, ranks, scales.
//! * `modules`: sets of modules by name or by pattern.
//! * `fit`: what an adapter's tensors do to the tensors of a model.
//! * `error`: what can be wrong with one.
//!
//! An adapter's directory holds `adapter_model.safetensors` with two small matrices for each that they stand beside,
//! and whole tensors that take the place of the model's: embeddings where the vocabulary has grown, norms, biases. The
//! model's own weights stay as they are in their file.

mod error;
mod fit;
mod lora;
mod modules;
pub mod peft;
mod raw;

use std::path::Path;

use zoomr_core::weight::StoredWeight;

pub use self::error::AdapterError;
use self::{
    fit::{Fit, Instead},
    lora::Lora,
};
use crate::{
    config::ModelConfig,
    digest::Digest,
    linear::LowRank,
    weights::{Weights, WeightsError},
};

/// An adapter that fits a model.
#[derive(Clone, Debug)]
pub struct Adapter {
    fit: Fit,
    weights: Weights,
}

impl Adapter {
    /// A hash of it, as [`Weights::digest`] is one of a model.
    pub fn digest(&self) -> String {
        let Fit { beside, instead, .. } = &self.fit;
        Digest::of([format!("{beside:?} {instead:?}"), self.weights.digest()]).to_string()
    }

    /// Reads the adapter in `dir` for a model of architecture `config`.
    ///
    /// # Errors
    /// [`AdapterError`], naming the file, where it is missing, damaged, of a kind that is not supported, or for
    /// another model.
    pub fn open(dir: &Path, config: &ModelConfig) -> Result<Self, AdapterError> {
        if dir.is_file() {
            return Err(AdapterError::NotADirectory { path: dir.to_owned() });
        }
        let lora = Lora::from_dir(dir)?;
        let path = dir.join(peft::WEIGHTS);
        if !path.exists() && dir.join("adapter_model.bin").exists() {
            return Err(AdapterError::Pickle { dir: dir.to_owned() });
        }
        let fit = Fit::new(&lora, config, &Weights::shapes(&path)?, dir)?;
        let weights = Weights::open_file(&path, &fit.needed)?;
        Ok(Self { fit, weights })
    }

    /// The model's architecture with the adapter: with another number of tokens, where the adapter brings its own
    /// embedding, and with a head of its own, where it changes one of embedding and head that were one matrix.
    pub fn adapted(&self) -> &ModelConfig {
        &self.fit.config
    }

    /// What stands beside the matrix `name`, if anything does.
    pub(crate) fn low_rank(&self, name: &str) -> Result<Option<LowRank<StoredWeight>>, WeightsError> {
        let Some(beside) = self.fit.beside.get(name) else { return Ok(None) };
        let (down, up) = (self.weights.get(&beside.down)?, self.weights.get(&beside.up)?);
        Ok(Some(LowRank { down, up, scale: beside.scale }))
    }

    /// The tensor `name` of the model with these weights: the adapter's, where it brings one.
    pub(crate) fn tensor(&self, name: &str, model: &Weights) -> Result<StoredWeight, WeightsError> {
        match self.fit.instead.get(name) {
            Some(Instead::Own(own)) => self.weights.get(own),
            Some(Instead::Models(other)) => model.get(other),
            None => model.get(name),
        }
    }
}
