//! Products of matrices as they lie in memory, transposed or not: nothing is copied first.

use super::strided::Strided;
use crate::view::Laid;

/// `a` `[m, k]` times `b` `[k, n]`: `[m, n]`.
pub(crate) fn product(a: &Laid<'_>, b: &Laid<'_>, [m, k, n]: [usize; 3]) -> Vec<f32> {
    let mut out = vec![0.0; m * n];
    strided(a, [m, k]).times(strided(b, [k, n]), &mut out, n, false);
    out
}

fn strided<'a>(matrix: &'a Laid<'_>, [rows, columns]: [usize; 2]) -> Strided<'a> {
    match matrix {
        Laid::Rows(elements) => Strided::new(elements, [rows, columns], columns),
        Laid::Columns(elements) => Strided::new(elements, [columns, rows], rows).transposed(),
    }
}
