//! Products and gates, forwards and backwards, against f64: what a provider that trains must pass.

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    laws::epsilon,
    tolerance::{allowed, error},
};
use crate::{kernels::TrainingKernels, portable::Portable};

/// Rows, columns within, columns: one alone, odd sizes, more than any block holds.
const SIZES: [[usize; 3]; 5] = [[1, 1, 1], [1, 59, 7], [97, 1, 3], [33, 64, 20], [130, 300, 17]];

/// A matrix as plain numbers, row by row.
struct Matrix {
    shape: [usize; 2],
    values: Vec<f64>,
}

impl Matrix {
    /// Numbers between `-range` and `range`, exact in f32.
    fn noise(shape: [usize; 2], range: f64, rng: &mut StdRng) -> Self {
        let mut number = || f64::from((rng.random_range(-1.0..1.0) * range) as f32);
        Self { shape, values: (0..shape[0] * shape[1]).map(|_| number()).collect() }
    }

    fn tensor<B: Backend>(&self, device: &Device<B>) -> Tensor<B, 2> {
        Tensor::from_data(TensorData::new(self.values.clone(), self.shape), device)
    }

    /// The same matrix as the transposed view of another.
    fn view<B: Backend>(&self, device: &Device<B>) -> Tensor<B, 2> {
        let [rows, columns] = self.shape;
        let at = |i: usize| self.values[i % rows * columns + i / rows];
        let values: Vec<f64> = (0..rows * columns).map(at).collect();
        Tensor::from_data(TensorData::new(values, [columns, rows]), device).transpose()
    }

    /// The product with `other`, and that of the magnitudes.
    fn times(&self, other: &Self) -> [Vec<f64>; 2] {
        let ([m, k], [_, n]) = (self.shape, other.shape);
        let terms =
            |i: usize, j: usize| (0..k).map(move |x| self.values[i * k + x] * other.values[x * n + j]);
        let all = || (0..m * n).map(|at| (at / n, at % n));
        [
            all().map(|(i, j)| terms(i, j).sum()).collect(),
            all().map(|(i, j)| terms(i, j).map(f64::abs).sum()).collect(),
        ]
    }
}

fn numbers<B: Backend>(tensor: Tensor<B, 2>) -> Vec<f64> {
    tensor.into_data().iter().collect()
}

/// Products of matrices, of transposed views and of both, each within twice the portable kernels' error.
pub fn products_match_the_oracle<B: Backend, K: TrainingKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(5);
    for [m, k, n] in SIZES {
        let (a, b) = (Matrix::noise([m, k], 2.0, &mut rng), Matrix::noise([k, n], 2.0, &mut rng));
        let [expected, magnitudes] = a.times(&b);
        let size = magnitudes.into_iter().fold(0.0, f64::max);
        for a in [a.tensor::<B>(device), a.view(device)] {
            for b in [b.tensor::<B>(device), b.view(device)] {
                let portable = Portable.product(a.clone(), b.clone());
                let found = kernels.product(a.clone(), b);
                check::<B>(&format!("[{m}, {k}] by [{k}, {n}]"), portable, found, &expected, k, size);
            }
        }
    }
}

/// Gates and their gradients, with inputs from none to some whose exponential overflows.
pub fn gates_match_the_oracle<B: Backend, K: TrainingKernels<B>>(kernels: &K, device: &Device<B>) {
    let mut rng = StdRng::seed_from_u64(6);
    for [rows, columns, _] in SIZES {
        for range in [0.0, 3.0, 200.0] {
            let gate = Matrix::noise([rows, columns], range, &mut rng);
            let [up, gradient] = [(); 2].map(|()| Matrix::noise([rows, columns], 2.0, &mut rng));
            let each = |what: fn(f64, f64, f64) -> f64| -> Vec<f64> {
                let pairs = gate.values.iter().zip(&up.values).zip(&gradient.values);
                pairs.map(|((&gate, &up), &gradient)| what(gate, up, gradient)).collect()
            };
            let expected = [
                each(|gate, up, _| gate * sigmoid(gate) * up),
                each(|gate, up, gradient| {
                    gradient * up * sigmoid(gate) * (1.0 + gate * (1.0 - sigmoid(gate)))
                }),
                each(|gate, _, gradient| gradient * gate * sigmoid(gate)),
            ];
            let inputs = [&gate, &up, &gradient].map(|x| x.tensor::<B>(device));
            let results = gated(&Portable, &inputs).into_iter().zip(gated(kernels, &inputs));
            for (((portable, found), expected), what) in results.zip(&expected).zip(["output", "gate", "up"])
            {
                let what = format!("{what} of [{rows}, {columns}] to {range}");
                check::<B>(&what, portable, found, expected, 8, 4.0 * range.max(1.0));
            }
        }
    }
}

fn sigmoid(x: f64) -> f64 {
    (1.0 + (-x).exp()).recip()
}

/// A gate forwards, and the gradients of its inputs.
fn gated<B: Backend, K: TrainingKernels<B>>(kernels: &K, inputs: &[Tensor<B, 2>; 3]) -> [Tensor<B, 2>; 3] {
    let [gate, up, gradient] = inputs.clone();
    let [of_gate, of_up] = kernels.swiglu_backward(gate.clone(), up.clone(), gradient);
    [kernels.swiglu(gate, up), of_gate, of_up]
}

/// The portable kernels within one rounding per term, `found` within twice their error.
fn check<B: Backend>(
    what: &str,
    portable: Tensor<B, 2>,
    found: Tensor<B, 2>,
    expected: &[f64],
    terms: usize,
    size: f64,
) {
    let near = error(&numbers(portable), expected);
    let bound = epsilon::<B>() * (terms + 1) as f64 * size;
    assert!(near <= bound, "{what}: portable errs by {near}, over {bound}");
    let (err, limit) = (error(&numbers(found), expected), allowed(near, epsilon::<B>(), size));
    assert!(err <= limit, "{what}: errs by {err}, over {limit}");
}
