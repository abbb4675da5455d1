//! Rotary embedding: the two halves of each head turned into each other, in place.

use crate::simd::Simd;

/// The angles of rows, `[rows, rotary_dim]`, as [`zoomr_core::kernels::Rotation`] has them.
#[derive(Clone, Copy)]
pub(crate) struct Angles<'a> {
    /// Cosines.
    pub(crate) cos: &'a [f32],
    /// Sines, those of the first half negated.
    pub(crate) sin: &'a [f32],
    /// Elements of a head that turn.
    pub(crate) rotary_dim: usize,
}

/// Turns each head of `x` `[rows, heads, head_dim]` by its row's angles.
pub(crate) fn rotate(simd: Simd, x: &mut [f32], rows: usize, head_dim: usize, angles: Angles<'_>) {
    let Angles { cos, sin, rotary_dim } = angles;
    if x.is_empty() || rotary_dim == 0 {
        return;
    }
    let angles = cos.chunks_exact(rotary_dim).zip(sin.chunks_exact(rotary_dim));
    for (row, (cos, sin)) in x.chunks_exact_mut(x.len() / rows).zip(angles) {
        for head in row.chunks_exact_mut(head_dim) {
            simd.turn(&mut head[..rotary_dim], cos, sin);
        }
    }
}
