//! The kernels in plain Burn tensor ops: right on every backend, fast on none. The reference that every
//! other provider is tested against, and what a new backend starts from.
//!
//! * [`PortableStore`]: pages in slabs of tensors.
//! * `attention`: votes and attention; `seen`: what rows see of gathered tokens; `zoom`: blocks
//!   chosen and attended; `training`: whole sequences and gradients; `linear`: products with weights.

mod attention;
mod block;
mod linear;
mod seen;
mod store;
mod training;
mod zoom;

pub use self::store::PortableStore;

/// The portable provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Portable;
