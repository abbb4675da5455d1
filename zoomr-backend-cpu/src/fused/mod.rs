//! The fused kernels: blocks in SIMD, tasks on rayon's threads, f32 accumulation.
//!
//! * [`attend`]: paged attention, cut into tasks by [`schedule`], with the running softmax of [`online`].
//! * [`backward`]: the gradients of attention, in blocks of products ([`strided`]).
//! * [`scores`]: scores of thoughts, for the votes.
//! * [`linear`]: products with a weight matrix as stored: few rows by [`stream`], many by [`gemm`].
//!
//! How work is cut up depends on its shape alone, never on the number of threads, so results do not either.

pub(crate) mod attend;
pub(crate) mod backward;
mod gemm;
pub(crate) mod linear;
mod online;
mod schedule;
pub(crate) mod scores;
mod stream;
mod strided;
