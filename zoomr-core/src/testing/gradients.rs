//! Attention over whole sequences, and its gradients, against the f64 oracle: what a provider that trains must pass.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    laws::epsilon,
    oracle::{self, DenseKv},
    tolerance::{allowed, error},
};
use crate::{
    kernels::{TrainingKernels, Whole},
    portable::Portable,
    positions::PositionSet,
    state::AttentionState,
};

/// Sizes of one case: rows, query heads per KV head, KV heads, elements per head; then the range that queries and
/// keys lie in, and what rows see.
type Sizes = ([usize; 4], f64, Sees);

/// What rows see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sees {
    /// All before them.
    All,
    /// A few runs.
    Runs,
    /// A few runs, others of each KV head.
    RunsByHead,
}

/// Odd sizes, GQA groups, large scores, sparse masks with rows that see nothing, more rows than a block holds.
const CASES: &[Sizes] = &[
    ([1, 1, 1, 4], 1.0, Sees::All),
    ([7, 2, 1, 8], 2.0, Sees::All),
    ([59, 1, 3, 32], 2.0, Sees::All),
    ([97, 3, 2, 16], 8.0, Sees::All),
    ([97, 2, 2, 20], 2.0, Sees::Runs),
    ([130, 4, 1, 64], 2.0, Sees::Runs),
    ([97, 2, 3, 20], 2.0, Sees::RunsByHead),
    ([130, 1, 2, 64], 2.0, Sees::RunsByHead),
];

/// A sequence, its mask and the gradient of its output, as plain numbers.
struct Inputs {
    rows: usize,
    heads: usize,
    q: Vec<f64>,
    kv: DenseKv,
    gradient: Vec<f64>,
    /// For each KV head, or once for all.
    visible: Vec<Arc<[PositionSet]>>,
    scale: f64,
}

/// Every case: the provider within twice the portable kernels' error, and those close to the oracle.
pub fn gradients_match_the_oracle<B: Backend, K: TrainingKernels<B>>(kernels: &K, device: &Device<B>) {
    for (number, &sizes) in CASES.iter().enumerate() {
        let inputs = inputs(sizes, number as u64);
        let expected = expected(&inputs);
        let portable = run::<B, _>(&Portable, &inputs, device);
        let found = run::<B, _>(kernels, &inputs, device);
        for (i, what) in ["output", "lse", "dq", "dk", "dv"].iter().enumerate() {
            let finite = expected[i].iter().filter(|x| x.is_finite());
            let size = finite.fold(0.0, |a: f64, x| a.max(x.abs()));
            let near = error(&portable[i], &expected[i]);
            // One rounding per term of the longest sum, and then some for the scores' own.
            let bound = epsilon::<B>() * size.max(1.0) * 16.0 * (inputs.rows + sizes.0[3]) as f64;
            assert!(near <= bound, "case {number}, {what}: portable errs by {near}, over {bound}");
            let (err, limit) = (error(&found[i], &expected[i]), allowed(near, epsilon::<B>(), size));
            assert!(err <= limit, "case {number}, {what}: errs by {err}, over {limit}");
        }
    }
}

fn inputs(([rows, group, kv_heads, head_dim], range, sees): Sizes, seed: u64) -> Inputs {
    let mut rng = StdRng::seed_from_u64(seed);
    // Exact in f32, so that the oracle's inputs are the provider's.
    let mut noise = |count: usize, range: f64| -> Vec<f64> {
        (0..count).map(|_| f64::from((rng.random_range(-1.0..1.0) * range) as f32)).collect()
    };
    let heads = group * kv_heads;
    let (q, keys) = (noise(rows * heads * head_dim, range), noise(rows * kv_heads * head_dim, range));
    let (values, gradient) = (noise(rows * kv_heads * head_dim, 1.0), noise(rows * heads * head_dim, 1.0));
    let set = |row: usize, head: usize| match (row + head) % 7 {
        _ if sees == Sees::All => PositionSet::from(0..row + 1),
        0 => PositionSet::default(),
        width => [row / 3..row / 3 + 1, row - row.min(width)..row + 1].into_iter().collect(),
    };
    let sets = if sees == Sees::RunsByHead { kv_heads } else { 1 };
    Inputs {
        rows,
        heads,
        q,
        kv: DenseKv { kv_heads, head_dim, keys, values },
        gradient,
        visible: (0..sets).map(|head| (0..rows).map(|row| set(row, head)).collect()).collect(),
        scale: (head_dim as f64).sqrt().recip(),
    }
}

/// Outputs, log-sum-exps and the gradients of `q`, `k` and `v` in plain loops: the chain rule, written out for one
/// weight at a time.
fn expected(inputs: &Inputs) -> [Vec<f64>; 5] {
    let Inputs { heads, q, kv, gradient, visible, scale, .. } = inputs;
    let (d, group) = (kv.head_dim, heads / kv.kv_heads);
    let mut sums = [vec![0.0; q.len()], vec![0.0; kv.keys.len()], vec![0.0; kv.values.len()]];
    let (mut outputs, mut lses) = (Vec::new(), Vec::new());
    let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
    for row in 0..inputs.rows {
        for head in 0..*heads {
            let visible = &visible[head / group % visible.len()][row];
            let own = row * heads * d..(row + 1) * heads * d;
            let (output, lse) = oracle::attend(&q[own], kv, visible, *scale);
            let at = (row * heads + head) * d;
            let (query, up) = (&q[at..at + d], &gradient[at..at + d]);
            let output = &output[head * d..][..d];
            let inner = dot(up, output);
            for position in visible.ranges().iter().flat_map(Clone::clone) {
                let (key, value) = (kv.key(position, head / group), kv.value(position, head / group));
                let weight = (scale * dot(query, key) - lse[head]).exp();
                let score = weight * (dot(up, value) - inner) * scale;
                let token = (position * kv.kv_heads + head / group) * d;
                for i in 0..d {
                    sums[0][at + i] += score * key[i];
                    sums[1][token + i] += score * query[i];
                    sums[2][token + i] += weight * up[i];
                }
            }
            outputs.extend(output);
            lses.push(lse[head]);
        }
    }
    let [q, k, v] = sums;
    [outputs, lses, q, k, v]
}

fn run<B: Backend, K: TrainingKernels<B>>(kernels: &K, inputs: &Inputs, device: &Device<B>) -> [Vec<f64>; 5] {
    let Inputs { rows, heads, q, kv, gradient, visible, scale } = inputs;
    let tensor = |values: &[f64], heads: usize| {
        let data = TensorData::new(values.to_vec(), [*rows, heads, kv.head_dim]);
        Tensor::<B, 3>::from_data(data, device)
    };
    let (q, gradient) = (tensor(q, *heads), tensor(gradient, *heads));
    let (k, v) = (tensor(&kv.keys, kv.kv_heads), tensor(&kv.values, kv.kv_heads));
    let whole = Whole { q, k, v, visible, scale: *scale as f32 };
    let state = kernels.attend_whole(&whole);
    let [q, k, v] = kernels.attend_backward(&whole, &state, gradient);
    let AttentionState { output, lse } = state;
    [output.into_data(), lse.into_data(), q.into_data(), k.into_data(), v.into_data()]
        .map(|data| data.iter().collect())
}

/// Expands to one `#[test]` per check of what training needs, for a provider on a backend.
#[macro_export]
macro_rules! gradient_tests {
    ($backend:ty, $kernels:expr) => {
        #[test]
        fn products_match_the_oracle() {
            $crate::testing::layers::products_match_the_oracle::<$backend, _>(&$kernels, &Default::default());
        }

        #[test]
        fn gates_match_the_oracle() {
            $crate::testing::layers::gates_match_the_oracle::<$backend, _>(&$kernels, &Default::default());
        }

        #[test]
        fn gradients_match_the_oracle() {
            $crate::testing::gradients::gradients_match_the_oracle::<$backend, _>(
                &$kernels,
                &Default::default(),
            );
        }

        #[test]
        fn masks_show_what_decoding_attends_to() {
            $crate::testing::masks::masks_show_what_decoding_attends_to::<$backend, _>(
                &$kernels,
                &Default::default(),
            );
        }
    };
}
