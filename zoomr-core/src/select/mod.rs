//! Coarse-to-fine selection: score, vote, consensus.
//!
//! * [`tally`](crate::select::tally): one row's votes for the candidate thoughts (steps 1 and 2).

pub mod tally;

pub use tally::Tally;
