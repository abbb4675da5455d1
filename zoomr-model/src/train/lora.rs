//! Low-rank adapters (LoRA, arXiv 2106.09685): `W x + (alpha / rank) B A x`, with `W` left as it is.

use burn::tensor::{Tensor, backend::Backend};

use super::parameters::Parameters;

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
}

/// What PEFT calls the two halves of the adapter of the matrix `name`.
pub(super) fn adapter_names(name: &str) -> [String; 2] {
    let stem = name.strip_suffix(".weight").unwrap_or(name);
    [format!("{stem}.lora_A.weight"), format!("{stem}.lora_B.weight")]
}
