//! The fused kernels: blocks in SIMD, tasks on the threads of a [team](crate::team), or of rayon,
//! accumulation in f32.
//!
//! * [`attend`]: paged attention over a [`table`], cut into tasks by [`schedule`], with the running softmax of
//!   [`online`].
//! * [`forward`], [`backward`]: attention over a whole sequence and its gradients, for training, in [`blocks`] of
//!   products ([`strided`]).
//! * [`gate`]: the gate of feed-forward networks, and its gradients.
//! * [`norm`], [`rotate`]: RMS norms and rotary embedding, in place.
//! * [`product`]: products of matrices as they lie, for the gradients of linear layers.
//! * [`scores`]: scores of thoughts, for the votes.
//! * [`scratch`]: buffers kept from call to call.
//! * [`linear`]: products with a weight matrix as stored: few rows by [`stream`], many by [`gemm`], in
//!   blocks of [`columns`]; [`matrix`] knows the formats.
//! * [`choose`]: blocks estimated and chosen; [`zoom`]: and attended.
//!
//! How work is cut up depends on its shape alone, never on the number of threads, so results do not either.

pub(crate) mod attend;
pub(crate) mod backward;
pub(crate) mod blocks;
pub(crate) mod choose;
mod columns;
pub(crate) mod forward;
pub(crate) mod gate;
mod gemm;
pub(crate) mod linear;
mod matrix;
pub(crate) mod norm;
mod online;
pub(crate) mod product;
pub(crate) mod rotate;
mod schedule;
pub(crate) mod scores;
mod scratch;
mod stream;
mod strided;
pub(crate) mod table;
pub(crate) mod zoom;
