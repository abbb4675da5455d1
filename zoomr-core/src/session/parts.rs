//! One layer of one sequence, borrowed apart: its pages, its index, and what moves them.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{
    Layer, Session,
    sequence::{LayerState, Sequence},
};
use crate::{
    Error,
    cache::{Budget, ColdTier, KEYS, Layout, Moved, Pool, Stores},
    kernels::AttentionKernels,
    policy::{Choice, Policy},
    portable::gather,
    positions::PositionSet,
    segment::Grammar,
};

/// One layer of one sequence, borrowed apart.
pub(super) struct Parts<'a, B: Backend> {
    pub(super) grammar: &'a Grammar,
    pub(super) layout: &'a Layout,
    pub(super) state: &'a mut LayerState,
    pub(super) pool: &'a mut Pool<B, 2>,
    index: &'a mut Pool<B, 1>,
    policy: &'a dyn Policy,
    pub(super) own_window: bool,
    tier: &'a mut dyn ColdTier,
    budget: &'a mut Budget,
}

impl<B: Backend> Parts<'_, B> {
    pub(super) fn zooms_by_votes(&self) -> bool {
        !self.own_window && self.policy.choice() == Choice::Votes
    }

    pub(super) fn open(&mut self, appended: Range<usize>) -> Result<Moved, Error> {
        let mut stores = Stores { pool: self.pool, tier: self.tier, budget: self.budget };
        self.state.cache.open(self.layout, appended, &mut stores)
    }

    pub(super) fn fetch(&mut self, needed: &PositionSet, moved: &mut Moved) -> Result<(), Error> {
        let mut stores = Stores { pool: self.pool, tier: self.tier, budget: self.budget };
        for range in needed.ranges() {
            *moved += self.state.cache.fetch(self.layout.overlapping(range.clone()), &mut stores)?;
        }
        Ok(())
    }

    pub(super) fn evict(&mut self, keep: &PositionSet) -> Result<Moved, Error> {
        // True masses are found by attending to everything: all of it stays.
        if self.policy.choice() == Choice::Mass {
            return Ok(Moved::default());
        }
        let mut stores = Stores { pool: self.pool, tier: self.tier, budget: self.budget };
        self.state.cache.evict(self.layout, keep, self.policy.keeps_detail(), &mut stores)
    }

    /// Adds the vectors of thoughts that have retired since the first `indexed`; what a first pass of the
    /// same step added is done over.
    pub(super) fn index_retired(&mut self, indexed: usize, moved: &mut Moved) -> Result<(), Error> {
        let stream = self.grammar.stream();
        self.state.index.truncate(indexed.min(self.state.index.len()), self.index, self.budget);
        for thought in &stream.thoughts()[self.state.index.len()..stream.retired(stream.len())] {
            let source = thought.indexed_by().into();
            // Resident already, but where a truncation has reopened a thought that was cold.
            self.fetch(&source, moved)?;
            let spans = self.state.cache.spans(self.layout, &source);
            self.state.index.push(gather(self.pool.slabs(KEYS), &spans), self.index, self.budget)?;
        }
        Ok(())
    }
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// One layer of one sequence, with what its cache works with.
    pub(super) fn parts(&mut self, layer: usize, sequence: usize) -> Result<Parts<'_, B>, Error> {
        let Sequence { grammar, layout, layers, .. } =
            self.sequences.get_mut(&sequence).ok_or(Error::NoSequence(sequence))?;
        let Layer { pool, index, policy, spec } = &mut self.layers[layer];
        Ok(Parts {
            grammar,
            layout,
            state: &mut layers[layer],
            pool,
            index,
            policy: &**policy,
            own_window: spec.sliding_window.is_some(),
            tier: self.tier.as_mut(),
            budget: &mut self.budget,
        })
    }
}
