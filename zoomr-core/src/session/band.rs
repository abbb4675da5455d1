//! Bands: layers of equal KV shape that share level 1, and so one residency, one page table and one store.
//!
//! Scope `Layer` makes a band of each layer, the others one of all layers in which the policy chooses. Layers with
//! a sliding window of their own form bands under policy `Window`. Layers that evict per head stay apart.

use std::{num::NonZeroUsize, sync::Arc};

use burn::tensor::{Device, backend::Backend};

use crate::{
    Error,
    cache::{ColdPages, KvBudget, Pages, Tiers},
    config::{Scope, Settings},
    kernels::{AttentionKernels, KvStore, Move, PageShape},
    layer::LayerSpec,
    policy::{Choice, Full, Policy, Window, quest},
    segment::Stream,
};

/// Pages per slab of index vectors, of which a band needs few.
const INDEX_PAGES_PER_SLAB: usize = 1;

/// Layers that share level 1.
#[derive(Debug)]
pub(super) struct Band<B: Backend, K: AttentionKernels<B>> {
    /// The layers' numbers in the model, ascending.
    pub(super) layers: Vec<usize>,
    /// What decides in them.
    pub(super) policy: Arc<dyn Policy>,
    /// The layers' own window, if they have one.
    pub(super) sliding_window: Option<NonZeroUsize>,
    pub(super) store: K::Store,
    pub(super) pages: Pages,
    /// The store of index vectors, which lie as keys do: "position" `j` is vector `j`.
    pub(super) index: K::Store,
    pub(super) index_pages: Pages,
}

/// Where a layer's keys and values are: which band, and the layer's number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) band: usize,
    pub(super) layer: usize,
    /// How many layers before it the policy acts in.
    pub(super) acting: usize,
}

/// What layers of one band have in common.
#[derive(PartialEq)]
struct Sharing {
    kv_heads: usize,
    head_dim: usize,
    sliding_window: Option<NonZeroUsize>,
    /// Layers of `quest` that attend to everything.
    dense: bool,
    /// The layer, where it stays apart.
    alone: Option<usize>,
}

impl Sharing {
    fn of(layer: usize, spec: &LayerSpec, policy: &dyn Policy, scope: Scope) -> Self {
        let acts = spec.sliding_window.is_none();
        let apart = policy.eviction().is_some() || scope == Scope::Layer;
        Self {
            kv_heads: spec.kv_heads,
            head_dim: spec.head_dim,
            sliding_window: spec.sliding_window,
            dense: acts && matches!(policy.choice(), Choice::Pages(_)) && layer < quest::DENSE_LAYERS,
            alone: (acts && apart).then_some(layer),
        }
    }
}

/// The bands of a model's layers, and each layer's place in them.
pub(super) fn bands<B: Backend, K: AttentionKernels<B>>(
    layers: &[LayerSpec],
    settings: &Settings,
    kernels: &K,
    device: &Device<B>,
) -> (Vec<Band<B, K>>, Vec<Home>) {
    let policy: Arc<dyn Policy> = settings.policy().into();
    let (mut kinds, mut members, mut homes) = (Vec::<Sharing>::new(), Vec::<Vec<usize>>::new(), Vec::new());
    for (layer, spec) in layers.iter().enumerate() {
        let kind = Sharing::of(layer, spec, policy.as_ref(), settings.scope);
        let band = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
            kinds.push(kind);
            members.push(Vec::new());
            kinds.len() - 1
        });
        let acting = layers[..layer].iter().filter(|spec| spec.sliding_window.is_none()).count();
        homes.push(Home { band, layer: members[band].len(), acting });
        members[band].push(layer);
    }
    let bands = kinds.iter().zip(members).map(|(kind, layers)| {
        let policy: Arc<dyn Policy> = match kind.sliding_window {
            // A layer with a window of its own keeps it, whatever the policy.
            Some(window) => Arc::new(Window { sinks: 0, window: window.get() }),
            None if kind.dense => Arc::new(Full),
            None => Arc::clone(&policy),
        };
        Band::new(layers, kind, policy, settings, kernels, device)
    });
    (bands.collect(), homes)
}

impl<B: Backend, K: AttentionKernels<B>> Band<B, K> {
    fn new(
        layers: Vec<usize>,
        kind: &Sharing,
        policy: Arc<dyn Policy>,
        settings: &Settings,
        kernels: &K,
        device: &Device<B>,
    ) -> Self {
        let shape = PageShape {
            layers: layers.len(),
            parts: 2,
            kv_heads: kind.kv_heads,
            page_size: settings.page_size,
            head_dim: kind.head_dim,
            pages_per_slab: settings.slab_pages,
        };
        let store = kernels.store(shape, device);
        let index =
            kernels.store(PageShape { parts: 1, pages_per_slab: INDEX_PAGES_PER_SLAB, ..shape }, device);
        Self {
            layers,
            policy,
            sliding_window: kind.sliding_window,
            pages: Pages::new(store.page_bytes(), settings.slab_pages),
            index_pages: Pages::new(index.page_bytes(), INDEX_PAGES_PER_SLAB),
            store,
            index,
        }
    }

    /// Whether the policy in force acts here: the layers have no window of their own.
    pub(super) fn acts(&self) -> bool {
        self.sliding_window.is_none()
    }

    /// Whether `layer` is the last of the band in a forward pass.
    pub(super) fn ends_with(&self, layer: usize) -> bool {
        self.layers.last() == Some(&layer)
    }

    /// Whether everything stays on the device while a step runs: true masses are found by attending to everything, pages
    /// are chosen from everything, and what policies destroy goes when the step cannot fail any more.
    pub(super) fn keeps_all(&self) -> bool {
        matches!(self.policy.choice(), Choice::Mass | Choice::Pages(_)) || !self.policy.keeps_detail()
    }

    /// Whether what rows no longer see is destroyed, whole pages at a time.
    pub(super) fn destroys_pages(&self) -> bool {
        !self.policy.keeps_detail() && self.policy.eviction().is_none()
    }

    /// Vectors of the index of a sequence whose segments are `stream`.
    pub(super) fn indexed(&self, stream: &Stream) -> usize {
        match self.policy.choice() {
            Choice::Votes => stream.retired(stream.len()),
            Choice::Pages(_) => stream.len() / quest::PAGE * quest::VECTORS,
            Choice::Nothing | Choice::Mass => 0,
        }
    }

    /// What the band's pages move between.
    pub(super) fn tiers<'a>(
        &'a mut self,
        cold: &'a mut ColdPages,
        budget: &'a mut KvBudget,
    ) -> Tiers<'a, K::Store> {
        Tiers { store: &mut self.store, pages: &mut self.pages, cold, budget }
    }

    /// The same for the pages of its index, none of which is ever cold.
    pub(super) fn index_tiers<'a>(
        &'a mut self,
        cold: &'a mut ColdPages,
        budget: &'a mut KvBudget,
    ) -> Tiers<'a, K::Store> {
        Tiers { store: &mut self.index, pages: &mut self.index_pages, cold, budget }
    }

    /// Gives both stores the slabs that their pages need by now.
    pub(super) fn fit(&mut self) -> Result<(), Error> {
        self.store.resize(self.pages.slabs())?;
        self.index.resize(self.index_pages.slabs())
    }

    /// Closes the gaps that pages left which went, so that neither store holds a slab more than it needs. Returns
    /// what has moved in each, for whoever holds pages to follow.
    pub(super) fn compact(&mut self, budget: &mut KvBudget) -> Result<[Vec<Move>; 2], Error> {
        let moves = self.pages.compact(budget);
        self.store.copy(&moves);
        let index_moves = self.index_pages.compact(budget);
        self.index.copy(&index_moves);
        self.fit()?;
        Ok([moves, index_moves])
    }
}
