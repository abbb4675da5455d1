//! The feed-forward sub-layer: `down(act(gate(x)) * up(x))`.

use burn::tensor::{Tensor, activation, backend::Backend};
use zoomr_core::kernels::LinearKernels;

use crate::{config::Activation, linear::Linear};

/// The gated feed-forward network of one layer.
pub(crate) struct Mlp<B: Backend, L: LinearKernels<B>> {
    /// `[intermediate, hidden]`.
    pub(crate) gate: Linear<B, L>,
    /// `[intermediate, hidden]`.
    pub(crate) up: Linear<B, L>,
    /// `[hidden, intermediate]`.
    pub(crate) down: Linear<B, L>,
    pub(crate) activation: Activation,
}

impl<B: Backend, L: LinearKernels<B>> Mlp<B, L> {
    /// `[rows, hidden] -> [rows, hidden]`.
    pub(crate) fn forward(&self, kernels: &L, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.down.forward(kernels, self.gated(kernels, x))
    }

    /// `[rows, hidden] -> [rows, intermediate]`.
    fn gated(&self, kernels: &L, x: Tensor<B, 2>) -> Tensor<B, 2> {
        if let (Activation::Silu, Some(gate), Some(up)) = (self.activation, self.gate.bare(), self.up.bare())
        {
            return kernels.gated(x, gate, up);
        }
        let [gate, up] = Linear::forward_many([&self.gate, &self.up], kernels, x); // [rows, intermediate] each
        match self.activation {
            Activation::Silu => kernels.swiglu(gate, up),
            Activation::GeluTanh => activation::gelu_approximate(gate) * up,
        }
    }
}
