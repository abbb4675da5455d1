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
    kernels::{AttentionKernels, PageSpan},
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
    pub(super) index: &'a mut Pool<B, 1>,
    pub(super) policy: &'a dyn Policy,
    pub(super) own_window: bool,
    tier: &'a mut dyn ColdTier,
    pub(super) budget: &'a mut Budget,
}

impl<B: Backend> Parts<'_, B> {
    /// Makes room for the tokens appended; returns where they go.
    pub(super) fn open(&mut self, appended: Range<usize>, moved: &mut Moved) -> Result<Vec<PageSpan>, Error> {
        if let Some(evicting) = &mut self.state.evicting {
            return evicting.slots.open(appended.len(), self.pool, self.budget);
        }
        let mut stores = Stores { pool: self.pool, tier: self.tier, budget: self.budget };
        *moved += self.state.cache.open(self.layout, appended.clone(), &mut stores)?;
        Ok(self.state.cache.spans(self.layout, &appended.into()))
    }

    pub(super) fn fetch(&mut self, needed: &PositionSet, moved: &mut Moved) -> Result<(), Error> {
        // What is held in slots never went anywhere.
        if self.state.evicting.is_some() {
            return Ok(());
        }
        let mut stores = Stores { pool: self.pool, tier: self.tier, budget: self.budget };
        for range in needed.ranges() {
            *moved += self.state.cache.fetch(self.layout.overlapping(range.clone()), &mut stores)?;
        }
        Ok(())
    }

    pub(super) fn evict(&mut self, keep: &PositionSet) -> Result<Moved, Error> {
        // True masses are found by attending to everything, and pages are chosen from everything: all of it stays.
        // What evictors destroy goes when the step is over.
        let stays = matches!(self.policy.choice(), Choice::Mass | Choice::Pages(_));
        if stays || self.state.evicting.is_some() {
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
            let mean = gather(self.pool.slabs(KEYS), &spans).mean_dim(0);
            self.state.index.push(mean, self.index, self.budget)?;
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
