//! Low-rank adapters (LoRA, arXiv 2106.09685) kept beside a model, in the layout of the PEFT library.
//!
//! * [`peft`]: `adapter_config.json`, and what PEFT calls an adapter's tensors.
//! * `error`: what can be wrong with one.
//!
//! An adapter's directory holds `adapter_model.safetensors` with two small matrices for each that they stand beside,
//! and whole embeddings where the vocabulary has grown. The model's own weights stay as they are in their file.

mod error;
pub mod peft;

use std::{collections::BTreeMap, path::Path};

use zoomr_core::weight::StoredWeight;

pub use self::error::AdapterError;
use self::peft::{LoraConfig, PREFIX};
use crate::{
    config::{ModelConfig, TensorSpec},
    digest::Digest,
    linear::LowRank,
    weights::Weights,
};

/// The matrices that an adapter may replace as a whole: those whose rows are tokens.
const EMBEDDINGS: [&str; 2] = ["model.embed_tokens.weight", "lm_head.weight"];

/// An adapter that fits a model.
#[derive(Clone, Debug)]
pub struct Adapter {
    config: ModelConfig,
    scale: f64,
    weights: Weights,
    /// The model's matrices that it stands beside or replaces, with the names of its own.
    places: BTreeMap<String, Place>,
}

/// What an adapter does to one matrix.
#[derive(Clone, Debug)]
enum Place {
    /// It stands beside it.
    Beside {
        /// The name of `A`.
        down: String,
        /// The name of `B`.
        up: String,
    },
    /// It replaces it by this tensor.
    Instead(String),
}

impl Adapter {
    /// A hash of it, as [`Weights::digest`] is one of a model.
    pub fn digest(&self) -> String {
        Digest::of([format!("{:?} {}", self.places, self.scale), self.weights.digest()]).to_string()
    }

    /// Reads the adapter in `dir` for a model of architecture `config`.
    ///
    /// # Errors
    /// [`AdapterError`], naming the file, where it is missing, damaged, of a kind that is not supported, or for
    /// another model.
    pub fn open(dir: &Path, config: &ModelConfig) -> Result<Self, AdapterError> {
        let lora = LoraConfig::from_dir(dir)?;
        let path = dir.join(peft::WEIGHTS);
        let (mut places, mut needed) = (BTreeMap::new(), Vec::new());
        let mut adapted = config.clone();
        for spec in config.tensors().into_iter().filter(|spec| lora.is_target(&spec.name)) {
            let [rows, columns] = spec.shape[..] else { continue };
            let [down, up] = peft::names(&spec.name).map(|name| format!("{PREFIX}{name}"));
            needed.push(TensorSpec { name: down.clone(), shape: vec![lora.rank(), columns] });
            needed.push(TensorSpec { name: up.clone(), shape: vec![rows, lora.rank()] });
            places.insert(spec.name, Place::Beside { down, up });
        }
        if places.is_empty() {
            return Err(AdapterError::NoTarget { dir: dir.to_owned(), targets: lora.targets().join(", ") });
        }
        for spec in config.tensors().into_iter().filter(|spec| EMBEDDINGS.contains(&&*spec.name)) {
            let name = format!("{PREFIX}{}", spec.name);
            let Some(rows) = Weights::shape_in(&path, &name)?.and_then(|shape| shape.first().copied()) else {
                continue;
            };
            adapted = adapted.with_vocabulary(rows);
            needed.push(TensorSpec { name: name.clone(), shape: vec![rows, config.hidden_size()] });
            places.insert(spec.name, Place::Instead(name));
        }
        let resized = |name: &&str| places.contains_key(*name);
        let matrices = EMBEDDINGS.iter().take(if config.is_tied() { 1 } else { 2 });
        if adapted.vocab_size() != config.vocab_size() && !matrices.into_iter().all(resized) {
            return Err(AdapterError::Embeddings { path, rows: adapted.vocab_size() });
        }
        let weights = Weights::open_file(&path, &needed)?;
        Ok(Self { config: adapted, scale: lora.scale(), weights, places })
    }

    /// The model's architecture with the adapter: with a larger vocabulary, where the adapter brings tokens.
    pub fn adapted(&self) -> &ModelConfig {
        &self.config
    }

    /// What stands beside the matrix `name`.
    pub(crate) fn low_rank(&self, name: &str) -> Option<LowRank<StoredWeight>> {
        let Place::Beside { down, up } = self.places.get(name)? else { return None };
        let tensor = |name: &str| self.weights.get(name).ok();
        Some(LowRank { down: tensor(down)?, up: tensor(up)?, scale: self.scale })
    }

    /// What replaces the matrix `name`.
    pub(crate) fn replacement(&self, name: &str) -> Option<StoredWeight> {
        let Place::Instead(name) = self.places.get(name)? else { return None };
        self.weights.get(name).ok()
    }
}
