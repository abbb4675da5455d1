//! Coarse-to-fine selection: score, vote, consensus.
//!
//! * [`Tally`]: one row's votes for the candidate thoughts (steps 1 and 2 of METHOD.md).
//! * [`Zoom`]: how many thoughts a consensus zooms into; [`Selection`]: the ones it chose (step 3).

mod best;
mod consensus;
mod tally;

pub(crate) use best::{add_softmax, best};
pub use consensus::{Selection, Zoom};
pub use tally::Tally;
