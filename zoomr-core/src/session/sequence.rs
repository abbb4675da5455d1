//! One sequence of a session: its segments, its pages, and what it keeps per layer.

use std::collections::VecDeque;

use burn::tensor::backend::Backend;

use super::{Layer, evict::Evicting};
use crate::{
    cache::{Budget, ColdTier, LayerCache, Layout, Stores},
    index::Index,
    kernels::PageSpan,
    positions::PositionSet,
    segment::Grammar,
    select::Selection,
};

/// What a sequence keeps in one layer.
#[derive(Debug)]
pub(super) struct LayerState {
    pub(super) cache: LayerCache,
    pub(super) index: Index,
    /// Thoughts whose detail is held resident, the most recently zoomed first.
    pub(super) recent: VecDeque<usize>,
    /// Under a policy that evicts, the tokens held; `cache` is then empty.
    pub(super) evicting: Option<Evicting>,
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
    pub(super) fn new<B: Backend>(grammar: Grammar, page_size: usize, layers: &[Layer<B>]) -> Self {
        let layers = layers.iter().map(LayerState::new).collect();
        Self { grammar, layout: Layout::new(page_size), layers, chosen: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.grammar.stream().len()
    }

    /// Cuts back to the first `len` tokens; where a policy evicts, that is nothing or what the last step left.
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
            state.index.truncate(layer.indexed(self.grammar.stream()), &mut layer.index, budget);
            state.recent.retain(|&thought| thought < retired);
            let mut stores = Stores { pool: &mut layer.pool, tier: &mut *tier, budget: &mut *budget };
            state.cache.truncate(self.layout.pages().len(), &mut stores);
            match &mut state.evicting {
                Some(evicting) if len > 0 => evicting.slots.roll_back(&mut layer.pool, budget),
                Some(evicting) => {
                    evicting.slots.clear(&mut layer.pool, budget);
                    state.evicting = layer.policy.eviction().map(Evicting::new);
                }
                None => {}
            }
        }
    }
}

impl LayerState {
    fn new<B: Backend>(layer: &Layer<B>) -> Self {
        Self {
            cache: LayerCache::default(),
            index: Index::default(),
            recent: VecDeque::new(),
            evicting: layer.policy.eviction().map(Evicting::new),
        }
    }

    /// Moves pages down into free ones, as [`Pool::compact`](crate::cache::Pool::compact).
    pub(super) fn compact<B: Backend>(&mut self, layer: &mut Layer<B>, budget: &mut Budget) {
        self.cache.compact(&mut layer.pool, budget);
        self.index.compact(&mut layer.index, budget);
        if let Some(evicting) = &mut self.evicting {
            evicting.slots.compact(&mut layer.pool, budget);
        }
    }

    /// Where the tokens of `set` lie on the device.
    pub(super) fn spans(&self, layout: &Layout, set: &PositionSet, page_size: usize) -> Vec<PageSpan> {
        match &self.evicting {
            Some(evicting) => {
                let slots = set.ranges().iter().cloned();
                slots.flat_map(|slots| evicting.slots.spans(slots, page_size)).collect()
            }
            None => self.cache.spans(layout, set),
        }
    }

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
