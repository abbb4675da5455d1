//! What a layer of a decode step allocates: its products, two allocations each (elements and their reference count), and
//! nothing else. Norms, heads, the gate and sums work in place; views cost nothing.

use std::alloc::System;

use burn::tensor::{Tensor, TensorData};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use zoomr_backend_cpu::{Cpu, CpuKernels, DEVICE};
use zoomr_core::{
    kernels::{BlockKernels, HeadForm, LinearKernels, RmsNorm, Rotation},
    weight::StoredWeight,
};

// SmolLM2's sizes.
const HIDDEN: usize = 576;
const INNER: usize = 1536;
const HEADS: usize = 9;
const KV_HEADS: usize = 3;
const HEAD_DIM: usize = 64;

/// Queries, keys, values; output; gate, up; down.
const PRODUCTS: usize = 7;

/// Counts allocations on all threads.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn count() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}

/// One layer's weights and one row's angles.
struct Layer {
    products: [StoredWeight; PRODUCTS],
    norm: RmsNorm<Cpu>,
    rotation: Rotation<Cpu>,
}

impl Layer {
    fn new() -> Self {
        let (queries, keys) = (HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM);
        let shapes = [
            [queries, HIDDEN],
            [keys, HIDDEN],
            [keys, HIDDEN],
            [HIDDEN, queries],
            [INNER, HIDDEN],
            [INNER, HIDDEN],
            [HIDDEN, INNER],
        ];
        let matrix =
            |[out, columns]: [usize; 2]| StoredWeight::from_f32(&vec![0.01; out * columns], out, columns);
        let table = || ones([1, 1, HEAD_DIM]);
        Self {
            products: shapes.map(|shape| matrix(shape).expect("sizes agree")),
            norm: RmsNorm { weight: ones([HIDDEN]), eps: 1e-5 },
            rotation: Rotation { cos: table(), sin: table() },
        }
    }

    /// A layer without the cache's part: queries attend to themselves, so to say.
    fn forward(&self, [stream, normed]: [Tensor<Cpu, 2>; 2]) -> [Tensor<Cpu, 2>; 2] {
        let kernels = CpuKernels::new();
        let [query, key, value, output, gate, up, down] = &self.products;
        let plain = HeadForm { head_dim: HEAD_DIM, norm: None, rotation: None };
        let turned = HeadForm { rotation: Some(&self.rotation), ..plain };

        let [q, k, v] = kernels.linear_many(normed, [query, key, value]);
        let q = kernels.split_heads(q, turned);
        let _cached = (kernels.split_heads(k, turned), kernels.split_heads(v, plain));
        let attended = kernels.linear(kernels.join_heads(q), output);
        let [stream, normed] = kernels.add_then_norm(stream, attended, 1.0, &self.norm);

        let [gate, up] = kernels.linear_many(normed, [gate, up]);
        let transformed = kernels.linear(kernels.swiglu(gate, up), down);
        kernels.add_then_norm(stream, transformed, 1.0, &self.norm)
    }
}

fn ones<const D: usize>(shape: [usize; D]) -> Tensor<Cpu, D> {
    Tensor::from_data(TensorData::new(vec![1.0_f32; shape.iter().product()], shape), &DEVICE)
}

#[test]
fn a_layer_allocates_its_products_alone() {
    let layer = Layer::new();
    // Inside of the pool, so that no work comes in from outside. The least of several layers counts, since the pool and
    // the test's own threads may allocate for themselves now and then.
    rayon::scope(|_| {
        let (mut stream, mut least) = ([ones([1, HIDDEN]), ones([1, HIDDEN])], usize::MAX);
        for _ in 0..8 {
            let before = count();
            stream = layer.forward(stream);
            least = least.min(count() - before);
        }
        assert_eq!(least, 2 * PRODUCTS);
    });
}
