//! Products with a weight matrix as stored: which way, for how many rows and which element type.

use zoomr_core::weight::{StoredWeight, WeightFormat};

use super::{gemm, stream};
use crate::simd::{Bf16, Element, F16, F32, Simd};

/// Input rows up to which the weights, read once, are what costs; with more, arithmetic is, and the blocked
/// product has the better of it.
const STREAM_ROWS: usize = 12;

/// Bytes of weights below which waking another thread costs more than it brings.
const PARALLEL_BYTES: usize = 128 << 10;

/// `x W^T` for `x` `[rows, in]`: `[rows, out]`.
pub(crate) fn linear(simd: Simd, x: &[f32], rows: usize, weight: &StoredWeight) -> Vec<f32> {
    Input { simd, x, rows }.times(weight, weight.bytes().len() >= PARALLEL_BYTES)
}

/// [`linear`] for several matrices: their tasks lie in one pile, so that threads meet once, not once for each.
pub(crate) fn linear_many<const N: usize>(
    simd: Simd,
    x: &[f32],
    rows: usize,
    weights: [&StoredWeight; N],
) -> [Vec<f32>; N] {
    let mut products = [const { Vec::new() }; N];
    let bytes: usize = weights.iter().map(|weight| weight.bytes().len()).sum();
    Input { simd, x, rows }.times_each(&weights, &mut products, bytes >= PARALLEL_BYTES);
    products
}

/// What weights are multiplied with.
#[derive(Clone, Copy)]
struct Input<'a> {
    simd: Simd,
    /// `[rows, in]`.
    x: &'a [f32],
    rows: usize,
}

impl Input<'_> {
    /// The products with all of `weights`, on several threads where `parallel` says so.
    fn times_each(self, weights: &[&StoredWeight], products: &mut [Vec<f32>], parallel: bool) {
        let ([weight, more @ ..], [product, rest @ ..]) = (weights, products) else { return };
        if !parallel || more.is_empty() {
            *product = self.times(weight, parallel);
            self.times_each(more, rest, parallel);
        } else {
            rayon::join(|| *product = self.times(weight, parallel), || self.times_each(more, rest, parallel));
        }
    }

    /// The product with one matrix, `[rows, out]`.
    fn times(self, weight: &StoredWeight, parallel: bool) -> Vec<f32> {
        if self.x.is_empty() || weight.rows() == 0 {
            return vec![0.0; self.rows * weight.rows()];
        }
        let (bytes, columns) = (weight.bytes(), weight.columns());
        match weight.format() {
            WeightFormat::F32 => self.multiply::<F32>(bytes.as_chunks().0, columns, parallel),
            WeightFormat::F16 => self.multiply::<F16>(bytes.as_chunks().0, columns, parallel),
            WeightFormat::Bf16 => self.multiply::<Bf16>(bytes.as_chunks().0, columns, parallel),
            _ => self.decoded(weight),
        }
    }

    /// The product with a matrix of blocks, a few rows of it decoded at a time.
    fn decoded(self, weight: &StoredWeight) -> Vec<f32> {
        gemm::decoded(self.x, weight)
    }

    fn multiply<E: Element>(self, weights: &[E::Unit], columns: usize, parallel: bool) -> Vec<f32> {
        let Self { simd, x, rows } = self;
        if rows > STREAM_ROWS {
            gemm::multiply::<E>(simd, x, weights, columns)
        } else if parallel {
            stream::multiply::<E>(simd, x, weights, columns)
        } else {
            stream::multiply_alone::<E>(simd, x, weights, columns)
        }
    }
}
