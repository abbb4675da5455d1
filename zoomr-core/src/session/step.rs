//! Taking tokens in and running a step: once, or twice under [`Scope::TwoPass`].

use burn::tensor::backend::Backend;

use super::{Feed, Session, evict::Asked};
use crate::{
    Error,
    config::Scope,
    kernels::AttentionKernels,
    policy::Choice,
    positions::PositionSet,
    segment::{Due, Role},
    select::{Selection, Tally},
    stats::{RowStats, StepStats},
};

/// A step under way.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) groups: Vec<Group>,
    /// Every row's position in its sequence.
    pub(super) positions: Vec<usize>,
    /// The layer that must call next.
    pub(super) layer: usize,
    pub(super) stats: StepStats,
    /// Forward passes still to come, the one under way included.
    pub(super) passes: usize,
}

/// The rows of one sequence.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) sequence: usize,
    /// Whether the last row's votes decide something beyond their own layer.
    pub(super) waits: bool,
    pub(super) first_row: usize,
    /// The position of the first row, that is, the sequence's length before the step.
    pub(super) start: usize,
    /// What each row sees without zooming, in layers without a window of their own.
    pub(super) base: Vec<PositionSet>,
    /// How many thoughts each row may zoom into, in those layers.
    pub(super) candidates: Vec<usize>,
    /// Thoughts indexed before the step.
    pub(super) indexed: usize,
    /// What the last row zooms into, where votes of an earlier pass or step have decided it.
    pub(super) chosen: Option<Selection>,
    /// The last row's votes, over the layers so far.
    pub(super) total: Tally,
    /// Whether the rows are a prompt's.
    pub(super) prompt: bool,
    /// Whether tokens over a budget go when the step is over.
    pub(super) evicts: bool,
    /// What the rows asked for, per layer where tokens are evicted.
    pub(super) asked: Vec<Asked>,
    pub(super) stats: RowStats,
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Takes in as many of each feed's tokens as can go in one step, and runs `forward` over them.
    ///
    /// `forward` gets the session, as the hook to hand to every layer, and how many tokens of each feed were
    /// accepted; its rows are those tokens, feed after feed. It must call the hook for every layer in order.
    /// Under [`Scope::TwoPass`] it runs twice and must do the same both times. Returns the accepted counts
    /// and the (last) result of `forward`. All of a prompt goes in one step; streamed tokens stop where a
    /// summary is due, where the next token's selection depends on this one's votes, and where tokens are
    /// evicted before the next.
    ///
    /// # Errors
    /// Whatever `forward` or the hook says; [`Error::Protocol`] for an empty feed, a sequence fed twice, or a
    /// forward pass that skips a layer. The sequences are then as they were before.
    pub fn step<T, E: From<Error>>(
        &mut self,
        feeds: &[Feed<'_>],
        forward: impl FnMut(&mut Self, &[usize]) -> Result<T, E>,
    ) -> Result<(Vec<usize>, T), E> {
        let before: Vec<_> = feeds
            .iter()
            .map(|f| (f.sequence.0, self.sequence(f.sequence.0).map(super::sequence::Sequence::len)))
            .collect();
        let result = self.try_step(feeds, forward);
        if result.is_err() {
            self.step = None;
            for (id, len) in before {
                // A sequence that does not exist has nothing to restore.
                if let Ok(len) = len {
                    self.cut(id, len)?;
                }
            }
        }
        result
    }

    fn try_step<T, E: From<Error>>(
        &mut self,
        feeds: &[Feed<'_>],
        mut forward: impl FnMut(&mut Self, &[usize]) -> Result<T, E>,
    ) -> Result<(Vec<usize>, T), E> {
        let accepted = self.begin(feeds)?;
        loop {
            let output = forward(self, &accepted)?;
            if self.finish()? {
                return Ok((accepted, output));
            }
        }
    }

    fn begin(&mut self, feeds: &[Feed<'_>]) -> Result<Vec<usize>, Error> {
        let mut step = Step {
            groups: Vec::new(),
            positions: Vec::new(),
            layer: 0,
            stats: StepStats { resident_peak: self.budget.used(), ..StepStats::default() },
            passes: 1,
        };
        for feed in feeds {
            if feed.tokens.is_empty() || step.groups.iter().any(|g| g.sequence == feed.sequence.0) {
                return Err(Error::Protocol("each sequence of a step is fed once, with at least one token"));
            }
            let group = self.take_in(feed, step.positions.len())?;
            step.positions.extend(group.start..group.start + group.base.len());
            step.groups.push(group);
        }
        step.stats.rows = step.positions.len();
        if self.settings.scope == Scope::TwoPass && step.groups.iter().any(|g| g.waits) {
            step.passes = 2;
        }
        let accepted = step.groups.iter().map(|g| g.base.len()).collect();
        self.step = Some(step);
        Ok(accepted)
    }

    /// Segments the feed's tokens and works out what their rows see.
    fn take_in(&mut self, feed: &Feed<'_>, first_row: usize) -> Result<Group, Error> {
        let (id, scope, resident) = (feed.sequence.0, self.settings.scope, self.budget.used());
        let policy = self.settings.policy();
        // Rows of a prompt are scored layer by layer, so that a prompt need not go token by token.
        let carries = feed.role == Role::Stream && scope != Scope::Layer && policy.choice() == Choice::Votes;
        let sequence = self.sequence_mut(id)?;
        let start = sequence.len();
        let mut group = Group {
            sequence: id,
            waits: false,
            first_row,
            start,
            base: Vec::new(),
            candidates: Vec::new(),
            indexed: sequence.grammar.stream().retired(start),
            chosen: None,
            total: Tally::default(),
            prompt: feed.role == Role::Prompt,
            evicts: false,
            asked: Vec::new(),
            stats: RowStats { sequence: id, ..RowStats::default() },
        };
        for (position, token) in (start..).zip(feed.tokens) {
            sequence.grammar.push(*token, feed.role, resident);
            let stream = sequence.grammar.stream();
            let begins = stream.segments().last().is_some_and(|s| s.range.start == position);
            sequence.layout.push(begins);
            sequence.chosen.push(None);
            group.base.push(policy.base(stream, position));
            group.candidates.push(policy.candidates(stream, position));
            group.evicts = policy.eviction().is_some_and(|eviction| eviction.due(stream));
            group.waits = carries && group.last_candidates() > 0;
            let stops = group.waits || group.evicts || sequence.grammar.due() != Due::Nothing;
            if feed.role == Role::Stream && stops {
                break;
            }
        }
        if scope == Scope::Global && carries {
            let decided = group.last().checked_sub(1).and_then(|before| sequence.chosen[before].clone());
            group.chosen = decided.filter(|chosen| chosen.candidates == group.last_candidates());
        }
        group.stats.position = group.last();
        Ok(group)
    }

    /// Ends a pass; `false` where the forward pass must run once more.
    fn finish(&mut self) -> Result<bool, Error> {
        let Some(mut step) = self.step.take() else {
            return Err(Error::Protocol("no step is under way"));
        };
        if step.layer != self.layers.len() {
            return Err(Error::Protocol("the forward pass did not call the hook for every layer"));
        }
        step.passes -= 1;
        if step.passes > 0 {
            for group in &mut step.groups {
                if group.waits && !group.total.is_empty() {
                    group.chosen = Some(self.consensus(group.sequence, &group.total)?);
                }
                group.total = Tally::default();
                group.stats =
                    RowStats { sequence: group.sequence, position: group.last(), ..RowStats::default() };
            }
            step.layer = 0;
            self.step = Some(step);
            return Ok(false);
        }
        for group in &mut step.groups {
            let last = group.last();
            if self.settings.scope == Scope::Global && group.waits && !group.total.is_empty() {
                let chosen = self.consensus(group.sequence, &group.total)?;
                self.sequence_mut(group.sequence)?.chosen[last] = Some(chosen);
            }
            group.stats.votes = std::mem::take(&mut group.total.votes);
            self.settle(group)?;
        }
        self.close(step);
        Ok(true)
    }

    fn close(&mut self, step: Step) {
        let mut stats = step.stats;
        let acting = self.layers.iter().filter(|l| l.spec.sliding_window.is_none()).count().max(1);
        stats.last_rows = step.groups.into_iter().map(|g| g.stats).collect();
        stats.last_rows.iter_mut().for_each(|row| row.attended /= acting as f64);
        stats.bytes = self.account();
        stats.tokens_resident = self.tokens_resident();
        stats.full_bytes = self.full_bytes();
        self.run.add(&stats);
        self.last = stats;
    }

    pub(super) fn consensus(&self, sequence: usize, tally: &Tally) -> Result<Selection, Error> {
        let thoughts = self.sequence(sequence)?.grammar.stream().thoughts();
        Ok(Selection::consensus(tally, self.settings.zoom, |j| thoughts[j].detail.clone()))
    }
}

impl Group {
    /// The position of the last row.
    pub(super) fn last(&self) -> usize {
        self.start + self.base.len() - 1
    }

    fn last_candidates(&self) -> usize {
        self.candidates.last().copied().unwrap_or(0)
    }
}
