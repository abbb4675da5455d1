//! The inner loops of the fused kernels, in AVX2 and in portable Rust.
//!
//! * [`Simd`]: which of the two this machine runs; found once, then carried along.
//! * [`element`]: bf16, f16 and f32 as they lie in memory; [`vector`]: rows of them, or of blocks of whole numbers.
//! * [`portable`]: plain loops that the compiler vectorises as far as the baseline allows.
//! * `avx2`: the same in AVX2, FMA and F16C.
//! * [`loops`]: loops that both share, whose arithmetic is the same bit for bit.
//!
//! Each loop works on a block (a page of keys, some rows of a weight matrix), so that choosing between the
//! two costs one predictable branch per block.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
mod element;
mod loops;
mod portable;
#[cfg(test)]
mod tests;
mod vector;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
pub(crate) use element::{Bf16, Element, F16, F32, Native};
pub(crate) use vector::{Q8, Vector};

/// The instructions that the inner loops use.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Simd {
    /// Whatever the compiler's baseline has.
    Portable,
    /// AVX2, FMA and F16C, found at run time.
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
}

impl Simd {
    /// The best that this machine has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if let Some(avx2) = Avx2::detect() {
            return Self::Avx2(avx2);
        }
        Self::Portable
    }

    /// All dot products of `x` `[m, columns]` with `weights` `[n, columns]`: that of `x`'s row `i` and `weights`'
    /// row `j` goes to `out[i * stride + j]`.
    ///
    /// A product's rounding depends on `columns` alone, not on `m`, `n` or its place among them.
    pub(crate) fn dots<V: Vector>(
        self,
        x: &[f32],
        weights: &[V::Unit],
        columns: usize,
        out: &mut [f32],
        stride: usize,
    ) {
        debug_assert!(x.len().is_multiple_of(columns) && weights.len().is_multiple_of(V::units(columns)));
        debug_assert!(weights.len() / V::units(columns) <= stride);
        match self {
            Self::Portable => portable::dots::<V>(x, weights, columns, out, stride),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.dots::<V>(x, weights, columns, out, stride),
        }
    }

    /// All dot products of `x` `[m, columns]` with `vectors` `[n, columns]`, whole numbers from -127 to 127, as
    /// [`dots`](Self::dots) lays them out.
    pub(crate) fn whole_dots(self, x: &[i8], vectors: &[i8], columns: usize, out: &mut [i32], stride: usize) {
        debug_assert!(x.len().is_multiple_of(columns) && vectors.len().is_multiple_of(columns));
        debug_assert!(vectors.len() / columns <= stride);
        match self {
            Self::Portable => portable::whole_dots(x, vectors, columns, out, stride),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.whole_dots(x, vectors, columns, out, stride),
        }
    }

    /// Multiplies each score by `scale` and returns the highest; NaN is passed over.
    pub(crate) fn scale_max(self, scores: &mut [f32], scale: f32) -> f32 {
        match self {
            Self::Portable => portable::scale_max(scores, scale),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.scale_max(scores, scale),
        }
    }

    /// Replaces each score by `exp(score - reference)` and returns their sum.
    ///
    /// `reference` is finite and no score lies above it. Minus infinity gives 0; NaN stays NaN.
    pub(crate) fn exp_sum(self, scores: &mut [f32], reference: f32) -> f32 {
        match self {
            Self::Portable => portable::exp_sum(scores, reference),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.exp_sum(scores, reference),
        }
    }

    /// Adds `weights[i * stride + j]` times vector `j` of `vectors` `[n, columns]` to row `i` of `sums` `[m, columns]`, for
    /// every `i` and `j`.
    ///
    /// A sum's rounding does not depend on `m` or its place among the rows.
    pub(crate) fn add_weighted<V: Vector>(
        self,
        weights: &[f32],
        stride: usize,
        vectors: &[V::Unit],
        columns: usize,
        sums: &mut [f32],
    ) {
        debug_assert!(sums.len().is_multiple_of(columns) && vectors.len().is_multiple_of(V::units(columns)));
        debug_assert!(vectors.len() / V::units(columns) <= stride);
        match self {
            Self::Portable => portable::add_weighted::<V>(weights, stride, vectors, columns, sums),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.add_weighted::<V>(weights, stride, vectors, columns, sums),
        }
    }

    /// Writes the values of `from` to `to`, of the same length.
    pub(crate) fn widen<E: Element>(self, from: &[E::Unit], to: &mut [f32]) {
        debug_assert_eq!(from.len(), to.len());
        match self {
            Self::Portable => portable::widen::<E>(from, to),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.widen::<E>(from, to),
        }
    }

    /// The sum of the squares of `x`.
    pub(crate) fn square_sum(self, x: &[f32]) -> f32 {
        match self {
            Self::Portable => loops::square_sum(x),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.square_sum(x),
        }
    }

    /// Multiplies each element of `x` by `factor`, then by its own of `weight`.
    pub(crate) fn scale_by(self, x: &mut [f32], factor: f32, weight: &[f32]) {
        debug_assert_eq!(x.len(), weight.len());
        match self {
            Self::Portable => loops::scale_by(x, factor, weight),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.scale_by(x, factor, weight),
        }
    }

    /// Adds `x` times `factor` to `sum`.
    pub(crate) fn add_scaled(self, sum: &mut [f32], x: &[f32], factor: f32) {
        debug_assert_eq!(sum.len(), x.len());
        match self {
            Self::Portable => loops::add_scaled(sum, x, factor),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.add_scaled(sum, x, factor),
        }
    }

    /// Replaces each half of `vector` by itself times its half of `cos` plus the other half times its half of `sin`; all
    /// three are of one, even length.
    pub(crate) fn turn(self, vector: &mut [f32], cos: &[f32], sin: &[f32]) {
        debug_assert!(vector.len() == cos.len() && vector.len() == sin.len());
        match self {
            Self::Portable => loops::turn(vector, cos, sin),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(avx2) => avx2.turn(vector, cos, sin),
        }
    }
}
