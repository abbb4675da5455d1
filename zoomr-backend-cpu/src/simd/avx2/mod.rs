//! The inner loops in AVX2, FMA and F16C, one per file, behind a token that proves the machine has them.
//!
//! * [`dots`]: keys, or short weight rows, times input rows.
//! * [`long`]: long weight rows times input rows.
//! * [`lanes`]: a register's lanes taken together.
//! * [`whole`]: dot products of whole numbers of eight bits.
//! * [`softmax`]: the maximum and the exponentials of a block of scores.
//! * [`weighted`]: values summed by their weights; and widening to f32.
//! * [`loops`]: what needs no intrinsics, compiled for AVX2.

#![expect(unsafe_code, reason = "AVX2 needs detection before, and pointers for, its loads")]

mod dots;
mod lanes;
mod long;
mod loops;
mod softmax;
mod weighted;
mod whole;

pub(crate) use self::lanes::sum;
use super::{Element, Vector};

/// Proof that AVX2, FMA and F16C were found: the only value comes from [`Avx2::detect`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub(super) fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c");
        found.then_some(Self(()))
    }

    pub(super) fn dots<V: Vector>(
        self,
        x: &[f32],
        weights: &[V::Unit],
        columns: usize,
        out: &mut [f32],
        stride: usize,
    ) {
        // SAFETY: `self` proves the features.
        unsafe {
            if columns < long::LONG {
                dots::dots::<V>(x, weights, columns, out, stride);
            } else {
                long::dots::<V>(x, weights, columns, out, stride);
            }
        }
    }

    pub(super) fn whole_dots(self, x: &[i8], vectors: &[i8], columns: usize, out: &mut [i32], stride: usize) {
        // SAFETY: `self` proves the features.
        unsafe { whole::dots(x, vectors, columns, out, stride) }
    }

    pub(super) fn scale_max(self, scores: &mut [f32], scale: f32) -> f32 {
        // SAFETY: `self` proves the features.
        unsafe { softmax::scale_max(scores, scale) }
    }

    pub(super) fn exp_sum(self, scores: &mut [f32], reference: f32) -> f32 {
        // SAFETY: `self` proves the features.
        unsafe { softmax::exp_sum(scores, reference) }
    }

    pub(super) fn add_weighted<V: Vector>(
        self,
        weights: &[f32],
        stride: usize,
        vectors: &[V::Unit],
        columns: usize,
        sums: &mut [f32],
    ) {
        // SAFETY: `self` proves the features.
        unsafe { weighted::add_weighted::<V>(weights, stride, vectors, columns, sums) }
    }

    pub(super) fn widen<E: Element>(self, from: &[E::Unit], to: &mut [f32]) {
        // SAFETY: `self` proves the features.
        unsafe { weighted::widen::<E>(from, to) }
    }

    pub(super) fn square_sum(self, x: &[f32]) -> f32 {
        // SAFETY: `self` proves the features.
        unsafe { loops::square_sum(x) }
    }

    pub(super) fn scale_by(self, x: &mut [f32], factor: f32, weight: &[f32]) {
        // SAFETY: `self` proves the features.
        unsafe { loops::scale_by(x, factor, weight) }
    }

    pub(super) fn add_scaled(self, sum: &mut [f32], x: &[f32], factor: f32) {
        // SAFETY: `self` proves the features.
        unsafe { loops::add_scaled(sum, x, factor) }
    }

    pub(super) fn turn(self, vector: &mut [f32], cos: &[f32], sin: &[f32]) {
        // SAFETY: `self` proves the features.
        unsafe { loops::turn(vector, cos, sin) }
    }
}
