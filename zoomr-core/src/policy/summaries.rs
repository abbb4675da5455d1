//! Summaries only.

use super::{Base, Policy};
use crate::{positions::PositionSet, segment::Stream};

/// Summaries stand for thoughts and nobody ever zooms (SumR, Memento): a retired thought's detail is destroyed.
#[derive(Clone, Copy, Debug)]
pub struct Summaries {
    /// What is visible; `summaries` is set.
    base: Base,
}

impl Summaries {
    /// Prompt, summaries and window.
    pub fn new(prompt: usize, window: usize) -> Self {
        Self { base: Base { prompt, window, summaries: true } }
    }
}

impl Policy for Summaries {
    fn name(&self) -> &'static str {
        "summaries"
    }

    fn base(&self, stream: &Stream, position: usize) -> PositionSet {
        self.base.visible(stream, position)
    }

    fn keeps_detail(&self) -> bool {
        false
    }
}
