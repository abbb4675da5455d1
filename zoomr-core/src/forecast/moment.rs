//! What a policy holds of a stream's pages at some moment.

use std::{num::NonZeroUsize, ops::Range};

use super::{
    LayerKind,
    pages::{Counts, Pages},
};
use crate::{
    config::{AtHand, PolicyKind, Prefill, Settings, SummaryVisibility},
    policy::{Choice, Policy, ZoomBlocks, recent},
    select::Zoom,
    session::{SPREAD_VECTORS, VECTORS_PER_PAGE},
    stats::TierBytes,
};

/// A moment of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    /// Tokens that are there.
    tokens: usize,
    /// The row whose view is resident: the newest token's, or the one's before it.
    row: usize,
    /// Whether what is over a budget after the newest token has been destroyed.
    evicted: bool,
}

impl Moment {
    /// While the token at `newest` is computed, and what `row` sees is resident.
    pub(super) fn during(newest: usize, row: usize) -> Self {
        Self { tokens: newest + 1, row, evicted: false }
    }

    /// After the token at `newest`.
    pub(super) fn after(newest: usize) -> Self {
        Self { tokens: newest + 1, row: newest, evicted: true }
    }
}

/// What a row sees without zooming.
struct Base {
    /// The first tokens.
    head: usize,
    /// The last ones, up to the row.
    tail: Range<usize>,
    /// Whether every summary is seen.
    summaries: bool,
}

/// Slots of an index, those of pages that are not full included.
#[derive(Clone, Copy, Debug, Default)]
struct IndexSlots {
    /// Of vectors as keys are.
    keys: usize,
    /// Of blocks' vectors.
    blocks: usize,
}

/// How settings act on a stream.
pub(super) struct Rules<'a> {
    settings: &'a Settings,
    policy: &'a dyn Policy,
    pages: Pages,
}

impl<'a> Rules<'a> {
    /// The rules of `settings`, whose policy is `policy`.
    pub(super) fn new(settings: &'a Settings, policy: &'a dyn Policy, pages: Pages) -> Self {
        Self { settings, policy, pages }
    }

    /// Bytes by tier in layers of these kinds, if each thought that the row zooms into has as many tokens as one of
    /// `lengths`, whichever takes most.
    pub(super) fn bytes(
        &self,
        kinds: &[(LayerKind, u64)],
        moment: Moment,
        lengths: &[NonZeroUsize],
    ) -> TierBytes {
        let base = self.base(moment.row);
        let held = self.held(&base);
        let opened = self.pages.opened(moment.tokens);
        let newest = opened - self.pages.opened(moment.row + 1);
        let zoomed = match self.policy.choice() {
            // Whatever is at hand is there to choose from.
            Choice::Blocks(rule) | Choice::BlockMass(rule) => {
                let outside = self.pages.opened(moment.row + 1).all() - held.all();
                let at_hand = |&length: &NonZeroUsize| self.at_hand(&rule, moment.row, length);
                outside.min(lengths.iter().map(at_hand).max().unwrap_or(usize::MAX))
            }
            _ => lengths.iter().map(|&length| self.zoomed(&base, moment.row, length)).max().unwrap_or(0),
        };
        let (index, cold) = (self.index(moment.tokens), self.cold(moment.tokens, opened, held));
        let slots = self.slots(moment);

        let mut sum = TierBytes::default();
        for (kind, layers) in kinds {
            let page = self.pages.size() as u64 * kind.token * layers;
            let pages = match (kind.sliding_window, slots) {
                (Some(window), _) => {
                    let own = self.pages.overlapping(recent(moment.row, window.get())) + newest;
                    sum.window += own.all() as u64 * page;
                    own.all()
                }
                (None, Some(slots)) => {
                    sum.window += slots as u64 * page;
                    slots
                }
                (None, None) => {
                    sum.prompt += (held + newest).prompt as u64 * page;
                    sum.summaries += (held + newest).summaries as u64 * page;
                    sum.window += held.thoughts as u64 * page;
                    sum.zoomed += (zoomed + newest.thoughts) as u64 * page;
                    if kind.indexed {
                        let vectors = index.keys as u64 * kind.index + index.blocks as u64 * kind.block;
                        sum.index += vectors * layers;
                    }
                    sum.cold += cold as u64 * page;
                    (held + newest).all() + zoomed
                }
            };
            let slabs = pages.next_multiple_of(self.settings.slab_pages);
            sum.free += (slabs - pages) as u64 * page;
        }
        sum
    }

    fn base(&self, row: usize) -> Base {
        let (end, window) = (row + 1, recent(row, self.settings.window));
        if let Some(rule) = self.policy.choice().blocks() {
            let zoomable = self.zoomable(&rule, row);
            return Base { head: zoomable.start, tail: zoomable.end..end, summaries: true };
        }
        match self.settings.policy {
            PolicyKind::Full | PolicyKind::H2o | PolicyKind::Rkv | PolicyKind::Quest => {
                Base { head: 0, tail: 0..end, summaries: false }
            }
            PolicyKind::Window => Base { head: self.settings.sinks.min(end), tail: window, summaries: false },
            kind @ (PolicyKind::Summaries | PolicyKind::Zoomr | PolicyKind::Oracle) => {
                let head = self.pages.prompt.min(end).min(self.settings.keep_prompt.unwrap_or(usize::MAX));
                // What has not retired is seen from its first token on.
                let open = self.pages.prompt + self.pages.retired(row) * self.pages.cycle;
                let summaries =
                    kind == PolicyKind::Summaries || self.settings.summaries == SummaryVisibility::All;
                Base { head, tail: window.start.min(open)..end, summaries }
            }
        }
    }

    /// The positions between which the row chooses blocks, as [`ZoomBlocks::zoomable`] has them.
    fn zoomable(&self, rule: &ZoomBlocks, row: usize) -> Range<usize> {
        let block = |position| self.pages.within_block(position, rule.size).unwrap_or_default();
        let (into, left) = block(rule.kept);
        let first = rule.kept.saturating_add(if into > 0 { left.min(rule.size - into) } else { 0 });
        let window = (row + 1).saturating_sub(rule.window);
        let last = window - block(window).0;
        let seen_by_all = if rule.prefill == Prefill::Full { self.pages.prompt } else { 0 };
        let sees_all = row < rule.spread_tokens.max(seen_by_all) || last <= first;
        if sees_all { 0..0 } else { first..last }
    }

    /// The pages that hold any of what is seen, or, with blocks, of prompts and summaries.
    fn held(&self, base: &Base) -> Counts {
        let tail = self.pages.overlapping(base.tail.clone());
        let (head, all) = (self.pages.opened(base.head), self.pages.opened(base.tail.end));
        // They may meet on a page.
        let seen = if head.all() + tail.all() >= all.all() { all } else { head + tail };
        match self.policy.choice() {
            Choice::Blocks(rule) | Choice::BlockMass(rule)
                if self.limit(&rule, base.tail.end - 1).is_none() =>
            {
                Counts { thoughts: seen.thoughts, ..all }
            }
            _ if base.summaries => Counts { summaries: all.summaries, ..seen },
            _ => seen,
        }
    }

    /// Tokens of passages that are at hand for the row; `None` for all: of a prompt, too, until a row that comes after
    /// it has said which.
    fn limit(&self, rule: &ZoomBlocks, row: usize) -> Option<usize> {
        let limited = rule.at_hand != AtHand::All && row > self.pages.prompt;
        limited.then(|| rule.at_hand.of(row)).filter(|&tokens| tokens < row)
    }

    /// The most pages of passages at hand, with thoughts of `length` tokens: the last passage is whatever was chosen.
    fn at_hand(&self, rule: &ZoomBlocks, row: usize, length: NonZeroUsize) -> usize {
        let tokens = self.limit(rule, row).map_or(usize::MAX, |tokens| tokens.saturating_add(rule.passage));
        tokens.saturating_mul(self.pages.of_thought(length)).div_ceil(length.get())
    }

    /// Pages of the thoughts zoomed into or held, each of `length` tokens and outside of what is seen anyway.
    fn zoomed(&self, base: &Base, row: usize, length: NonZeroUsize) -> usize {
        let left = self.pages.begun((row + 1).saturating_sub(self.settings.window));
        let candidates = left.min(self.pages.retired(row));
        let count = thoughts_held(self.settings, self.policy.choice(), candidates, length);
        let outside = candidates.min(self.pages.ended(base.tail.start));
        outside.min(count) * self.pages.of_thought(length)
    }

    /// The index of a layer that has one.
    fn index(&self, tokens: usize) -> IndexSlots {
        let keys =
            |vectors: usize| IndexSlots { keys: vectors.next_multiple_of(self.pages.size()), blocks: 0 };
        match self.policy.choice() {
            Choice::Votes => keys(self.pages.retired(tokens)),
            Choice::Pages(quest) => keys(quest.vectors(tokens)),
            Choice::Blocks(rule) if tokens >= rule.spread_tokens => {
                let blocks = self.pages.blocks(tokens, rule.size).next_multiple_of(VECTORS_PER_PAGE);
                IndexSlots { keys: if blocks > 0 { SPREAD_VECTORS } else { 0 }, blocks }
            }
            Choice::Nothing | Choice::Mass | Choice::Blocks(_) | Choice::BlockMass(_) => {
                IndexSlots::default()
            }
        }
    }

    /// Pages that have left the window, and so have a copy in the cold tier.
    fn cold(&self, tokens: usize, opened: Counts, held: Counts) -> usize {
        let stays = match self.policy.choice() {
            Choice::Mass | Choice::BlockMass(_) => true,
            Choice::Blocks(rule) => rule.at_hand.of(tokens) >= tokens,
            Choice::Votes | Choice::Pages(_) | Choice::Nothing => false,
        };
        let leaves = self.policy.keeps_detail() && !stays;
        if leaves { opened.all() - held.all() } else { 0 }
    }

    /// Pages that a KV head's tokens take, where tokens are evicted one by one.
    fn slots(&self, moment: Moment) -> Option<usize> {
        let eviction = self.policy.eviction()?;
        let after = |tokens: usize| match tokens.checked_sub(self.pages.prompt) {
            None | Some(0) => tokens,
            Some(generated) => {
                let since = generated - eviction.last_due(generated);
                (tokens - since).min(eviction.budget()) + since
            }
        };
        let held = if moment.evicted { after(moment.tokens) } else { after(moment.tokens - 1) + 1 };
        Some(held.div_ceil(self.pages.size()))
    }
}

/// How many of the candidates, each of `length` tokens, are held in full at most.
pub(crate) fn thoughts_held(
    settings: &Settings,
    choice: Choice,
    candidates: usize,
    length: NonZeroUsize,
) -> usize {
    match (choice, settings.zoom) {
        (Choice::Nothing | Choice::Pages(_) | Choice::Blocks(_) | Choice::BlockMass(_), _) => 0,
        (Choice::Mass, _) => candidates,
        (Choice::Votes, Zoom::Thoughts(count)) => count.max(settings.resident_thoughts.unwrap_or(0)),
        (Choice::Votes, Zoom::Tokens(budget)) => budget / length,
        // Scores spread evenly would take this many.
        (Choice::Votes, Zoom::Mass(share)) => (share * candidates as f64).ceil() as usize,
    }
}
