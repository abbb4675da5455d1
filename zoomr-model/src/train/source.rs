//! The model under autodiff: the definition that decodes, over parameters instead of a checkpoint.

use std::ops::Range;

use burn::tensor::{Device, Tensor, backend::Backend};
use zoomr_core::{kernels::LinearKernels, portable::Portable, weight::StoredWeight};

use super::{lora::Adapter, parameters::Parameters};
use crate::{load::Source, weights::WeightsError};

/// A weight matrix as training multiplies by it.
#[derive(Clone, Debug)]
pub(super) struct Matrix<B: Backend> {
    /// `[out, in]`.
    weight: Tensor<B, 2>,
    /// What is learnt beside it.
    adapter: Option<Adapter<B>>,
}

/// Plain products, which Burn differentiates.
#[derive(Clone, Copy, Debug)]
pub(super) struct TrainingKernels;

impl<B: Backend> LinearKernels<B> for TrainingKernels {
    type Matrix = Matrix<B>;

    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Matrix<B> {
        Matrix { weight: Portable.matrix(weight, device), adapter: None }
    }

    fn linear(&self, x: Tensor<B, 2>, matrix: &Matrix<B>) -> Tensor<B, 2> {
        let product = Portable.linear(x.clone(), &matrix.weight);
        match &matrix.adapter {
            Some(adapter) => product + adapter.forward(x),
            None => product,
        }
    }

    fn rows(&self, matrix: &Matrix<B>, ids: &[u32], device: &Device<B>) -> Tensor<B, 2> {
        Portable.rows(&matrix.weight, ids, device)
    }
}

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

impl<B: Backend> Source<B, TrainingKernels> for Tensors<'_, B> {
    fn matrix(&self, name: &str, rows: Option<Range<usize>>) -> Result<Matrix<B>, WeightsError> {
        let some = |x: Tensor<B, 2>| match &rows {
            Some(rows) => x.slice(rows.clone()),
            None => x,
        };
        let adapter = Adapter::of(self.trained, name, self.adapter_scale);
        let adapter = adapter.map(|adapter| Adapter { up: some(adapter.up), ..adapter });
        Ok(Matrix { weight: some(self.tensor(name)?), adapter })
    }

    fn vector(&self, name: &str) -> Result<Tensor<B, 1>, WeightsError> {
        Ok(self.tensor(name)?.squeeze_dim(0))
    }
}
