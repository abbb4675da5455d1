//! The blocks of a whole sequence that its rows choose from, as training sees it: plain positions.

use std::ops::Range;

use super::BlockRule;

/// What the rows of a whole sequence choose from.
#[derive(Clone, Debug)]
pub struct WholeBlocks {
    /// The blocks that say how keys spread: at least one, where there is a candidate.
    pub spread: Vec<Range<usize>>,
    /// The blocks that rows choose from, in order.
    pub candidates: Vec<Range<usize>>,
    /// How many of these (the oldest ones) each row chooses from.
    pub counts: Vec<usize>,
    /// How many of these it takes.
    pub rule: BlockRule,
}
