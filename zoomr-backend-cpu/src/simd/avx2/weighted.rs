//! Rows of values summed by their weights, and rows of elements widened to f32.

use std::arch::x86_64::{_mm256_fmadd_ps, _mm256_loadu_ps, _mm256_set1_ps, _mm256_storeu_ps};

use crate::simd::{Element, Vector};

/// Lanes of a register.
const LANES: usize = 8;

/// Registers of sums held over all rows in one pass: enough chains to keep two FMA units busy for their
/// latency of four cycles. Heads of 64 elements take one pass.
const WIDE: usize = 8;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn add_weighted<V: Vector>(weights: &[f32], values: &[V::Unit], sum: &mut [f32]) {
    let columns = sum.len();
    let mut first = 0;
    while columns - first >= WIDE * LANES {
        strip::<V, WIDE>(weights, values, columns, first, sum);
        first += WIDE * LANES;
    }
    while columns - first >= LANES {
        strip::<V, 1>(weights, values, columns, first, sum);
        first += LANES;
    }
    for (weight, row) in weights.iter().zip(values.chunks_exact(V::units(columns))) {
        for (c, sum) in (first..).zip(&mut sum[first..]) {
            *sum = weight.mul_add(V::value(row, c), *sum);
        }
    }
}

/// Columns `first..first + 8 * WIDTH` of [`add_weighted`], the sums in registers throughout.
#[target_feature(enable = "avx2,fma,f16c")]
fn strip<V: Vector, const WIDTH: usize>(
    weights: &[f32],
    values: &[V::Unit],
    columns: usize,
    first: usize,
    sum: &mut [f32],
) {
    let units = V::units(columns);
    assert!(values.len() == weights.len() * units && first + WIDTH * LANES <= columns);
    let mut sums = [_mm256_set1_ps(0.0); WIDTH];
    for (i, sums) in sums.iter_mut().enumerate() {
        // SAFETY: `sum` has `columns` elements, and the strip's `WIDTH * 8` end within them.
        *sums = unsafe { _mm256_loadu_ps(sum.as_ptr().add(first + i * LANES)) };
    }
    for (row, weight) in weights.iter().enumerate() {
        let weight = _mm256_set1_ps(*weight);
        for (i, sums) in sums.iter_mut().enumerate() {
            // SAFETY: `row` is one of `weights.len()` rows of `columns` values, each in `units`; the strip ends within
            // it. The features are this function's own.
            let value = unsafe { V::eight(values.as_ptr().add(row * units), first + i * LANES) };
            *sums = _mm256_fmadd_ps(weight, value, *sums);
        }
    }
    for (i, sums) in sums.iter().enumerate() {
        // SAFETY: as for the load.
        unsafe { _mm256_storeu_ps(sum.as_mut_ptr().add(first + i * LANES), *sums) };
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
