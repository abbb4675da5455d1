//! A trained model as a checkpoint that every loader of safetensors reads.

use std::path::Path;

use burn::tensor::backend::Backend;
use safetensors::{Dtype, tensor::TensorView};

use super::{TrainError, parameters::Parameters};
use crate::{
    config::ModelConfig,
    data::{lines::Existing, whole::WholeFile},
    weights::WeightsError,
};

/// The element type of a checkpoint's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SavedDtype {
    /// As trained.
    F32,
    /// Rounded to the nearest, half the size.
    Bf16,
}

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
        let data = found.to_data();
        let values = data.iter::<f32>();
        let bytes: Vec<u8> = match dtype {
            SavedDtype::F32 => values.flat_map(f32::to_le_bytes).collect(),
            SavedDtype::Bf16 => values.flat_map(|x| half::bf16::from_f32(x).to_le_bytes()).collect(),
        };
        Ok((spec.name, spec.shape, bytes))
    };
    let tensors = config.tensors().into_iter().map(tensor).collect::<Result<Vec<_>, WeightsError>>()?;
    let stored = match dtype {
        SavedDtype::F32 => Dtype::F32,
        SavedDtype::Bf16 => Dtype::BF16,
    };
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(stored, shape.clone(), bytes).map(|view| (name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    // Readers of other libraries ask for this key.
    let metadata = std::iter::once(("format".to_owned(), "pt".to_owned())).collect();
    let bytes = safetensors::serialize(views, Some(metadata))?;
    let mut file = WholeFile::create(path, Existing::Replace)?;
    file.write(&bytes)?;
    Ok(file.finish()?)
}
