//! ZoomR.

use super::{Base, Choice, Policy};
use crate::{positions::PositionSet, segment::Stream};

/// Summaries stand for thoughts, and votes decide which thoughts return in full detail.
#[derive(Clone, Copy, Debug)]
pub struct Zoomr {
    /// What is visible without zooming.
    pub base: Base,
}

impl Policy for Zoomr {
    fn name(&self) -> &'static str {
        "zoomr"
    }

    fn base(&self, stream: &Stream, position: usize) -> PositionSet {
        self.base.visible(stream, position)
    }

    fn candidates(&self, stream: &Stream, position: usize) -> usize {
        stream.candidates(position, self.base.window)
    }

    fn choice(&self) -> Choice {
        Choice::Votes
    }
}
