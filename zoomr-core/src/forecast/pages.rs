//! The pages of a stream in which everything repeats: `prompt (thought summary)*`, each segment on pages of its own.
//!
//! Pages are numbered as they open. All is arithmetic on the position and the lengths: nothing is stored.

use std::{
    num::NonZeroUsize,
    ops::{Add, Range, Sub},
};

use super::Assumption;

/// Pages, by the kind of their segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) prompt: usize,
    pub(super) thoughts: usize,
    pub(super) summaries: usize,
}

impl Counts {
    pub(super) fn all(self) -> usize {
        self.prompt + self.thoughts + self.summaries
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            prompt: self.prompt + other.prompt,
            thoughts: self.thoughts + other.thoughts,
            summaries: self.summaries + other.summaries,
        }
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            prompt: self.prompt - other.prompt,
            thoughts: self.thoughts - other.thoughts,
            summaries: self.summaries - other.summaries,
        }
    }
}

/// Where a stream's segments and pages lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    pub(super) prompt: usize,
    thought: usize,
    /// Tokens of a thought with its summary.
    pub(super) cycle: usize,
    page_size: usize,
}

impl Pages {
    /// The pages of a run, of `page_size` tokens each.
    pub(super) fn new(run: Assumption, page_size: usize) -> Self {
        let thought = run.thought.get();
        Self { prompt: run.prompt, thought, cycle: thought.saturating_add(run.summary), page_size }
    }

    /// Tokens of a page.
    pub(super) fn size(&self) -> usize {
        self.page_size
    }

    /// Pages that a thought of so many tokens takes.
    pub(super) fn of_thought(&self, tokens: NonZeroUsize) -> usize {
        tokens.get().div_ceil(self.page_size)
    }

    /// The pages that have opened when the first `tokens` tokens are there.
    pub(super) fn opened(&self, tokens: usize) -> Counts {
        let Some(streamed) = tokens.checked_sub(self.prompt) else {
            return Counts { prompt: tokens.div_ceil(self.page_size), ..Counts::default() };
        };
        let (cycles, rest) = (streamed / self.cycle, streamed % self.cycle);
        let pages = |tokens: usize| tokens.div_ceil(self.page_size);
        let (thought, summary) = (rest.min(self.thought), rest.saturating_sub(self.thought));
        Counts {
            prompt: pages(self.prompt),
            thoughts: cycles * pages(self.thought) + pages(thought),
            summaries: cycles * pages(self.cycle - self.thought) + pages(summary),
        }
    }

    /// The pages that hold any of `positions`.
    pub(super) fn overlapping(&self, positions: Range<usize>) -> Counts {
        if positions.is_empty() {
            return Counts::default();
        }
        self.opened(positions.end) - self.before(positions.start)
    }

    /// The pages before the one that holds `position`.
    fn before(&self, position: usize) -> Counts {
        let mut counts = self.opened(position + 1);
        let last = match position.checked_sub(self.prompt).map(|streamed| streamed % self.cycle) {
            None => &mut counts.prompt,
            Some(at) if at < self.thought => &mut counts.thoughts,
            Some(_) => &mut counts.summaries,
        };
        *last -= 1;
        counts
    }

    /// The blocks of `size` tokens that are closed when the first `tokens` tokens are there: full ones, and the last of
    /// every segment that another has followed.
    pub(super) fn blocks(&self, tokens: usize, size: usize) -> usize {
        let Some(streamed) = tokens.checked_sub(self.prompt + 1) else { return tokens / size };
        let (cycles, last) = (streamed / self.cycle, streamed % self.cycle + 1);
        let whole = self.thought.div_ceil(size);
        let open = if last > self.thought { whole } else { last / size };
        self.prompt.div_ceil(size) + cycles * whole + open
    }

    /// How far into a block of `size` tokens `position` lies, and the tokens of its prompt or thought from there on;
    /// `None` in a summary, which has no blocks.
    pub(super) fn within_block(&self, position: usize, size: usize) -> Option<(usize, usize)> {
        let (at, len) = match position.checked_sub(self.prompt) {
            None => (position, self.prompt),
            Some(streamed) => (streamed % self.cycle, self.thought),
        };
        (at < len).then(|| (at % size, len - at))
    }

    /// How many thoughts have retired when the first `tokens` tokens are there: each does with the end of its cycle.
    pub(super) fn retired(&self, tokens: usize) -> usize {
        tokens.saturating_sub(self.prompt) / self.cycle
    }

    /// How many thoughts begin before `position`.
    pub(super) fn begun(&self, position: usize) -> usize {
        position.saturating_sub(self.prompt).div_ceil(self.cycle)
    }

    /// How many thoughts end, their summaries not counted, at `position` or before it.
    pub(super) fn ended(&self, position: usize) -> usize {
        let first = self.prompt.saturating_add(self.thought);
        position.checked_sub(first).map_or(0, |more| more / self.cycle + 1)
    }
}
