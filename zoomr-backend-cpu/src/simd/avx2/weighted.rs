//! Vectors of values summed by their weights, for several rows of weights at once; and elements widened to f32.
//!
//! A tile is 1, 2 or 3 rows of sums by some registers of columns, which stay in registers over all vectors: each value is
//! loaded and widened once for all its rows. A sum adds up its vectors in their order, whatever the tile.

use std::arch::x86_64::{__m256, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps};

use crate::simd::{Element, Vector};

/// Lanes of a register.
const LANES: usize = 8;

/// Some rows of weights, and the vectors that they weigh.
struct Weighing<'a, V: Vector> {
    /// `[rows, stride]`, of which the first as many of each row count as there are vectors.
    weights: &'a [f32],
    stride: usize,
    vectors: &'a [V::Unit],
    /// Elements of a vector, and of a row of sums.
    columns: usize,
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn add_weighted<V: Vector>(
    weights: &[f32],
    stride: usize,
    vectors: &[V::Unit],
    columns: usize,
    sums: &mut [f32],
) {
    let mut first = 0;
    while first < sums.len() / columns {
        let own = &mut sums[first * columns..];
        let weighing = Weighing::<V> { weights: &weights[first * stride..], stride, vectors, columns };
        // Sums enough to keep two FMA units busy for their latency of four cycles, and 16 registers not passed.
        first += match own.len() / columns {
            1 => rows::<V, 1, 8>(&weighing, own),
            2 | 4 => rows::<V, 2, 4>(&weighing, own),
            _ => rows::<V, 3, 4>(&weighing, own),
        };
    }
}

/// The first `ROWS` rows of sums, `WIDTH` registers of columns at a time; returns `ROWS`.
#[target_feature(enable = "avx2,fma,f16c")]
fn rows<V: Vector, const ROWS: usize, const WIDTH: usize>(
    weighing: &Weighing<'_, V>,
    sums: &mut [f32],
) -> usize {
    let Weighing { weights, stride, vectors, columns } = *weighing;
    let mut first = 0;
    while columns - first >= WIDTH * LANES {
        tile::<V, ROWS, WIDTH>(weighing, first, sums);
        first += WIDTH * LANES;
    }
    while columns - first >= LANES {
        tile::<V, ROWS, 1>(weighing, first, sums);
        first += LANES;
    }
    for (row, sums) in sums.chunks_exact_mut(columns).take(ROWS).enumerate() {
        let weights = &weights[row * stride..];
        for (weight, vector) in weights.iter().zip(vectors.chunks_exact(V::units(columns))) {
            for (c, sum) in (first..).zip(&mut sums[first..]) {
                *sum = weight.mul_add(V::value(vector, c), *sum);
            }
        }
    }
    ROWS
}

/// Columns `first..first + 8 * WIDTH` of `ROWS` rows of sums.
#[target_feature(enable = "avx2,fma,f16c")]
fn tile<V: Vector, const ROWS: usize, const WIDTH: usize>(
    weighing: &Weighing<'_, V>,
    first: usize,
    sums: &mut [f32],
) {
    let Weighing { weights, stride, vectors, columns } = *weighing;
    let units = V::units(columns);
    assert!(sums.len() >= ROWS * columns && first + WIDTH * LANES <= columns);
    let mut tile = [[_mm256_set1_ps(0.0); WIDTH]; ROWS];
    for (row, tile) in tile.iter_mut().enumerate() {
        for (i, lanes) in tile.iter_mut().enumerate() {
            // SAFETY: `sums` has `ROWS` rows of `columns` elements, and the tile's end within them.
            *lanes = unsafe { _mm256_loadu_ps(sums.as_ptr().add(row * columns + first + i * LANES)) };
        }
    }
    for (j, vector) in vectors.chunks_exact(units).enumerate() {
        let own: [__m256; ROWS] = std::array::from_fn(|row| _mm256_set1_ps(weights[row * stride + j]));
        for i in 0..WIDTH {
            // SAFETY: `vector` has `columns` elements, and the tile's end within them; the features are this function's
            // own.
            let value = unsafe { V::eight(vector.as_ptr(), first + i * LANES) };
            for (tile, weight) in tile.iter_mut().zip(own) {
                tile[i] = _mm256_fmadd_ps(weight, value, tile[i]);
            }
        }
    }
    for (row, tile) in tile.iter().enumerate() {
        for (i, lanes) in tile.iter().enumerate() {
            // SAFETY: as for the load.
            unsafe { _mm256_storeu_ps(sums.as_mut_ptr().add(row * columns + first + i * LANES), *lanes) };
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn widen<E: Element>(from: &[E::Unit], to: &mut [f32]) {
    let (from, from_tail) = from.as_chunks::<LANES>();
    let (to, to_tail) = to.as_chunks_mut::<LANES>();
    for (from, to) in from.iter().zip(to) {
        // SAFETY: eight elements each; the features are this function's own.
        unsafe { _mm256_storeu_ps(to.as_mut_ptr(), E::load8(from.as_ptr())) };
    }
    for (from, to) in from_tail.iter().zip(to_tail) {
        *to = E::to_f32(*from);
    }
}
