//! Coarse-to-fine selection: score, vote, consensus.
//!
//! * [`Tally`]: one row's votes for the candidate thoughts (steps 1 and 2 of METHOD.md).
//! * [`Ballot`]: where votes of many layers are gathered until they are read.
//! * [`BlockRule`]: from shares to the blocks that a layer attends to (steps 5 to 7).
//! * [`Taken`]: from shares to the passages that are at hand at the next step.
//! * [`WholeBlocks`]: the blocks of a whole sequence, as training sees it.
//! * [`Zoom`]: how many thoughts a consensus zooms into; [`Selection`]: the ones it chose (step 3).

mod ballot;
mod best;
mod blocks;
mod consensus;
mod taken;
mod tally;
mod whole;

pub use ballot::{Ballot, HostBallot};
pub(crate) use best::{add_softmax, best};
pub use blocks::{BlockRule, block_shares, log_partition};
pub use consensus::{Selection, Zoom};
pub use taken::Taken;
pub use tally::{SHARE_UNITS, Tally};
pub use whole::WholeBlocks;
