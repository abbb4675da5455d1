//! The fused provider's norms, heads and sums against Burn's own operations: equal, bit for bit, whatever instructions
//! the machine has. (The gate is not: its exponential is this crate's own.)

use burn::tensor::Tensor;
use zoomr_core::{
    kernels::{BlockKernels, HeadForm, RmsNorm, Rotation},
    portable::Portable,
};

use super::{fused, noise};
use crate::{Cpu, owned::tensor};

/// Rows, heads, elements per head, elements that turn.
const SHAPES: [[usize; 4]; 5] =
    [[1, 9, 64, 64], [7, 3, 59, 20], [2, 1, 576, 576], [1, 1, 1025, 2], [97, 2, 2, 2]];

fn bits<const D: usize>(x: &Tensor<Cpu, D>) -> Vec<u32> {
    x.to_data().to_vec::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
}

/// `count` numbers up to 8.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    noise(count, seed).into_iter().map(|x| 8.0 * x).collect()
}

#[test]
fn norms_and_sums_are_burns_own() {
    for [rows, heads, head_dim, _] in SHAPES {
        let shape @ [_, width] = [rows, heads * head_dim];
        let [x, y] = [1, 2].map(|seed| tensor(numbers(rows * width, seed), shape));
        let norm = RmsNorm { weight: tensor(numbers(width, 3), [width]), eps: 1e-6 };
        for factor in [1.0, 0.22] {
            let expected = Portable.add_then_norm(x.clone(), y.clone(), factor, &norm);
            for kernels in fused() {
                let found = kernels.add_then_norm(x.clone(), y.clone(), factor, &norm);
                assert_eq!(found.each_ref().map(bits), expected.each_ref().map(bits), "{shape:?}");
                let alone = kernels.rms_norm(found[0].clone(), &norm);
                assert_eq!(bits(&alone), bits(&expected[1]), "{shape:?}");
            }
        }
    }
}

#[test]
fn heads_are_burns_own() {
    for [rows, heads, head_dim, rotary_dim] in SHAPES {
        let x = tensor(numbers(rows * heads * head_dim, 4), [rows, heads * head_dim]);
        let norm = RmsNorm { weight: tensor(numbers(head_dim, 5), [head_dim]), eps: 1e-6 };
        let [cos, sin] = [6, 7].map(|seed| tensor(noise(rows * rotary_dim, seed), [rows, 1, rotary_dim]));
        let rotation = Rotation { cos, sin };
        for norm in [None, Some(&norm)] {
            let form = HeadForm { head_dim, norm, rotation: Some(&rotation) };
            let expected = Portable.split_heads(x.clone(), form);
            for kernels in fused() {
                let found = kernels.split_heads(x.clone(), form);
                assert_eq!(bits(&found), bits(&expected), "{rows} rows of {heads} heads of {head_dim}");
            }
        }
    }
}
