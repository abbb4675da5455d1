//! One layer: attention, then feed-forward, each normalised on its way in and added to the residual stream.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{hook::AttentionHook, kernels::LinearKernels};

use crate::{Error, attention::Attention, mlp::Mlp, norm::RmsNorm, rope::Rotation};

/// One decoder layer.
pub(crate) struct Block<B: Backend, L: LinearKernels<B>> {
    pub(crate) attention: Attention<B, L>,
    pub(crate) attention_norms: SubLayerNorms<B>,
    pub(crate) mlp: Mlp<B, L>,
    pub(crate) mlp_norms: SubLayerNorms<B>,
    /// Multiplies what each sub-layer adds.
    pub(crate) residual_multiplier: f64,
    /// Which of the model's rotations the layer uses, if any.
    pub(crate) rotation: Option<usize>,
}

/// The norms around a sub-layer, `[hidden]` each.
pub(crate) struct SubLayerNorms<B: Backend> {
    pub(crate) before: RmsNorm<B>,
    /// Gemma's: over the output, before it joins the residual stream.
    pub(crate) after: Option<RmsNorm<B>>,
}

impl<B: Backend, L: LinearKernels<B>> Block<B, L> {
    /// `[rows, hidden] -> [rows, hidden]`.
    pub(crate) fn forward(
        &self,
        kernels: &L,
        x: Tensor<B, 2>,
        rotations: &[Rotation<B>],
        hook: &mut (impl AttentionHook<B> + ?Sized),
    ) -> Result<Tensor<B, 2>, Error> {
        let rotation = self.rotation.map(|rotation| &rotations[rotation]);
        let normed = self.attention_norms.before.forward(x.clone());
        let attended = self.attention.forward(kernels, normed, rotation, hook)?;
        let x = self.add(x, attended, &self.attention_norms);

        let normed = self.mlp_norms.before.forward(x.clone());
        let transformed = self.mlp.forward(kernels, normed);
        Ok(self.add(x, transformed, &self.mlp_norms))
    }

    /// Adds a sub-layer's output to the residual stream.
    fn add(&self, x: Tensor<B, 2>, output: Tensor<B, 2>, norms: &SubLayerNorms<B>) -> Tensor<B, 2> {
        let output = match &norms.after {
            Some(norm) => norm.forward(output),
            None => output,
        };
        x + scaled(output, self.residual_multiplier)
    }
}

/// `x * factor`, at no cost where the factor is one, as it is in most models.
pub(crate) fn scaled<B: Backend>(x: Tensor<B, 2>, factor: f64) -> Tensor<B, 2> {
    if factor == 1.0 { x } else { x * factor }
}
