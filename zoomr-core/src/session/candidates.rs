//! Which blocks the rows of a step may choose from, as numbers of blocks.

use std::ops::Range;

use super::sequence::Sequence;
use crate::policy::ZoomBlocks;

/// The blocks that the rows of a sequence may choose from.
#[derive(Clone, Debug, Default)]
pub(super) struct BlockCandidates {
    /// The first of them.
    pub(super) first: usize,
    /// For each row, how many there are from the first on.
    pub(super) counts: Vec<usize>,
    /// Thoughts that they may belong to.
    pub(super) thoughts: usize,
}

impl BlockCandidates {
    /// Those of the rows at `positions`.
    pub(super) fn new(sequence: &Sequence, rule: &ZoomBlocks, positions: Range<usize>) -> Self {
        let (stream, blocks) = (sequence.grammar.stream(), &sequence.blocks);
        let zoomable: Vec<Range<usize>> = positions.map(|position| rule.zoomable(stream, position)).collect();
        // Where a row has any, they begin where those of the others do.
        let first =
            zoomable.iter().find(|range| !range.is_empty()).map_or(0, |range| blocks.begun(range.start));
        let counts = zoomable.iter().map(|range| blocks.ended(range.end).saturating_sub(first)).collect();
        Self { first, counts, thoughts: stream.thoughts().len() }
    }

    /// How many the last row chooses from.
    pub(super) fn last(&self) -> usize {
        self.counts.last().copied().unwrap_or(0)
    }

    /// The most that a row chooses from.
    pub(super) fn most(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0)
    }
}
