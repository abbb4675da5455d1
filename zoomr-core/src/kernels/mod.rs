//! The provider boundary: what a backend crate supplies, and nothing else.
//!
//! The core decides *what* is attended (positions, pages, thoughts); a provider computes it. Kernels see
//! pages and page tables, never sequences. `portable::Portable` implements all of it in
//! plain Burn tensor ops on any backend and is the reference that every other provider is tested against
//! (`testing::conformance`).
//!
//! The orphan rule decides the form: a backend crate cannot implement our traits for Burn's own types, so
//! it implements them on a unit type of its own.
//!
//! One trait a file:
//! * [`AttentionKernels`]: votes and attention over pages.
//! * [`PageStore`], [`KvStore`]: where the pages lie, and what policies work out from their keys.
//! * [`Zoom`]: blocks of tokens that a layer's own queries choose from; [`BlockStore`]: their vectors.
//! * [`LinearKernels`]: products with weight matrices.
//! * [`BlockKernels`]: what a layer does between its products. All of it has defaults.
//! * [`TrainingKernels`]: attention over [`Whole`] sequences, and gradients. Decoding needs none of it.

mod attention;
mod block;
mod grouped;
mod linear;
mod store;
mod training;
mod whole;
mod zoom;

pub use attention::{AttendGroup, AttentionKernels, GroupTable, ScoreGroup};
pub use block::{BlockKernels, HeadForm, RmsNorm, Rotation};
pub(crate) use grouped::{by_kv_head, by_row};
pub use linear::LinearKernels;
pub use store::{HeadMove, KvStore, Move, PageBytes, PageShape, PageSpan, PageStore, Slot};
pub use training::TrainingKernels;
pub use whole::Whole;
pub use zoom::{BlockStore, Candidate, Candidates, OwnedCandidates, Zoom};
