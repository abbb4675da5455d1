//! The model under autodiff: the definition that decodes, over parameters instead of a checkpoint.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::kernels::LinearKernels;

use super::{lora, parameters::Parameters};
use crate::{linear::LowRank, load::Source, weights::WeightsError};

/// Where the model's tensors come from in training.
pub(super) struct Tensors<'a, B: Backend> {
    /// Tensors that are trained, adapters included.
    pub(super) trained: &'a Parameters<B>,
    /// The others.
    pub(super) frozen: &'a Parameters<B>,
    /// What adapters' products are multiplied by.
    pub(super) adapter_scale: f64,
}

impl<B: Backend> Tensors<'_, B> {
    fn tensor(&self, name: &str) -> Result<Tensor<B, 2>, WeightsError> {
        let found = self.trained.get(name).or_else(|| self.frozen.get(name));
        found.cloned().ok_or_else(|| WeightsError::missing("the parameters in training".as_ref(), [name]))
    }
}

impl<B: Backend, L: LinearKernels<B, Matrix = Tensor<B, 2>>> Source<B, L> for Tensors<'_, B> {
    fn matrix(&self, name: &str, rows: Option<Range<usize>>) -> Result<Tensor<B, 2>, WeightsError> {
        Ok(some(self.tensor(name)?, rows))
    }

    fn vector(&self, name: &str) -> Result<Tensor<B, 1>, WeightsError> {
        Ok(self.tensor(name)?.squeeze_dim(0))
    }

    fn low_rank(
        &self,
        name: &str,
        rows: Option<Range<usize>>,
    ) -> Result<Option<LowRank<Tensor<B, 2>>>, WeightsError> {
        let adapter = lora::adapter(self.trained, name, self.adapter_scale);
        Ok(adapter.map(|adapter| LowRank { up: some(adapter.up, rows), ..adapter }))
    }
}

/// Some rows, or all.
fn some<B: Backend>(tensor: Tensor<B, 2>, rows: Option<Range<usize>>) -> Tensor<B, 2> {
    match rows {
        Some(rows) => tensor.slice(rows),
        None => tensor,
    }
}
