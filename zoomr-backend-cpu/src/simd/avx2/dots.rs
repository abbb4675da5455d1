//! Dot products of input rows with short rows, such as keys, in tiles that live in registers.
//!
//! A tile is 1, 2 or 3 input rows by [`W`] weight rows: each weight is loaded and widened once for all its input
//! rows, and the sums are independent chains of FMAs. For one input row (a decode step) the four chains reach
//! one FMA a cycle, 16 bytes of bf16: more than memory delivers to a core. Three input rows use the 16
//! registers up: 12 sums, 3 inputs, 1 weight.
//!
//! Whatever the tile, a product is eight lanes over the columns, summed in one order, then the columns left
//! over: so its rounding does not depend on its neighbours.

use std::arch::x86_64::{
    __m128, __m256, _mm_add_ps, _mm_storeu_ps, _mm256_castps256_ps128, _mm256_extractf128_ps,
    _mm256_fmadd_ps, _mm256_hadd_ps, _mm256_loadu_ps, _mm256_setzero_ps,
};

use crate::simd::Vector;

/// Weight rows per tile: as many as one reduction (two rounds of horizontal adds) takes in.
const W: usize = 4;

/// Lanes of a register.
const LANES: usize = 8;

/// Up to [`W`] weight rows, and where their products go.
struct WeightTile<'a, U> {
    /// The rows; where there are fewer than `W`, the last one again, its products dropped.
    rows: [&'a [U]; W],
    /// How many rows there are.
    count: usize,
    /// The output column of the first.
    first: usize,
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn dots<V: Vector>(
    x: &[f32],
    weights: &[V::Unit],
    columns: usize,
    out: &mut [f32],
    stride: usize,
) {
    let units = V::units(columns);
    // Weight rows outside, input rows inside: a tile's weights stay in the first-level cache.
    for (tile, weights) in weights.chunks(W * units).enumerate() {
        let count = weights.len() / units;
        let mut rows = [weights; W];
        for (j, row) in rows.iter_mut().enumerate() {
            *row = &weights[j.min(count - 1) * units..][..units];
        }
        let tile = WeightTile { rows, count, first: tile * W };
        let mut first = 0;
        while first < x.len() / columns {
            let (x, out) = (&x[first * columns..], &mut out[first * stride..]);
            // Threes and twos, as far as they go: a row alone leaves the FMA units half idle.
            first += match x.len() / columns {
                1 => multiply::<V, 1>(x, &tile, columns, out, stride),
                2 | 4 => multiply::<V, 2>(x, &tile, columns, out, stride),
                _ => multiply::<V, 3>(x, &tile, columns, out, stride),
            };
        }
    }
}

/// The first `ROWS` rows of `x` `[.., columns]` times a tile, into its columns of `out`; returns `ROWS`.
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<V: Vector, const ROWS: usize>(
    x: &[f32],
    tile: &WeightTile<'_, V::Unit>,
    columns: usize,
    out: &mut [f32],
    stride: usize,
) -> usize {
    let mut rows = [x; ROWS];
    for (i, row) in rows.iter_mut().enumerate() {
        *row = &x[i * columns..][..columns];
    }
    let products = products::<V, ROWS>(&rows, &tile.rows, columns);
    for (i, products) in products.iter().enumerate() {
        let out = &mut out[i * stride + tile.first..];
        match out.first_chunk_mut() {
            // One store; of a number of elements known only here it would be a call.
            Some(whole) if tile.count == W => *whole = *products,
            _ => out[..tile.count].copy_from_slice(&products[..tile.count]),
        }
    }
    ROWS
}

/// The products of `ROWS` input rows with [`W`] weight rows, all of `columns` elements.
#[target_feature(enable = "avx2,fma,f16c")]
fn products<V: Vector, const ROWS: usize>(
    x: &[&[f32]; ROWS],
    w: &[&[V::Unit]; W],
    columns: usize,
) -> [[f32; W]; ROWS] {
    assert!(x.iter().all(|x| x.len() == columns) && w.iter().all(|w| w.len() == V::units(columns)));
    let mut sums = [[_mm256_setzero_ps(); W]; ROWS];
    let whole = columns - columns % LANES;
    for c in (0..whole).step_by(LANES) {
        let mut inputs = [_mm256_setzero_ps(); ROWS];
        for (lanes, x) in inputs.iter_mut().zip(x) {
            // SAFETY: c + 8 <= columns, the row's length.
            *lanes = unsafe { _mm256_loadu_ps(x.as_ptr().add(c)) };
        }
        for (j, w) in w.iter().enumerate() {
            // SAFETY: c + 8 <= columns, the row's elements; the features are this function's own.
            let weights = unsafe { V::eight(w.as_ptr(), c) };
            for (sums, inputs) in sums.iter_mut().zip(&inputs) {
                sums[j] = _mm256_fmadd_ps(*inputs, weights, sums[j]);
            }
        }
    }
    let mut products = [[0.0; W]; ROWS];
    for (i, products) in products.iter_mut().enumerate() {
        // SAFETY: an array of four f32 takes the four lanes.
        unsafe { _mm_storeu_ps(products.as_mut_ptr(), reduce(sums[i])) };
        for (product, w) in products.iter_mut().zip(w) {
            for (c, x) in (whole..).zip(&x[i][whole..]) {
                *product = x.mul_add(V::value(w, c), *product);
            }
        }
    }
    products
}

/// The sum of each register's lanes.
#[target_feature(enable = "avx2,fma,f16c")]
fn reduce(sums: [__m256; W]) -> __m128 {
    let pairs = _mm256_hadd_ps(sums[0], sums[1]);
    let others = _mm256_hadd_ps(sums[2], sums[3]);
    let fours = _mm256_hadd_ps(pairs, others);
    _mm_add_ps(_mm256_castps256_ps128(fours), _mm256_extractf128_ps::<1>(fours))
}
