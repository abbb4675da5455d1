//! `BlockKernels` of the two providers: the fused one changes its inputs in place where nobody shares them; the plain one
//! runs the defaults.
//!
//! Here tensors become slices and results become tensors; no arithmetic. The operations of one layer in a decode step of a
//! Llama, and what each allocates: a tensor is two allocations, its elements and their reference count.
//!
//! | operation                                      | allocations       |
//! |------------------------------------------------|-------------------|
//! | `linear_many`: queries, keys, values           | 6                 |
//! | `split_heads` of queries, keys, values         | 0                 |
//! | the cache's append, and attention              | `zoomr_core`'s    |
//! | `join_heads`                                   | 0                 |
//! | `linear`: output                               | 2                 |
//! | `add_then_norm`                                | 0                 |
//! | `linear_many`: gate, up                        | 4                 |
//! | `swiglu`                                       | 0                 |
//! | `linear`: down                                 | 2                 |
//! | `add_then_norm`, by the norm of the next layer | 0                 |
//!
//! That is 13 operations, append and attention included, and 14 allocations without them (`tests/allocations.rs`).

use burn::tensor::Tensor;
use zoomr_core::kernels::{BlockKernels, HeadForm, RmsNorm, Rotation};

use crate::{
    Cpu, CpuKernels, PlainKernels, fused,
    owned::{Owned, reshaped},
    view::Pinned,
};

impl BlockKernels<Cpu> for PlainKernels {}

impl BlockKernels<Cpu> for CpuKernels {
    fn rms_norm(&self, x: Tensor<Cpu, 2>, norm: &RmsNorm<Cpu>) -> Tensor<Cpu, 2> {
        let mut x = Owned::new(x);
        self.norm(x.elements(), norm);
        x.tensor()
    }

    fn rotate(&self, x: Tensor<Cpu, 3>, rotation: &Rotation<Cpu>) -> Tensor<Cpu, 3> {
        let mut x = Owned::new(x);
        let [_, _, head_dim] = x.dims();
        self.turn(x.elements(), head_dim, rotation);
        x.tensor()
    }

    fn split_heads(&self, x: Tensor<Cpu, 2>, form: HeadForm<'_, Cpu>) -> Tensor<Cpu, 3> {
        let HeadForm { head_dim, norm, rotation } = form;
        let [rows, width] = Pinned::new(&x).dims();
        let shape = [rows, width / head_dim, head_dim];
        if norm.is_none() && rotation.is_none() {
            return reshaped(x, shape);
        }
        let mut x = Owned::new(x);
        if let Some(norm) = norm {
            self.norm(x.elements(), norm);
        }
        if let Some(rotation) = rotation {
            self.turn(x.elements(), head_dim, rotation);
        }
        x.in_shape(shape)
    }

    fn join_heads(&self, x: Tensor<Cpu, 3>) -> Tensor<Cpu, 2> {
        let [rows, heads, head_dim] = Pinned::new(&x).dims();
        reshaped(x, [rows, heads * head_dim])
    }

    fn swiglu(&self, gate: Tensor<Cpu, 2>, up: Tensor<Cpu, 2>) -> Tensor<Cpu, 2> {
        let mut gate = Owned::new(gate);
        let up = Pinned::new(&up);
        fused::gate::forward(self.simd, gate.elements(), &up.elements());
        gate.tensor()
    }

    fn residual_add(&self, stream: Tensor<Cpu, 2>, update: Tensor<Cpu, 2>, factor: f64) -> Tensor<Cpu, 2> {
        let mut stream = Owned::new(stream);
        let update = Pinned::new(&update);
        self.simd.add_scaled(stream.elements(), &update.elements(), factor as f32);
        stream.tensor()
    }

    /// The norm takes the update's memory.
    fn add_then_norm(
        &self,
        stream: Tensor<Cpu, 2>,
        update: Tensor<Cpu, 2>,
        factor: f64,
        norm: &RmsNorm<Cpu>,
    ) -> [Tensor<Cpu, 2>; 2] {
        let (mut stream, mut update) = (Owned::new(stream), Owned::new(update));
        self.simd.add_scaled(stream.elements(), update.elements(), factor as f32);
        update.elements().copy_from_slice(stream.elements());
        self.norm(update.elements(), norm);
        [stream.tensor(), update.tensor()]
    }
}

impl CpuKernels {
    /// Normalises each vector of `x`.
    fn norm(&self, x: &mut [f32], norm: &RmsNorm<Cpu>) {
        let weight = Pinned::new(&norm.weight);
        fused::norm::rms_norm(self.simd, x, &weight.elements(), norm.eps as f32);
    }

    /// Turns each head of `x`, `[rows, heads, head_dim]`.
    fn turn(&self, x: &mut [f32], head_dim: usize, rotation: &Rotation<Cpu>) {
        let (cos, sin) = (Pinned::new(&rotation.cos), Pinned::new(&rotation.sin));
        let [rows, _, rotary_dim] = cos.dims();
        let angles = fused::rotate::Angles { cos: &cos.elements(), sin: &sin.elements(), rotary_dim };
        fused::rotate::rotate(self.simd, x, rows, head_dim, angles);
    }
}
