//! Every kernel as plain loops: one number after another, in f64, no threads and no intrinsics.
//!
//! The provider [`PlainKernels`](crate::PlainKernels) runs these. They are slow, and they are what a fused
//! kernel that misbehaves is to be compared with.
//!
//! * [`attend`]: softmax attention over pages.
//! * [`scores`]: scores of thoughts, for the votes.
//! * [`linear`]: products with a weight matrix.
//! * [`zoom`]: blocks estimated, chosen and attended.

pub(crate) mod attend;
pub(crate) mod linear;
pub(crate) mod scores;
pub(crate) mod zoom;

/// The dot product, summed in f64.
fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}
