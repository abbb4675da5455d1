//! The inner loops in portable Rust: the fallback, and what AVX2 is tested against.
//!
//! What each computes is said at [`Simd`](super::Simd).

use super::Element;

/// Partial sums of a dot product: independent chains that fill the vector units of any common machine, and
/// keep the rounding error of long rows small.
const LANES: usize = 8;

pub(super) fn dots<E: Element>(
    x: &[f32],
    weights: &[E::Unit],
    columns: usize,
    out: &mut [f32],
    stride: usize,
) {
    for (x, out) in x.chunks_exact(columns).zip(out.chunks_mut(stride)) {
        for (weights, out) in weights.chunks_exact(columns).zip(out) {
            *out = dot::<E>(x, weights);
        }
    }
}

fn dot<E: Element>(x: &[f32], weights: &[E::Unit]) -> f32 {
    let (x, x_tail) = x.as_chunks::<LANES>();
    let (weights, weights_tail) = weights.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, weights) in x.iter().zip(weights) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * E::to_f32(weights[lane]);
        }
    }
    let tail: f32 = x_tail.iter().zip(weights_tail).map(|(x, w)| x * E::to_f32(*w)).sum();
    lanes.iter().sum::<f32>() + tail
}

pub(super) fn whole_dots(x: &[i8], vectors: &[i8], columns: usize, out: &mut [i32], stride: usize) {
    for (x, out) in x.chunks_exact(columns).zip(out.chunks_mut(stride)) {
        for (vector, out) in vectors.chunks_exact(columns).zip(out) {
            *out = x.iter().zip(vector).map(|(x, v)| i32::from(*x) * i32::from(*v)).sum();
        }
    }
}

pub(super) fn scale_max(scores: &mut [f32], scale: f32) -> f32 {
    scores.iter_mut().for_each(|score| *score *= scale);
    scores.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

pub(super) fn exp_sum(scores: &mut [f32], reference: f32) -> f32 {
    scores
        .iter_mut()
        .map(|score| {
            *score = (*score - reference).exp();
            *score
        })
        .sum()
}

pub(super) fn add_weighted(weights: &[f32], values: &[f32], sum: &mut [f32]) {
    for (weight, value) in weights.iter().zip(values.chunks_exact(sum.len())) {
        for (sum, value) in sum.iter_mut().zip(value) {
            *sum += weight * value;
        }
    }
}

pub(super) fn widen<E: Element>(from: &[E::Unit], to: &mut [f32]) {
    for (from, to) in from.iter().zip(to) {
        *to = E::to_f32(*from);
    }
}
