//! A run that can be gone on with: parameters, the optimiser's memory and the recipe, in one file.
//!
//! One file written whole, so that a run killed at any moment finds its last checkpoint or the one before.
//! Whatever else a step depends on (what is learnt, masks, the learning rate) follows from its number and the run's
//! [`Origin`].

use std::{collections::HashMap, fs, path::Path};

use burn::{
    optim::{AdamWState, AdaptiveMomentumState},
    tensor::{Device, Tensor, TensorData, backend::Backend},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{
    TrainError,
    encode::{SavedDtype, encode},
    optimizer::Optimizer,
    parameters::Parameters,
    recipe::RecipeOptions,
};
use crate::{
    atomic_file::{self, Existing},
    data::DataError,
};

/// What the three tensors of a parameter are called, followed by its name.
const KINDS: [&str; 3] = ["parameter/", "moment_1/", "moment_2/"];

/// What a run must have in common with the one that wrote a checkpoint; models and texts by their digests.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Origin {
    pub(super) recipe: RecipeOptions,
    /// The model that training started from.
    pub(super) model: String,
    /// The texts it learns from.
    pub(super) texts: String,
}

/// What a checkpoint holds.
pub(super) struct Checkpoint<B: Backend> {
    pub(super) step: usize,
    pub(super) origin: Origin,
    pub(super) trained: Parameters<B>,
    pub(super) states: Vec<(String, AdamWState<B, 2>)>,
}

/// Writes a checkpoint to `path`, in place of the one that is there.
pub(super) fn write<B: Backend>(
    path: &Path,
    step: usize,
    origin: &Origin,
    trained: &Parameters<B>,
    optimizer: &Optimizer<B>,
) -> Result<(), TrainError> {
    let mut tensors: Vec<(String, [usize; 2], Vec<u8>)> = Vec::new();
    let mut push = |kind: &str, name: &str, tensor: &Tensor<B, 2>| {
        tensors.push((format!("{kind}{name}"), tensor.dims(), encode(tensor, SavedDtype::F32)));
    };
    for (name, tensor) in trained.iter() {
        push(KINDS[0], name, tensor);
        if let Some(state) = optimizer.states.get(name) {
            push(KINDS[1], name, &state.momentum.moment_1);
            push(KINDS[2], name, &state.momentum.moment_2);
        }
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        TensorView::new(Dtype::F32, shape.to_vec(), bytes).map(|view| (name.clone(), view))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let recipe = serde_json::to_string(&origin.recipe).map_err(|error| damaged(path, &error))?;
    let Origin { model, texts, .. } = origin.clone();
    let fields = [("step", step.to_string()), ("recipe", recipe), ("model", model), ("texts", texts)];
    let metadata: HashMap<String, String> = fields.map(|(name, value)| (name.to_owned(), value)).into();
    let bytes = safetensors::serialize(views, Some(metadata))?;
    Ok(atomic_file::write(path, &bytes, Existing::Replace)?)
}

/// Reads the checkpoint at `path`.
pub(super) fn read<B: Backend>(path: &Path, device: &Device<B>) -> Result<Checkpoint<B>, TrainError> {
    let bytes = fs::read(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, &error))?;
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, &error))?;
    let field = |name: &str| {
        let metadata = header.metadata().as_ref();
        metadata
            .and_then(|fields| fields.get(name))
            .ok_or_else(|| damaged(path, &format!("it has no `{name}`")))
    };
    let step = field("step")?.parse().map_err(|error| damaged(path, &error))?;
    let recipe = serde_json::from_str(field("recipe")?).map_err(|error| damaged(path, &error))?;
    let origin = Origin { recipe, model: field("model")?.clone(), texts: field("texts")?.clone() };
    let tensor = |name: &str| -> Option<Tensor<B, 2>> {
        let view = file.tensor(name).ok().filter(|view| view.dtype() == Dtype::F32)?;
        let &[rows, columns] = view.shape() else { return None };
        let values: Vec<f32> = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        (values.len() == rows * columns)
            .then(|| Tensor::from_data(TensorData::new(values, [rows, columns]), device))
    };
    let (mut trained, mut states) = (Vec::new(), Vec::new());
    for name in file.names().into_iter().filter_map(|name| name.strip_prefix(KINDS[0])) {
        let [parameter, moment_1, moment_2] = KINDS.map(|kind| tensor(&format!("{kind}{name}")));
        let parameter = parameter.ok_or_else(|| damaged(path, &format!("{name} is no matrix of f32")))?;
        let dims = parameter.dims();
        trained.push((name.to_owned(), parameter));
        // Before its first step, a parameter has no moments.
        if KINDS[1..].iter().all(|kind| file.tensor(&format!("{kind}{name}")).is_err()) {
            continue;
        }
        let fits = |moment: &Tensor<B, 2>| moment.dims() == dims;
        let (Some(moment_1), Some(moment_2)) = (moment_1.filter(fits), moment_2.filter(fits)) else {
            return Err(damaged(path, &format!("the moments of {name} are not two matrices like it")));
        };
        let momentum = AdaptiveMomentumState { time: step, moment_1, moment_2, max_moment_2: None };
        states.push((name.to_owned(), AdamWState { momentum }));
    }
    Ok(Checkpoint { step, origin, trained: trained.into_iter().collect(), states })
}

fn damaged(path: &Path, problem: &dyn std::fmt::Display) -> TrainError {
    TrainError::Checkpoint { path: path.to_owned(), problem: problem.to_string() }
}
