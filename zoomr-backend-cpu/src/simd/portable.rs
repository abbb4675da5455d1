//! The inner loops in portable Rust: the fallback, and what AVX2 is tested against.
//!
//! What each computes is said at [`Simd`](super::Simd).

use super::{Element, Vector, vector::LANES};

pub(super) fn dots<V: Vector>(
    x: &[f32],
    weights: &[V::Unit],
    columns: usize,
    out: &mut [f32],
    stride: usize,
) {
    for (x, out) in x.chunks_exact(columns).zip(out.chunks_mut(stride)) {
        for (weights, out) in weights.chunks_exact(V::units(columns)).zip(out) {
            *out = dot::<V>(x, weights);
        }
    }
}

/// The partial sums are independent chains that fill the vector units of any common machine, and keep the rounding
/// error of long rows small.
fn dot<V: Vector>(x: &[f32], weights: &[V::Unit]) -> f32 {
    let (blocks, tail) = x.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, c) in blocks.iter().zip((0..).step_by(LANES)) {
        for (lane, (x, weight)) in lanes.iter_mut().zip(x.iter().zip(V::values(weights, c))) {
            *lane += x * weight;
        }
    }
    let tail: f32 = tail.iter().zip(x.len() - tail.len()..).map(|(x, c)| x * V::value(weights, c)).sum();
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

pub(super) fn add_weighted<V: Vector>(
    weights: &[f32],
    stride: usize,
    vectors: &[V::Unit],
    columns: usize,
    sums: &mut [f32],
) {
    for (sums, weights) in sums.chunks_exact_mut(columns).zip(weights.chunks(stride)) {
        for (weight, vector) in weights.iter().zip(vectors.chunks_exact(V::units(columns))) {
            add_scaled::<V>(*weight, vector, sums);
        }
    }
}

fn add_scaled<V: Vector>(weight: f32, vector: &[V::Unit], sums: &mut [f32]) {
    let (blocks, tail) = sums.as_chunks_mut::<LANES>();
    let whole = blocks.len() * LANES;
    for (sums, c) in blocks.iter_mut().zip((0..).step_by(LANES)) {
        for (sum, value) in sums.iter_mut().zip(V::values(vector, c)) {
            *sum += weight * value;
        }
    }
    for (sum, c) in tail.iter_mut().zip(whole..) {
        *sum += weight * V::value(vector, c);
    }
}

pub(super) fn widen<E: Element>(from: &[E::Unit], to: &mut [f32]) {
    for (from, to) in from.iter().zip(to) {
        *to = E::to_f32(*from);
    }
}
