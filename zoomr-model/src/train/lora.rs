//! Low-rank adapters (LoRA, arXiv 2106.09685): `W x + (alpha / rank) B A x`, with `W` left as it is.

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use serde::{Deserialize, Serialize};

use super::{TrainError, parameters::Parameters, random::Normal};
use crate::config::ModelConfig;

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
        Self { rank: 16, alpha: 32.0, targets: targets.map(ToOwned::to_owned).to_vec() }
    }
}

impl LoraOptions {
    /// What the adapters' products are multiplied by.
    pub(super) fn scale(&self) -> f64 {
        self.alpha / self.rank as f64
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
            let module = spec.name.strip_suffix(".weight").and_then(|stem| stem.rsplit('.').next());
            let (Some(module), &[rows, columns]) = (module, &spec.shape[..]) else { continue };
            if !self.targets.iter().any(|target| target == module) {
                continue;
            }
            let deviation = (columns as f64).sqrt().recip();
            let mut draw = || (normal.sample() * deviation) as f32;
            let down: Vec<f32> = (0..self.rank * columns).map(|_| draw()).collect();
            let down = Tensor::from_data(TensorData::new(down, [self.rank, columns]), device);
            let [down_name, up_name] = adapter_names(&spec.name);
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

/// The adapter of one matrix.
#[derive(Clone, Debug)]
pub(super) struct Adapter<B: Backend> {
    /// `A`, `[rank, in]`.
    pub(super) down: Tensor<B, 2>,
    /// `B`, `[out, rank]`.
    pub(super) up: Tensor<B, 2>,
    /// `alpha / rank`.
    pub(super) scale: f64,
}

impl<B: Backend> Adapter<B> {
    /// The adapter of the matrix `name` (`....weight`), if it has one.
    pub(super) fn of(parameters: &Parameters<B>, name: &str, scale: f64) -> Option<Self> {
        let [down, up] = adapter_names(name);
        Some(Self { down: parameters.get(&down)?.clone(), up: parameters.get(&up)?.clone(), scale })
    }

    /// `[rows, in] -> [rows, out]`.
    pub(super) fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let low = x.matmul(self.down.clone().transpose()); // [rows, rank]
        low.matmul(self.up.clone().transpose()) * self.scale
    }

    /// What the adapter adds to its matrix, `[out, in]`.
    fn product(&self) -> Tensor<B, 2> {
        self.up.clone().matmul(self.down.clone()) * self.scale
    }
}

/// The matrices of `parameters` with their adapters added in.
pub(super) fn merged<B: Backend>(
    parameters: &Parameters<B>,
    adapters: &Parameters<B>,
    scale: f64,
) -> Parameters<B> {
    parameters.clone().map(|name, tensor| match Adapter::of(adapters, name, scale) {
        Some(adapter) => tensor + adapter.product(),
        None => tensor,
    })
}

/// What PEFT calls the two halves of the adapter of the matrix `name`.
fn adapter_names(name: &str) -> [String; 2] {
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    [format!("{stem}.lora_A.weight"), format!("{stem}.lora_B.weight")]
}
