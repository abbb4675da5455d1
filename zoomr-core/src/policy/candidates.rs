//! Which blocks the rows of a sequence may choose from: of a step's, as numbers of blocks, and of all, as positions.

use std::ops::Range;

use super::ZoomBlocks;
use crate::{cache::Blocks, segment::Stream, select::WholeBlocks};

/// The blocks that the rows of a sequence may choose from.
#[derive(Clone, Debug, Default)]
pub struct BlockCandidates {
    /// The first of them.
    pub first: usize,
    /// For each row, how many there are from the first on.
    pub counts: Vec<usize>,
    /// Passages that they may belong to.
    pub passages: usize,
}

impl BlockCandidates {
    /// Those of the rows at `positions`; `blocks` are the stream's.
    pub fn new(stream: &Stream, blocks: &Blocks, rule: &ZoomBlocks, positions: Range<usize>) -> Self {
        let zoomable: Vec<Range<usize>> = positions.map(|position| rule.zoomable(stream, position)).collect();
        // Where a row has any, they begin where those of the others do.
        let first =
            zoomable.iter().find(|range| !range.is_empty()).map_or(0, |range| blocks.begun(range.start));
        let counts = zoomable.iter().map(|range| blocks.ended(range.end).saturating_sub(first)).collect();
        Self { first, counts, passages: blocks.passages().len() }
    }

    /// Their numbers.
    pub fn numbers(&self) -> Range<usize> {
        self.first..self.first + self.most()
    }

    /// How many the last row chooses from.
    pub fn last(&self) -> usize {
        self.counts.last().copied().unwrap_or(0)
    }

    /// The most that a row chooses from.
    pub fn most(&self) -> usize {
        self.counts.iter().copied().max().unwrap_or(0)
    }
}

impl ZoomBlocks {
    /// What the first `rows` tokens of `stream` choose from, once all of them are there.
    pub fn whole(&self, stream: &Stream, rows: usize) -> WholeBlocks {
        let mut blocks = self.no_blocks();
        blocks.follow(stream);
        let candidates = BlockCandidates::new(stream, &blocks, self, 0..rows);
        let ranges = |numbers: Range<usize>| -> Vec<Range<usize>> {
            blocks.all()[numbers].iter().map(|block| block.range.clone()).collect()
        };
        let numbers = candidates.numbers();
        let spread = if numbers.is_empty() { Vec::new() } else { ranges(self.spread_blocks(&blocks)) };
        WholeBlocks { spread, candidates: ranges(numbers), counts: candidates.counts, rule: self.rule }
    }
}
