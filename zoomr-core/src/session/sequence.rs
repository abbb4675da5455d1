//! One sequence of a session: its segments, its pages, and what it keeps per layer.

use std::collections::VecDeque;

use burn::tensor::backend::Backend;

use super::Layer;
use crate::{
    cache::{Budget, ColdTier, LayerCache, Layout, Stores},
    index::Index,
    positions::PositionSet,
    segment::Grammar,
    select::Selection,
};

/// What a sequence keeps in one layer.
#[derive(Debug, Default)]
pub(super) struct LayerState {
    pub(super) cache: LayerCache,
    pub(super) index: Index,
    /// Thoughts whose detail is held resident, the most recently zoomed first.
    pub(super) recent: VecDeque<usize>,
}

#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) grammar: Grammar,
    pub(super) layout: Layout,
    pub(super) layers: Vec<LayerState>,
    /// For each token, what the votes of its step chose for the next one (scope `Global`).
    pub(super) chosen: Vec<Option<Selection>>,
}

impl Sequence {
    pub(super) fn new(grammar: Grammar, page_size: usize, layers: usize) -> Self {
        let layers = std::iter::repeat_with(LayerState::default).take(layers).collect();
        Self { grammar, layout: Layout::new(page_size), layers, chosen: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.grammar.stream().len()
    }

    pub(super) fn truncate<B: Backend>(
        &mut self,
        len: usize,
        layers: &mut [Layer<B>],
        tier: &mut dyn ColdTier,
        budget: &mut Budget,
    ) {
        self.grammar.truncate(len);
        self.layout.truncate(len);
        self.chosen.truncate(len);
        let retired = self.grammar.stream().retired(len);
        for (state, layer) in self.layers.iter_mut().zip(layers) {
            state.index.truncate(retired, &mut layer.index, budget);
            state.recent.retain(|&thought| thought < retired);
            let mut stores = Stores { pool: &mut layer.pool, tier: &mut *tier, budget: &mut *budget };
            state.cache.truncate(self.layout.pages().len(), &mut stores);
        }
    }
}

impl LayerState {
    /// Notes that `zoomed` was attended; at most `capacity` thoughts stay held, but never fewer than these.
    pub(super) fn touch(&mut self, zoomed: &[usize], capacity: Option<usize>) {
        self.recent.retain(|thought| !zoomed.contains(thought));
        zoomed.iter().for_each(|&thought| self.recent.push_front(thought));
        self.recent.truncate(capacity.unwrap_or(0).max(zoomed.len()));
    }

    /// The positions whose pages stay resident, given what the last row sees.
    pub(super) fn held(&self, sees: &PositionSet, grammar: &Grammar) -> PositionSet {
        let mut keep = sees.clone();
        let thoughts = grammar.stream().thoughts();
        self.recent.iter().for_each(|&thought| keep.insert(thoughts[thought].detail.clone()));
        keep
    }
}
