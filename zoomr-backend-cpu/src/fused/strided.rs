//! Products of small f32 matrices that lie inside of larger ones: a safe face of the [`matrixmultiply`] crate.

/// A matrix inside of a slice: element `(i, j)` is at `i * strides[0] + j * strides[1]`.
#[derive(Clone, Copy)]
pub(super) struct Strided<'a> {
    elements: &'a [f32],
    shape: [usize; 2],
    strides: [usize; 2],
}

impl<'a> Strided<'a> {
    /// A matrix of `shape` whose rows begin `stride` elements apart.
    ///
    /// # Panics
    /// Where it reaches past the end of `elements`.
    pub(super) fn new(elements: &'a [f32], shape: [usize; 2], stride: usize) -> Self {
        assert!(reach(shape, [stride, 1]) <= elements.len(), "{shape:?} by {stride} in {}", elements.len());
        Self { elements, shape, strides: [stride, 1] }
    }

    /// The matrix read the other way.
    pub(super) fn transposed(self) -> Self {
        let ([rows, columns], [down, right]) = (self.shape, self.strides);
        Self { shape: [columns, rows], strides: [right, down], ..self }
    }

    /// Writes the product with `other` to `out`, whose rows begin `stride` elements apart, or adds it to what is
    /// there.
    ///
    /// # Panics
    /// Where the shapes do not fit, or the product reaches past the end of `out`.
    pub(super) fn times(self, other: Self, out: &mut [f32], stride: usize, add: bool) {
        let ([m, k], [inner, n]) = (self.shape, other.shape);
        assert!(k == inner && n <= stride, "{:?} times {:?}", self.shape, other.shape);
        assert!(reach([m, n], [stride, 1]) <= out.len(), "[{m}, {n}] by {stride} in {}", out.len());
        // Slices are at most `isize::MAX` bytes long, so no stride overflows.
        let [[a_rows, a_columns], [b_rows, b_columns]] =
            [self.strides, other.strides].map(|s| s.map(|x| x as isize));
        let (a, b, c) = (self.elements.as_ptr(), other.elements.as_ptr(), out.as_mut_ptr());
        let beta = if add { 1.0 } else { 0.0 };
        #[expect(unsafe_code, reason = "the crate's interface is pointers and strides")]
        // SAFETY: `new` and the assertion above bound the last element of each of the three matrices; `out` is
        // borrowed mutably, so it overlaps neither input, and as rows are no wider than its stride its elements do
        // not alias.
        unsafe {
            matrixmultiply::sgemm(
                m,
                k,
                n,
                1.0,
                a,
                a_rows,
                a_columns,
                b,
                b_rows,
                b_columns,
                beta,
                c,
                stride as isize,
                1,
            );
        }
    }
}

/// One past the last element of a matrix.
fn reach([rows, columns]: [usize; 2], [down, right]: [usize; 2]) -> usize {
    if rows == 0 || columns == 0 { 0 } else { (rows - 1) * down + (columns - 1) * right + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn multiplies_inside_of_larger_matrices() {
        // Columns 1 and 2 of a [2, 4] matrix, times its transpose: [[1, 2], [5, 6]] [[1, 5], [2, 6]].
        let whole: Vec<f32> = (0..8).map(|i| i as f32).collect();
        let part = Strided::new(&whole[1..], [2, 2], 4);
        let mut out = vec![100.0; 6];
        part.times(part.transposed(), &mut out, 3, false);
        assert_eq!(out, [5.0, 17.0, 100.0, 17.0, 61.0, 100.0]);
        part.times(part.transposed(), &mut out, 3, true);
        assert_eq!(out, [10.0, 34.0, 100.0, 34.0, 122.0, 100.0]);
    }

    #[test]
    #[should_panic(expected = "[2, 2] by 4 in 5")]
    fn refuses_to_reach_past_the_end() {
        Strided::new(&[0.0; 5], [2, 2], 4);
    }
}
