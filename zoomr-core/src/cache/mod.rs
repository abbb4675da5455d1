//! Where keys and values live, in page numbers: plain integers. Bytes are the store's
//! ([`KvStore`](crate::kernels::KvStore)), which the provider owns.
//!
//! * [`Layout`]: which positions of a sequence share a page; the same in every band.
//! * [`Blocks`]: which tokens of a sequence make a block, and which blocks a passage.
//! * [`Pages`]: the numbers of one band's pages, shared by all sequences; [`KvBudget`]: how many bytes there may be.
//! * [`Residency`]: one sequence's pages in one band, each resident, cold or dropped.
//! * [`ColdTier`]: where pages go that no row needs now; [`HostTier`] keeps them in host memory; [`ColdPages`] counts
//!   who holds them.
//! * [`DensePages`], [`Slots`]: pages without positions, for index vectors and for tokens that each KV head keeps
//!   on its own.

mod blocks;
mod budget;
mod cold;
mod dense;
mod layout;
mod pages;
mod residency;
mod slots;
mod tier;

pub use blocks::{Block, Blocks, Passage};
pub use budget::KvBudget;
pub use cold::ColdPages;
pub use dense::DensePages;
pub use layout::{Extent, Layout};
pub use pages::Pages;
pub use residency::{Moved, Residency, Tiers};
pub use slots::Slots;
pub use tier::{ColdTier, Handle, HostTier};
