//! Rows of a matrix as it is stored, multiplied or widened: which inner loop, for which format.

use std::ops::Range;

use zoomr_core::weight::{StoredWeight, WeightFormat};

use crate::{
    quantised,
    simd::{Bf16, Element, F16, F32, Simd},
};

/// Input rows `[rows, columns]` in the forms that matrices want them in.
pub(super) struct Inputs<'a> {
    simd: Simd,
    pub(super) x: &'a [f32],
    pub(super) columns: usize,
    /// For matrices of blocks.
    whole: Option<quantised::Input>,
}

impl<'a> Inputs<'a> {
    /// What lies between the products of `x` and `weights` is done here, once for all of them.
    pub(super) fn new(simd: Simd, x: &'a [f32], weights: &[&StoredWeight]) -> Self {
        let columns = weights.first().map_or(1, |weight| weight.columns());
        let blocks = weights.iter().any(|weight| !weight.format().is_float());
        Self { simd, x, columns, whole: blocks.then(|| quantised::Input::new(x, columns)) }
    }

    /// Input rows.
    pub(super) fn rows(&self) -> usize {
        self.x.len() / self.columns
    }

    /// The products with some rows of a matrix, to `out`, whose rows are `stride` apart.
    pub(super) fn dots(&self, weight: &StoredWeight, rows: Range<usize>, out: &mut [f32], stride: usize) {
        let bytes = bytes(weight, rows);
        match (weight.format(), &self.whole) {
            (WeightFormat::F32, _) => self.floats::<F32>(bytes.as_chunks().0, out, stride),
            (WeightFormat::F16, _) => self.floats::<F16>(bytes.as_chunks().0, out, stride),
            (WeightFormat::Bf16, _) => self.floats::<Bf16>(bytes.as_chunks().0, out, stride),
            (format, Some(whole)) => quantised::dots(self.simd, whole, format, bytes, out, stride),
            (format, None) => unreachable!("{format} was among the matrices"),
        }
    }

    fn floats<E: Element>(&self, weights: &[E::Unit], out: &mut [f32], stride: usize) {
        self.simd.dots::<E>(self.x, weights, self.columns, out, stride);
    }
}

/// The numbers of some rows of a matrix, `[rows, columns]`.
pub(super) fn widen(simd: Simd, weight: &StoredWeight, rows: Range<usize>, out: &mut [f32]) {
    let bytes = bytes(weight, rows);
    match weight.format() {
        WeightFormat::F32 => simd.widen::<F32>(bytes.as_chunks().0, out),
        WeightFormat::F16 => simd.widen::<F16>(bytes.as_chunks().0, out),
        WeightFormat::Bf16 => simd.widen::<Bf16>(bytes.as_chunks().0, out),
        format => quantised::widen(simd, format, bytes, out),
    }
}

/// The bytes of some rows.
fn bytes(weight: &StoredWeight, rows: Range<usize>) -> &[u8] {
    let stride = weight.row_bytes();
    &weight.bytes()[rows.start * stride..rows.end * stride]
}
