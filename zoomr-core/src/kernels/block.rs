//! What a layer does between its products: norms, heads and their rotation, the gate, the residual stream.
//!
//! Every function has a default in Burn ops. It is the function's definition, what [`Portable`] runs, and what
//! autodiff takes apart; a provider overrides those that it does in one pass. Arguments are taken by value: a
//! provider may work in place on memory that nobody shares.
//!
//! [`Portable`]: crate::portable::Portable

use burn::tensor::{Tensor, activation, backend::Backend};

/// An RMS norm: `x / sqrt(mean(x^2) + eps) * weight`.
///
/// A vector whose mean square is beyond the range of numbers becomes NaN. Dividing by infinity would make zeros of it:
/// norms of heads would give uniform attention, and the loss would never show.
#[derive(Clone, Debug)]
pub struct RmsNorm<B: Backend> {
    /// One factor for each element of a vector, `[width]`.
    pub weight: Tensor<B, 1>,
    /// Added to the mean square.
    pub eps: f64,
}

/// The rotation (RoPE) of the rows of a step, shared by all layers with the same embedding.
///
/// Element `i` of a head pairs with element `i + rotary_dim / 2` (Hugging Face's layout); elements from
/// `rotary_dim` on stay as they are. With `(c, s)` the cosine and sine of a pair's angle, `(a, b)` becomes
/// `(a c - b s, b c + a s)`.
#[derive(Clone, Debug)]
pub struct Rotation<B: Backend> {
    /// Cosines `[rows, 1, rotary_dim]`; both elements of a pair have the same.
    pub cos: Tensor<B, 3>,
    /// Sines `[rows, 1, rotary_dim]`; those of the first half are negated.
    pub sin: Tensor<B, 3>,
}

/// How a projection becomes the heads of queries, keys or values: first the norm, then the rotation.
#[derive(Debug)]
pub struct HeadForm<'a, B: Backend> {
    /// Elements per head.
    pub head_dim: usize,
    /// Over each head.
    pub norm: Option<&'a RmsNorm<B>>,
    /// Of each head, by its row's angles.
    pub rotation: Option<&'a Rotation<B>>,
}

// Derived, these would ask `B: Copy`, which no backend need be.
impl<B: Backend> Copy for HeadForm<'_, B> {}

impl<B: Backend> Clone for HeadForm<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

/// What a layer does between its products.
pub trait BlockKernels<B: Backend>: Send + Sync {
    /// Normalises each row: `[rows, width] -> [rows, width]`.
    fn rms_norm(&self, x: Tensor<B, 2>, norm: &RmsNorm<B>) -> Tensor<B, 2> {
        let mean_square = (x.clone() * x.clone()).mean_dim(1); // [rows, 1]
        let lost = mean_square.clone() * 0.0; // 0, or NaN
        let inverse = (mean_square + norm.eps).sqrt().recip() + lost;
        x * inverse * norm.weight.clone().unsqueeze()
    }

    /// Turns each head by its row's angles: `[rows, heads, head_dim] -> [rows, heads, head_dim]`.
    fn rotate(&self, x: Tensor<B, 3>, rotation: &Rotation<B>) -> Tensor<B, 3> {
        let Rotation { cos, sin } = rotation.clone();
        let ([_, _, head_dim], [_, _, rotary_dim]) = (x.dims(), cos.dims());
        let half = rotary_dim / 2;
        let first = x.clone().narrow(2, 0, half);
        let second = x.clone().narrow(2, half, half);
        let swapped = Tensor::cat(vec![second, first], 2); // [rows, heads, rotary_dim]
        if rotary_dim == head_dim {
            return x * cos + swapped * sin;
        }
        let rest = x.clone().narrow(2, rotary_dim, head_dim - rotary_dim);
        let turned = x.narrow(2, 0, rotary_dim) * cos + swapped * sin;
        Tensor::cat(vec![turned, rest], 2)
    }

    /// Splits a projection into heads, normalises and rotates each as `form` says:
    /// `[rows, heads * head_dim] -> [rows, heads, head_dim]`.
    fn split_heads(&self, x: Tensor<B, 2>, form: HeadForm<'_, B>) -> Tensor<B, 3> {
        let HeadForm { head_dim, norm, rotation } = form;
        let [rows, width] = x.dims();
        let heads = width / head_dim;
        let x = match norm {
            Some(norm) => self.rms_norm(x.reshape([rows * heads, head_dim]), norm),
            None => x,
        };
        let x = x.reshape([rows, heads, head_dim]);
        match rotation {
            Some(rotation) => self.rotate(x, rotation),
            None => x,
        }
    }

    /// Puts heads back side by side: `[rows, heads, head_dim] -> [rows, heads * head_dim]`.
    fn join_heads(&self, x: Tensor<B, 3>) -> Tensor<B, 2> {
        x.flatten(1, 2)
    }

    /// `silu(gate) * up`, all of one shape: the gate of most feed-forward networks.
    fn swiglu(&self, gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
        activation::silu(gate) * up
    }

    /// `stream + factor * update`, all `[rows, width]`: what a sub-layer adds to the residual stream.
    fn residual_add(&self, stream: Tensor<B, 2>, update: Tensor<B, 2>, factor: f64) -> Tensor<B, 2> {
        // Most models' factor is one, and costs nothing.
        stream + if factor == 1.0 { update } else { update * factor }
    }

    /// [`residual_add`](Self::residual_add), and the sum's [`rms_norm`](Self::rms_norm): the stream, then what the next
    /// sub-layer reads of it.
    fn add_then_norm(
        &self,
        stream: Tensor<B, 2>,
        update: Tensor<B, 2>,
        factor: f64,
        norm: &RmsNorm<B>,
    ) -> [Tensor<B, 2>; 2] {
        let stream = self.residual_add(stream, update, factor);
        let normed = self.rms_norm(stream.clone(), norm);
        [stream, normed]
    }
}
