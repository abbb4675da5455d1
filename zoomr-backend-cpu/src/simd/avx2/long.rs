//! Dot products of input rows with long weight rows, one weight row after another.
//!
//! Weights come from memory once for all input rows, and memory is read fastest as one run: in tiles of four weight rows, so in
//! four runs of a kilobyte, the same loop reached 9 GB/s a core where this one reaches 18 (EPYC with AVX-512, mapped file,
//! 576 columns of bf16). So the independent chains of FMAs that a core needs are cut from the columns of one row.

use std::arch::x86_64::{_mm256_add_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_setzero_ps};

use super::lanes::sum;
use crate::simd::Vector;

/// Columns from which a row is long: fewer, and summing its chains up costs more than the order of reading saves.
pub(super) const LONG: usize = 256;

/// Chains of FMAs for one input row.
const CHAINS: usize = 4;

/// Lanes of a register.
const LANES: usize = 8;

/// As [`dots`](super::dots::dots).
#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dots<V: Vector>(
    x: &[f32],
    weights: &[V::Unit],
    columns: usize,
    out: &mut [f32],
    stride: usize,
) {
    for (j, weights) in weights.chunks_exact(V::units(columns)).enumerate() {
        let mut first = 0;
        while first < x.len() / columns {
            let (x, out) = (&x[first * columns..], &mut out[first * stride + j..]);
            first += match x.len() / columns {
                1 => multiply::<V, 1>(x, weights, columns, out, stride),
                2 | 4 => multiply::<V, 2>(x, weights, columns, out, stride),
                _ => multiply::<V, 3>(x, weights, columns, out, stride),
            };
        }
    }
}

/// The first `ROWS` rows of `x` times one weight row, to every `stride`th place of `out`; returns `ROWS`.
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<V: Vector, const ROWS: usize>(
    x: &[f32],
    weights: &[V::Unit],
    columns: usize,
    out: &mut [f32],
    stride: usize,
) -> usize {
    let mut rows = [x; ROWS];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &x[i * columns..][..columns];
    }
    for (i, product) in products::<V, ROWS>(&rows, weights, columns).into_iter().enumerate() {
        out[i * stride] = product;
    }
    ROWS
}

#[target_feature(enable = "avx2,fma,f16c")]
fn products<V: Vector, const ROWS: usize>(
    x: &[&[f32]; ROWS],
    weights: &[V::Unit],
    columns: usize,
) -> [f32; ROWS] {
    assert!(x.iter().all(|x| x.len() == columns) && weights.len() == V::units(columns));
    let mut sums = [[_mm256_setzero_ps(); CHAINS]; ROWS];
    let whole = columns - columns % (CHAINS * LANES);
    for c in (0..whole).step_by(CHAINS * LANES) {
        for chain in 0..CHAINS {
            let c = c + chain * LANES;
            // SAFETY: c + 8 <= columns, the row's length; the features are this function's own.
            let weights = unsafe { V::eight(weights.as_ptr(), c) };
            for (sums, x) in sums.iter_mut().zip(x) {
                // SAFETY: c + 8 <= columns, the row's length.
                let x = unsafe { _mm256_loadu_ps(x.as_ptr().add(c)) };
                sums[chain] = _mm256_fmadd_ps(x, weights, sums[chain]);
            }
        }
    }
    let mut products = [0.0; ROWS];
    for ((product, sums), x) in products.iter_mut().zip(sums).zip(x) {
        *product = sum(_mm256_add_ps(_mm256_add_ps(sums[0], sums[1]), _mm256_add_ps(sums[2], sums[3])));
        for c in whole..columns {
            *product = x[c].mul_add(V::value(weights, c), *product);
        }
    }
    products
}
