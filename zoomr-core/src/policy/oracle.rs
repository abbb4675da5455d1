//! Zooming by hindsight.

use super::{Base, Choice, Policy, ZoomBlocks};
use crate::{positions::PositionSet, segment::Stream};

/// As [`Zoomr`](super::Zoomr), but the thoughts with most true attention mass return, and heads vote by what they truly
/// attend to.
///
/// Everything stays resident, since finding them takes full attention: for tables, not a way to save memory. It is the
/// best there is for a model used to full attention; one that was trained on what its own votes show may do better with
/// those.
#[derive(Clone, Copy, Debug)]
pub struct Oracle {
    /// What is visible without zooming.
    pub base: Base,
}

impl Policy for Oracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn base(&self, stream: &Stream, position: usize) -> PositionSet {
        self.base.visible(stream, position)
    }

    fn candidates(&self, stream: &Stream, position: usize) -> usize {
        stream.candidates(position, self.base.window)
    }

    fn choice(&self) -> Choice {
        Choice::Mass
    }
}

/// As [`ZoomBlocks`], but the blocks with most true attention mass return, and everything stays resident.
#[derive(Clone, Copy, Debug)]
pub struct BlockOracle {
    /// Which blocks there are, and how many return.
    pub blocks: ZoomBlocks,
}

impl Policy for BlockOracle {
    fn name(&self) -> &'static str {
        "oracle"
    }

    fn base(&self, stream: &Stream, position: usize) -> PositionSet {
        self.blocks.base(stream, position)
    }

    fn choice(&self) -> Choice {
        Choice::BlockMass(self.blocks)
    }
}
