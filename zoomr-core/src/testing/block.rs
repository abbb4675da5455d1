//! What a layer does between its products, against plain loops in f64; and products of one input with several matrices.
//! What every provider must pass.
//!
//! Sizes are odd, inputs reach 8, and each comes as a tensor of its own, as one that somebody shares, and as a permuted
//! view: a provider may work in place on the first alone.

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    laws::epsilon,
    tolerance::{allowed, error},
};
use crate::{
    kernels::{BlockKernels, HeadForm, LinearKernels, RmsNorm, Rotation},
    portable::Portable,
    weight::StoredWeight,
};

/// Rows and columns.
const SIZES: [[usize; 2]; 6] = [[1, 1], [1, 576], [3, 59], [97, 1], [2, 97], [59, 1025]];

/// Rows, heads, elements per head, elements that turn.
const HEADS: [[usize; 4]; 6] =
    [[1, 1, 2, 2], [1, 9, 64, 64], [3, 2, 20, 20], [97, 3, 6, 4], [2, 59, 33, 10], [5, 1, 1025, 1024]];

/// The largest input.
const RANGE: f64 = 8.0;

/// What norms add to mean squares.
const EPS: f64 = 1e-5;

/// An operation under test: some matrices of one shape, and what it gives.
struct Check<'a, const N: usize> {
    what: &'a str,
    shape: [usize; 2],
    inputs: [Vec<f64>; N],
    /// One list of numbers for each result.
    expected: Vec<Vec<f64>>,
    /// How many times the portable kernels may round a number of the largest result's size.
    roundings: usize,
}

impl<const N: usize> Check<'_, N> {
    /// Runs `op` with the portable kernels and with `kernels`.
    fn run<B: Backend>(
        &self,
        kernels: &dyn BlockKernels<B>,
        device: &Device<B>,
        op: impl Fn(&dyn BlockKernels<B>, [Tensor<B, 2>; N]) -> Vec<Vec<f64>>,
    ) {
        let own = || self.inputs.each_ref().map(|x| tensor::<B, 2>(x, self.shape, device));
        let views = self.inputs.each_ref().map(|x| view::<B>(x, self.shape, device));
        let shared = own();
        let portable = op(&Portable, own());
        for (how, inputs) in [("own", own()), ("shared", shared.clone()), ("permuted", views)] {
            let found = op(kernels, inputs);
            assert_eq!(found.len(), self.expected.len(), "{}: results", self.what);
            for ((portable, found), expected) in portable.iter().zip(&found).zip(&self.expected) {
                self.compare(how, epsilon::<B>(), portable, found, expected);
            }
        }
        for (tensor, input) in shared.into_iter().zip(&self.inputs) {
            assert_eq!(&numbers(tensor), input, "{}: an input that others hold was changed", self.what);
        }
    }

    fn compare(&self, how: &str, epsilon: f64, portable: &[f64], found: &[f64], expected: &[f64]) {
        let Self { what, shape, .. } = self;
        let size = expected.iter().fold(1.0, |most: f64, x| most.max(x.abs()));
        let (near, bound) = (error(portable, expected), epsilon * self.roundings as f64 * size);
        assert!(near <= bound, "{what} of {shape:?}: portable errs by {near}, over {bound}");
        let (err, limit) = (error(found, expected), allowed(near, epsilon, size));
        assert!(err <= limit, "{what} of {shape:?}, {how}: errs by {err}, over {limit}");
    }
}

/// Norms of rows.
pub fn norms_match_the_oracle<B: Backend, K: BlockKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(21);
    for shape @ [rows, columns] in SIZES {
        let (x, weight) = (noise(rows * columns, &mut rng), noise(columns, &mut rng));
        let expected = vec![normed(&x, &weight)];
        let norm = RmsNorm { weight: tensor(&weight, [columns], device), eps: EPS };
        let check = Check { what: "rms_norm", shape, inputs: [x], expected, roundings: columns + 8 };
        check.run(kernels, device, |kernels, [x]| vec![numbers(kernels.rms_norm(x, &norm))]);
    }
}

/// A vector whose squares are infinite, or that has an infinite number, is NaN in all its elements after a norm; the
/// others are what they are without it.
pub fn norms_do_not_hide_an_overflow<B: Backend, K: BlockKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(26);
    for (columns, large) in [(1, 1e30), (59, 1e30), (64, f64::INFINITY), (1025, -1e25)] {
        let mut x = noise(3 * columns, &mut rng);
        let norm = RmsNorm { weight: tensor(&vec![1.0; columns], [columns], device), eps: EPS };
        let normed = |x: &[f64]| numbers(kernels.rms_norm(tensor(x, [3, columns], device), &norm));
        let before = normed(&x);
        x[2 * columns - 1] = large;
        let after = normed(&x);
        let rows = |numbers: &[f64]| {
            [0..columns, columns..2 * columns, 2 * columns..3 * columns].map(|row| numbers[row].to_vec())
        };
        let ([first, _, third], [unchanged, lost, last]) = (rows(&before), rows(&after));
        assert_eq!([first, third], [unchanged, last], "{columns} columns");
        assert!(lost.iter().all(|x| x.is_nan()), "{large} among {columns}: {lost:?}");
    }
}

/// Sums, with and without a factor, and norms of sums.
pub fn sums_match_the_oracle<B: Backend, K: BlockKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(22);
    for shape @ [rows, columns] in SIZES {
        for factor in [1.0, 0.375] {
            let inputs = [(); 2].map(|()| noise(rows * columns, &mut rng));
            let weight = noise(columns, &mut rng);
            let sum: Vec<f64> = inputs[0].iter().zip(&inputs[1]).map(|(x, y)| x + factor * y).collect();
            let (norm, normed) =
                (RmsNorm { weight: tensor(&weight, [columns], device), eps: EPS }, normed(&sum, &weight));
            let check = Check {
                what: "residual_add",
                shape,
                inputs: inputs.clone(),
                expected: vec![sum.clone()],
                roundings: 4,
            };
            check.run(kernels, device, |kernels, [x, y]| vec![numbers(kernels.residual_add(x, y, factor))]);
            let expected = vec![sum, normed];
            let check = Check { what: "add_then_norm", shape, inputs, expected, roundings: 2 * columns + 16 };
            check.run(kernels, device, |kernels, [x, y]| {
                kernels.add_then_norm(x, y, factor, &norm).map(numbers).to_vec()
            });
        }
    }
}

/// The gate, with inputs from none to some whose exponential overflows.
pub fn swiglu_matches_the_oracle<B: Backend, K: BlockKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(23);
    for shape @ [rows, columns] in SIZES {
        // Powers of two: inputs stay exact.
        for spread in [0.0, 1.0, 32.0] {
            let gate: Vec<f64> = noise(rows * columns, &mut rng).iter().map(|x| x * spread).collect();
            let up = noise(rows * columns, &mut rng);
            let silu = |x: f64| x / (1.0 + (-x).exp());
            let expected = vec![gate.iter().zip(&up).map(|(&gate, up)| silu(gate) * up).collect()];
            let check = Check { what: "swiglu", shape, inputs: [gate, up], expected, roundings: 8 };
            check.run(kernels, device, |kernels, [gate, up]| vec![numbers(kernels.swiglu(gate, up))]);
        }
    }
}

/// Heads, with and without norm and rotation, split and joined again.
pub fn heads_match_the_oracle<B: Backend, K: BlockKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(24);
    for [rows, heads, head_dim, rotary_dim] in HEADS {
        let shape = [rows, heads * head_dim];
        let (x, weight) = (noise(rows * heads * head_dim, &mut rng), noise(head_dim, &mut rng));
        let angles: Vec<f64> = (0..rows * rotary_dim / 2).map(|_| rng.random_range(-10.0..10.0)).collect();
        let table = |of: fn(f64) -> f64, sign: f64| -> Vec<f64> {
            let row = |row: &[f64]| {
                let half = || row.iter().map(|&angle| f64::from(of(angle) as f32));
                half().map(|x| x * sign).chain(half()).collect::<Vec<_>>()
            };
            angles.chunks(rotary_dim / 2).flat_map(row).collect()
        };
        let (cos, sin) = (table(f64::cos, 1.0), table(f64::sin, -1.0));
        let norm = RmsNorm { weight: tensor(&weight, [head_dim], device), eps: EPS };
        let [cos_tensor, sin_tensor] = [&cos, &sin].map(|x| tensor(x, [rows, 1, rotary_dim], device));
        let rotation = Rotation { cos: cos_tensor, sin: sin_tensor };
        for (norm, rotation) in [(false, false), (true, false), (false, true), (true, true)]
            .map(|(has_norm, has_rotation)| (has_norm.then_some(&norm), has_rotation.then_some(&rotation)))
        {
            let mut expected = if norm.is_some() { normed(&x, &weight) } else { x.clone() };
            if rotation.is_some() {
                turn(&mut expected, [heads, head_dim, rotary_dim], &cos, &sin);
            }
            let form = HeadForm { head_dim, norm, rotation };
            let roundings = head_dim + 16;
            let check = Check {
                what: "split_heads",
                shape,
                inputs: [x.clone()],
                expected: vec![expected; 2],
                roundings,
            };
            check.run(kernels, device, |kernels, [x]| {
                let split = kernels.split_heads(x, form);
                assert_eq!(split.dims(), [rows, heads, head_dim]);
                let joined = kernels.join_heads(split.clone());
                assert_eq!(joined.dims(), shape);
                vec![numbers(split), numbers(joined)]
            });
        }
        let mut expected = x.clone();
        turn(&mut expected, [heads, head_dim, rotary_dim], &cos, &sin);
        let check = Check { what: "rotate", shape, inputs: [x], expected: vec![expected; 2], roundings: 4 };
        check.run(kernels, device, |kernels, [x]| {
            let x = x.reshape([rows, heads, head_dim]);
            // Heads first in memory.
            let view = x.clone().swap_dims(0, 1).reshape([heads, rows, head_dim]).swap_dims(0, 1);
            [x, view].map(|x| numbers(kernels.rotate(x, &rotation))).to_vec()
        });
    }
}

/// Products of one input with several matrices are those with each.
pub fn linear_many_is_each<B: Backend, K: LinearKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(25);
    for (rows, columns, outs) in
        [(1, 59, [97, 1, 3]), (1, 576, [576, 192, 192]), (3, 97, [600, 7, 600]), (17, 33, [1, 65, 4])]
    {
        let matrix = |out: usize, rng: &mut StdRng| {
            let values: Vec<f32> = noise(out * columns, rng).iter().map(|&x| x as f32).collect();
            kernels.matrix(StoredWeight::from_f32(&values, out, columns).expect("sizes agree"), device)
        };
        let matrices = outs.map(|out| matrix(out, &mut rng));
        let values = noise(rows * columns, &mut rng);
        for x in [tensor::<B, 2>(&values, [rows, columns], device), view(&values, [rows, columns], device)] {
            let found = kernels.linear_many(x.clone(), matrices.each_ref());
            for ((found, matrix), out) in found.into_iter().zip(&matrices).zip(outs) {
                assert_eq!(found.dims(), [rows, out]);
                let [found, alone] = [found, kernels.linear(x.clone(), matrix)].map(numbers);
                let limit = allowed(0.0, epsilon::<B>(), columns as f64 * RANGE * RANGE);
                let err = error(&found, &alone);
                assert!(
                    err <= limit,
                    "[{rows}, {columns}] x [{out}, {columns}]: differs by {err}, over {limit}"
                );
            }
        }
    }
}

/// Numbers of up to [`RANGE`], exact in f32.
fn noise(count: usize, rng: &mut StdRng) -> Vec<f64> {
    (0..count).map(|_| f64::from((rng.random_range(-1.0..1.0) * RANGE) as f32)).collect()
}

fn tensor<B: Backend, const D: usize>(values: &[f64], shape: [usize; D], device: &Device<B>) -> Tensor<B, D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

/// The matrix of these row-major numbers, as the transposed view of another.
fn view<B: Backend>(values: &[f64], [rows, columns]: [usize; 2], device: &Device<B>) -> Tensor<B, 2> {
    let at = |i: usize| values[i % rows * columns + i / rows];
    tensor(&(0..values.len()).map(at).collect::<Vec<_>>(), [columns, rows], device).transpose()
}

fn numbers<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

/// `x / sqrt(mean(x^2) + eps) * weight` of each vector of `x`.
fn normed(x: &[f64], weight: &[f64]) -> Vec<f64> {
    let vector = |x: &[f64]| {
        let root = (x.iter().map(|x| x * x).sum::<f64>() / x.len() as f64 + EPS).sqrt();
        x.iter().zip(weight).map(|(x, weight)| x / root * weight).collect::<Vec<_>>()
    };
    x.chunks(weight.len()).flat_map(vector).collect()
}

/// Turns each head of `x` by its row's angles: `(a, b)` becomes `(a c - b s, b c + a s)`.
fn turn(x: &mut [f64], [heads, head_dim, rotary_dim]: [usize; 3], cos: &[f64], sin: &[f64]) {
    let half = rotary_dim / 2;
    for (number, head) in x.chunks_mut(head_dim).enumerate() {
        let first = number / heads * rotary_dim + half;
        for pair in 0..half {
            let (cos, sin) = (cos[first + pair], sin[first + pair]);
            let (a, b) = (head[pair], head[pair + half]);
            (head[pair], head[pair + half]) = (a * cos - b * sin, b * cos + a * sin);
        }
    }
}
