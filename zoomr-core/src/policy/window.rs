//! Attention sinks and a window.

use super::{Policy, recent};
use crate::{positions::PositionSet, segment::Stream};

/// Attention sinks and a window (StreamingLLM, arXiv 2309.17453): the first tokens and the most recent ones;
/// everything between is destroyed. A model's own sliding-window layers are this with no sinks.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The first tokens, always visible; 4 in the paper.
    pub sinks: usize,
    /// The most recent tokens, the row's own included.
    pub window: usize,
}

impl Policy for Window {
    fn name(&self) -> &'static str {
        "window"
    }

    fn base(&self, _: &Stream, position: usize) -> PositionSet {
        [0..self.sinks.min(position + 1), recent(position, self.window)].into_iter().collect()
    }

    fn keeps_detail(&self) -> bool {
        false
    }
}
