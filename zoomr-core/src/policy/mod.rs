//! Policies: what a row sees whatever its query asks for, and how the rest is chosen.
//!
//! One file each. A policy speaks of positions only (of tokens by their age, where it evicts); pages, tiers and
//! tensors follow from what it says.

mod blocks;
mod candidates;
mod evict;
mod full;
mod h2o;
mod oracle;
pub mod quest;
pub mod rkv;
mod summaries;
mod window;
mod zoomr;

pub use blocks::ZoomBlocks;
pub use candidates::BlockCandidates;
pub use evict::{Eviction, Evictor, Keys};
pub use full::Full;
pub use h2o::H2o;
pub use oracle::{BlockOracle, Oracle};
pub use quest::Quest;
pub use rkv::Rkv;
pub use summaries::Summaries;
pub use window::Window;
pub use zoomr::Zoomr;

use crate::{
    positions::PositionSet,
    segment::{Kind, Stream},
};

/// How a policy picks what a row sees besides its base, or of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It picks nothing.
    Nothing,
    /// Thoughts to zoom into, by votes and consensus.
    Votes,
    /// Thoughts to zoom into, by true attention mass, found by attending to everything first.
    Mass,
    /// Pages of the base, each query head its own.
    Pages(Quest),
    /// Blocks of tokens, each KV head or layer its own, inside of attention.
    Blocks(ZoomBlocks),
    /// The same, by true attention mass.
    BlockMass(ZoomBlocks),
}

impl Choice {
    /// Which blocks there are to choose from, where it picks blocks.
    pub fn blocks(self) -> Option<ZoomBlocks> {
        match self {
            Self::Blocks(blocks) | Self::BlockMass(blocks) => Some(blocks),
            Self::Nothing | Self::Votes | Self::Mass | Self::Pages(_) => None,
        }
    }
}

/// What rows see. Where a policy says nothing else, it is full attention.
pub trait Policy: Send + Sync + std::fmt::Debug {
    /// The name on the command line and in tables.
    fn name(&self) -> &'static str;

    /// What the row at `position` sees whatever its query asks for. `stream` may already hold later tokens;
    /// the set must depend only on tokens up to `position`, and hold `position` itself.
    fn base(&self, _stream: &Stream, position: usize) -> PositionSet {
        PositionSet::from(0..position + 1)
    }

    /// How many thoughts (the oldest ones) that row may zoom into.
    fn candidates(&self, _stream: &Stream, _position: usize) -> usize {
        0
    }

    /// How it picks among them.
    fn choice(&self) -> Choice {
        Choice::Nothing
    }

    /// Whether detail that leaves the device is kept in a colder tier rather than destroyed.
    fn keeps_detail(&self) -> bool {
        true
    }

    /// How it destroys tokens one by one, each KV head its own, if it does; rows then see all that is left.
    fn eviction(&self) -> Option<&dyn Eviction> {
        None
    }
}

/// The most recent `window` positions up to `position`, which is one of them.
pub fn recent(position: usize, window: usize) -> std::ops::Range<usize> {
    (position + 1).saturating_sub(window.max(1))..position + 1
}

/// What zoomr, its oracle and `summaries` have in common: prompt, ordinary text, window and all that has
/// not retired yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// How many of the sequence's first tokens stay visible, of those that belong to a prompt.
    pub prompt: usize,
    /// The window in tokens.
    pub window: usize,
    /// Whether every retired thought's summary is visible.
    pub summaries: bool,
}

impl Base {
    /// What the row at `position` sees.
    pub fn visible(&self, stream: &Stream, position: usize) -> PositionSet {
        let end = position + 1;
        let mut set = PositionSet::default();
        set.insert(recent(position, self.window));
        for segment in stream.segments().iter().take_while(|s| s.range.start < end) {
            let range = segment.range.start..segment.range.end.min(end);
            match segment.kind {
                Kind::Prompt => set.insert(range.start..range.end.min(self.prompt)),
                Kind::Answer => set.insert(range),
                Kind::Summary if self.summaries => set.insert(range),
                Kind::Summary | Kind::Thought => {}
            }
        }
        if let Some(thought) = stream.thoughts().get(stream.retired(position)) {
            set.insert(thought.detail.start..end);
        }
        set
    }
}
