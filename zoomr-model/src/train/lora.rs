//! Low-rank adapters (LoRA, arXiv 2106.09685): `W x + (alpha / rank) B A x`, with `W` left as it is.

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use serde::{Deserialize, Serialize};

use super::{TrainError, parameters::Parameters, random::Normal};
use crate::{adapter::peft, config::ModelConfig, linear::LowRank};

/// Which matrices get adapters, and how large these are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LoraOptions {
    /// Rows of `A` and columns of `B`; 16 in the paper.
    pub rank: usize,
    /// The adapter's product is multiplied by `alpha / rank`; 32 in the paper.
    pub alpha: f64,
    /// The last part of the matrices' names, `q_proj` say; names that the model does not have are passed over, as
    /// long as it has one.
    pub targets: Vec<String>,
    /// The last part of the names of matrices that are trained whole: the embedding's, where it got new tokens.
    pub whole: Vec<String>,
}

impl Default for LoraOptions {
    fn default() -> Self {
        let targets = [
            "q_proj",
            "k_proj",
            "v_proj",
            "qkv_proj",
            "o_proj",
            "gate_proj",
            "up_proj",
            "gate_up_proj",
            "down_proj",
        ];
        Self { rank: 16, alpha: 32.0, targets: targets.map(ToOwned::to_owned).to_vec(), whole: Vec::new() }
    }
}

impl LoraOptions {
    /// What the adapters' products are multiplied by.
    pub(super) fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
    }

    /// Parts a model's parameters into those that are trained whole and the others.
    pub(super) fn part<B: Backend>(&self, parameters: Parameters<B>) -> (Parameters<B>, Parameters<B>) {
        let (whole, others): (Vec<_>, Vec<_>) =
            parameters.into_iter().partition(|(name, _)| is_called(name, &self.whole));
        (whole.into_iter().collect(), others.into_iter().collect())
    }

    /// Adapters that do nothing yet: `A` drawn at random, `B` zero.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] where the model has none of the targets.
    pub(super) fn adapters<B: Backend>(
        &self,
        config: &ModelConfig,
        seed: u64,
        device: &Device<B>,
    ) -> Result<Parameters<B>, TrainError> {
        let mut normal = Normal::seeded(seed);
        let mut adapters = Vec::new();
        for spec in config.tensors() {
            let &[rows, columns] = &spec.shape[..] else { continue };
            if !is_called(&spec.name, &self.targets) {
                continue;
            }
            let deviation = (columns as f64).sqrt().recip();
            let mut draw = || (normal.sample() * deviation) as f32;
            let down: Vec<f32> = (0..self.rank * columns).map(|_| draw()).collect();
            let down = Tensor::from_data(TensorData::new(down, [self.rank, columns]), device);
            let [down_name, up_name] = peft::names(&spec.name);
            adapters.push((down_name, down));
            adapters.push((up_name, Tensor::zeros([rows, self.rank], device)));
        }
        if adapters.is_empty() {
            let reason = format!("the model has no matrix called {}", self.targets.join(" or "));
            return Err(TrainError::Recipe { setting: "lora targets", reason });
        }
        Ok(adapters.into_iter().collect())
    }
}

/// Whether the module whose matrix is `name` (`....weight`) has one of these last parts.
fn is_called(name: &str, modules: &[String]) -> bool {
    let module = name.strip_suffix(".weight").and_then(|stem| stem.rsplit('.').next());
    module.is_some_and(|module| modules.iter().any(|known| known == module))
}

/// The adapter of the matrix `name` (`....weight`), if it has one; its product is multiplied by `scale`.
pub(super) fn adapter<B: Backend>(
    parameters: &Parameters<B>,
    name: &str,
    scale: f64,
) -> Option<LowRank<Tensor<B, 2>>> {
    let [down, up] = peft::names(name);
    Some(LowRank { down: parameters.get(&down)?.clone(), up: parameters.get(&up)?.clone(), scale })
}

/// The tensors of a model with what was trained beside them added in, and what was trained whole in their place.
pub(super) fn merged<B: Backend>(
    parameters: &Parameters<B>,
    trained: &Parameters<B>,
    scale: f64,
) -> Parameters<B> {
    let beside = parameters.clone().map(|name, tensor| match adapter(trained, name, scale) {
        Some(LowRank { down, up, scale }) => tensor + up.matmul(down) * scale,
        None => tensor,
    });
    let whole = trained.iter().filter(|(name, _)| !is_adapter(name));
    let whole = whole.map(|(name, tensor)| (name.clone(), tensor.clone()));
    beside.into_iter().chain(whole).collect()
}

/// Whether `name` is a half of an adapter's, and no tensor of the model.
fn is_adapter(name: &str) -> bool {
    name.ends_with(".lora_A.weight") || name.ends_with(".lora_B.weight")
}
