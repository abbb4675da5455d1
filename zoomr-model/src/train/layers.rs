//! What layers are made of, under autodiff: products and gates whose gradients are the provider's own kernels.
//!
//! Burn's autodiff would go through a gate operation by operation, and its products copy what is transposed.

use std::{fmt, marker::PhantomData};

use burn::tensor::{Device, Tensor, backend::Backend};
use burn_autodiff::{
    Autodiff,
    checkpoint::base::Checkpointer,
    grads::Gradients,
    ops::{Backward, Ops},
};
use zoomr_core::{
    kernels::{BlockKernels, LinearKernels, TrainingKernels},
    portable::Portable,
    weight::StoredWeight,
};

use super::ops::{gradient, record, register};

/// A provider's kernels, differentiated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Differentiated<K>(pub(super) K);

/// Norms, rotation and sums are the defaults, which Burn's autodiff takes apart.
impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> BlockKernels<Autodiff<B>>
    for Differentiated<K>
{
    fn swiglu(&self, gate: Tensor<Autodiff<B>, 2>, up: Tensor<Autodiff<B>, 2>) -> Tensor<Autodiff<B>, 2> {
        let inner = [&gate, &up].map(|x| x.clone().inner());
        let [inner_gate, inner_up] = inner.clone();
        let output = self.0.swiglu(inner_gate, inner_up);
        record(GateStep(PhantomData), [gate, up], Gated { kernels: self.0.clone(), inputs: inner }, output)
    }
}

impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> LinearKernels<Autodiff<B>>
    for Differentiated<K>
{
    /// `[out, in]`.
    type Matrix = Tensor<Autodiff<B>, 2>;

    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix {
        Portable.matrix(weight, device)
    }

    fn linear(&self, x: Tensor<Autodiff<B>, 2>, weight: &Self::Matrix) -> Tensor<Autodiff<B>, 2> {
        let [inner, weights] = [&x, weight].map(|x| x.clone().inner());
        let output = self.0.product(inner.clone(), weights.clone().transpose());
        let kept = Multiplied { kernels: self.0.clone(), x: inner, weights };
        record(LinearStep(PhantomData), [x, weight.clone()], kept, output)
    }

    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<Autodiff<B>, 2> {
        Portable.rows(weight, ids, device)
    }
}

/// What a linear layer keeps for its backward pass.
#[derive(Clone, Debug)]
struct Multiplied<B: Backend, K> {
    kernels: K,
    /// `[rows, in]`.
    x: Tensor<B, 2>,
    /// `[out, in]`.
    weights: Tensor<B, 2>,
}

#[derive(Debug)]
struct LinearStep<K>(PhantomData<K>);

impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> Backward<B, 2> for LinearStep<K> {
    type State = Multiplied<B, K>;

    /// `dx = dy W`, `dW = dy^T x`; what nobody asks for is not computed.
    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient: Tensor<B, 2> = gradient(&ops, grads);
        let Multiplied { kernels, x, weights } = ops.state;
        let [of_x, of_weights] = ops.parents.map(|parent| parent.map(|node| node.id));
        register(grads, of_x, || kernels.product(gradient.clone(), weights));
        register(grads, of_weights, || kernels.product(gradient.clone().transpose(), x));
    }
}

/// What a gate keeps for its backward pass.
#[derive(Clone, Debug)]
struct Gated<B: Backend, K> {
    kernels: K,
    /// Gate and up, `[rows, intermediate]` each.
    inputs: [Tensor<B, 2>; 2],
}

#[derive(Debug)]
struct GateStep<K>(PhantomData<K>);

impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> Backward<B, 2> for GateStep<K> {
    type State = Gated<B, K>;

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradient(&ops, grads);
        let Gated { kernels, inputs: [gate, up] } = ops.state;
        let gradients = kernels.swiglu_backward(gate, up, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            register(grads, parent.map(|node| node.id), || gradient);
        }
    }
}
