//! Where keys and values live: pages, pools, tiers.
//!
//! * [`Layout`]: which positions of a sequence share a page; plain integers, the same for every layer.
//! * [`Pool`]: one layer's pages on the compute device, shared by all sequences.
//! * [`ColdTier`]: where pages go that no row needs now; [`HostTier`] keeps them in host memory.
//! * [`LayerCache`]: one sequence's pages in one layer, each resident, cold or dropped.
//! * [`DensePages`], [`Slots`]: pages without positions, for index vectors and for tokens that each KV head keeps
//!   on its own.

mod dense;
mod layer;
mod layout;
mod pool;
mod slots;
mod tier;

pub use dense::DensePages;
pub(crate) use layer::{KEYS, Stores, VALUES};
pub use layer::{LayerCache, Moved};
pub use layout::{Extent, Layout};
pub use pool::{Budget, Geometry, Pool};
pub use slots::Slots;
pub use tier::{ColdTier, Handle, HostTier, PageData};
