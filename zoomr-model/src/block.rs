//! One layer: attention, then feed-forward, each normalised on its way in and added to the residual stream.
//!
//! A sum and the norm of it are one operation, so a layer begins with what it is to read and ends with what the next
//! one, or the output head, is to read.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    hook::AttentionHook,
    kernels::{LinearKernels, RmsNorm, Rotation},
};

use crate::{Error, attention::Attention, mlp::Mlp};

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

/// What passes from one layer to the next.
pub(crate) struct Stream<B: Backend> {
    /// The residual stream, `[rows, hidden]`.
    pub(crate) residual: Tensor<B, 2>,
    /// The same, normalised as its next reader wants it, `[rows, hidden]`.
    pub(crate) normed: Tensor<B, 2>,
}

impl<B: Backend, L: LinearKernels<B>> Block<B, L> {
    /// Passes the stream on; `next` is the norm of what comes after this layer.
    pub(crate) fn forward(
        &self,
        kernels: &L,
        stream: Stream<B>,
        next: &RmsNorm<B>,
        rotations: &[Rotation<B>],
        hook: &mut (impl AttentionHook<B> + ?Sized),
    ) -> Result<Stream<B>, Error> {
        let Stream { residual, normed } = stream;
        let rotation = self.rotation.map(|rotation| &rotations[rotation]);
        let attended = self.attention.forward(kernels, normed, rotation, hook)?;
        let after = self.attention_norms.after.as_ref();
        let Stream { residual, normed } =
            self.add(kernels, residual, attended, after, &self.mlp_norms.before);

        let transformed = self.mlp.forward(kernels, normed);
        Ok(self.add(kernels, residual, transformed, self.mlp_norms.after.as_ref(), next))
    }

    /// Adds a sub-layer's output to the residual stream, and normalises the sum for the next one.
    fn add(
        &self,
        kernels: &L,
        residual: Tensor<B, 2>,
        output: Tensor<B, 2>,
        after: Option<&RmsNorm<B>>,
        next: &RmsNorm<B>,
    ) -> Stream<B> {
        let output = match after {
            Some(norm) => kernels.rms_norm(output, norm),
            None => output,
        };
        let [residual, normed] = kernels.add_then_norm(residual, output, self.residual_multiplier, next);
        Stream { residual, normed }
    }
}

/// `x * factor`, at no cost where the factor is one, as it is in most models.
pub(crate) fn scaled<B: Backend>(x: Tensor<B, 2>, factor: f64) -> Tensor<B, 2> {
    if factor == 1.0 { x } else { x * factor }
}
