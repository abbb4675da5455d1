//! Ballots: where votes are gathered until somebody reads them.
//!
//! Every layer of a step adds its votes; what they come to is asked for once, after the last. A provider whose
//! votes are cast on a device keeps them there until then.

use std::fmt::Debug;

use super::Tally;

/// Votes gathered over layers, row by row.
pub trait Ballot: Debug + Send {
    /// What the votes add up to so far, a tally for each row: on a device, the moment that waits for it.
    fn read(&self) -> Vec<Tally>;
}

/// A ballot in host memory.
#[derive(Clone, Debug, Default)]
pub struct HostBallot {
    rows: Vec<Tally>,
}

impl HostBallot {
    /// An empty ballot: row `r` is about `candidates[r]` thoughts.
    pub fn new(candidates: &[usize]) -> Self {
        Self { rows: candidates.iter().map(|&candidates| Tally::none(candidates)).collect() }
    }

    /// The rows, to be voted in.
    pub fn rows_mut(&mut self) -> &mut [Tally] {
        &mut self.rows
    }
}

impl Ballot for HostBallot {
    fn read(&self) -> Vec<Tally> {
        self.rows.clone()
    }
}
