//! A trained model, or adapters beside one, as files that every loader of safetensors reads.

use std::path::Path;

use burn::tensor::{Tensor, backend::Backend};
use safetensors::{Dtype, tensor::TensorView};

use super::{
    TrainError,
    encode::{SavedDtype, encode},
    lora::LoraOptions,
    parameters::Parameters,
};
use crate::{
    adapter::peft::{self, SavedConfig},
    atomic_file::{self, Existing},
    config::ModelConfig,
    weights::{ADAPTER, WeightsError},
};

/// Writes the tensors of a model to the file `path`, whole or not at all; a file that is there is replaced.
///
/// # Errors
/// [`TrainError::Weights`] where `parameters` lack a tensor of the model, [`TrainError::File`] where the file
/// cannot be written.
pub fn save<B: Backend>(
    config: &ModelConfig,
    parameters: &Parameters<B>,
    dtype: SavedDtype,
    path: &Path,
) -> Result<(), TrainError> {
    let tensor = |spec: crate::config::TensorSpec| {
        let found = parameters.get(&spec.name).ok_or_else(|| WeightsError::missing(path, [&spec.name]))?;
        Ok(Stored { bytes: encode(found, dtype), name: spec.name, shape: spec.shape })
    };
    let tensors = config.tensors().into_iter().map(tensor).collect::<Result<Vec<_>, WeightsError>>()?;
    write(&tensors, dtype, path)
}

/// Writes adapters for a model of architecture `config`, and what was trained whole beside them, into the directory
/// `dir`, in PEFT's layout; `base` is what the model is called that they are for.
///
/// Where a model's embedding is its head as well, a trained embedding is not among the modules that the configuration
/// says are saved: PEFT would take it for a copy, and leave the head as it was.
///
/// # Errors
/// [`TrainError::File`] where a file cannot be written.
pub fn save_adapter<B: Backend>(
    config: &ModelConfig,
    trained: &Parameters<B>,
    lora: &LoraOptions,
    base: &str,
    dtype: SavedDtype,
    dir: &Path,
) -> Result<(), TrainError> {
    let tensor = |(name, tensor): (&String, &Tensor<B, 2>)| Stored {
        name: format!("{ADAPTER}{name}"),
        shape: tensor.dims().to_vec(),
        bytes: encode(tensor, dtype),
    };
    let tensors: Vec<Stored> = trained.iter().map(tensor).collect();
    write(&tensors, dtype, &dir.join(peft::WEIGHTS))?;
    let has = |target: &&str| trained.iter().any(|(name, _)| name.contains(&format!(".{target}.lora_A")));
    let is_own = |module: &&str| !(config.is_tied() && ["embed_tokens", "lm_head"].contains(module));
    let mut saved = SavedConfig::new(base, lora.rank, lora.alpha);
    saved.target_modules = lora.targets.iter().map(String::as_str).filter(has).collect();
    let whole: Vec<&str> = lora.whole.iter().map(String::as_str).filter(is_own).collect();
    saved.modules_to_save = (!whole.is_empty()).then_some(whole);
    Ok(saved.write(dir)?)
}

/// A tensor as it is written.
struct Stored {
    name: String,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

fn write(tensors: &[Stored], dtype: SavedDtype, path: &Path) -> Result<(), TrainError> {
    let stored = match dtype {
        SavedDtype::F32 => Dtype::F32,
        SavedDtype::Bf16 => Dtype::BF16,
    };
    let views = tensors.iter().map(|Stored { name, shape, bytes }| {
        TensorView::new(stored, shape.clone(), bytes).map(|view| (name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    // Readers of other libraries ask for this key.
    let metadata = std::iter::once(("format".to_owned(), "pt".to_owned())).collect();
    let bytes = safetensors::serialize(views, Some(metadata))?;
    Ok(atomic_file::write(path, &bytes, Existing::Replace)?)
}
