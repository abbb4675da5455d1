//! A product with a weight matrix, one dot product after another.

use zoomr_core::weight::StoredWeight;

use super::dot;

/// `x W^T` for `x` `[rows, in]`: `[rows, out]`.
pub(crate) fn linear(x: &[f32], rows: usize, weight: &StoredWeight) -> Vec<f32> {
    let columns = weight.columns();
    let mut out = vec![0.0; rows * weight.rows()];
    for j in 0..weight.rows() {
        let row = weight.to_f32(j..j + 1);
        for i in 0..rows {
            out[i * weight.rows() + j] = dot(&x[i * columns..][..columns], &row) as f32;
        }
    }
    out
}
