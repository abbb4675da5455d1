//! Bands: layers of equal KV shape that share level 1, and so one residency, one page table and one store.
//!
//! Scope `Layer` makes a band of each layer, the others one of all layers in which the policy chooses. Layers with
//! a sliding window of their own form bands under policy `Window`. Layers that evict per head stay apart.

use std::{num::NonZeroUsize, sync::Arc};

use burn::tensor::{Device, backend::Backend};

use super::paged::{PAGES_PER_SLAB, Paged};
use crate::{
    Error,
    cache::{Blocks, ColdPages, KvBudget, Pages, Tiers},
    config::{AtHand, Scope, Settings},
    kernels::{AttentionKernels, Move, PageShape, PageStore},
    kv::KvDtype,
    layer::LayerSpec,
    policy::{Choice, Full, Policy, Window, quest},
    segment::Stream,
};

/// Blocks' vectors per page.
pub(crate) const VECTORS_PER_PAGE: usize = 32;

/// Vectors that say how a sequence's keys spread.
pub(crate) const SPREAD_VECTORS: usize = 3;

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
    /// Index vectors, which lie as keys do: "position" `j` is vector `j`.
    pub(super) index: Paged<K::Store>,
    /// Vectors of blocks.
    pub(super) vectors: Paged<K::Blocks>,
    /// A page for each sequence: how its keys spread.
    pub(super) spreads: Paged<K::Store>,
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
        let store = kernels.store(shape, settings.kv, device);
        // What stands for many tokens is exact: it is little, and decides what is attended.
        let beside = PageShape { parts: 1, pages_per_slab: PAGES_PER_SLAB, ..shape };
        let paged =
            |page_size| Paged::new(kernels.store(PageShape { page_size, ..beside }, KvDtype::F32, device));
        let vectors = kernels.blocks(PageShape { page_size: VECTORS_PER_PAGE, ..beside }, device);
        Self {
            layers,
            policy,
            sliding_window: kind.sliding_window,
            pages: Pages::new(store.page_bytes(), settings.slab_pages),
            store,
            index: paged(settings.page_size),
            vectors: Paged::new(vectors),
            spreads: paged(SPREAD_VECTORS),
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
    /// are chosen from everything, blocks where nothing else is said, and what policies destroy goes when the step cannot
    /// fail any more.
    pub(super) fn keeps_all(&self) -> bool {
        let from_everything = match self.policy.choice() {
            Choice::Mass | Choice::Pages(_) | Choice::BlockMass(_) => true,
            Choice::Blocks(rule) => rule.at_hand == AtHand::All,
            Choice::Nothing | Choice::Votes => false,
        };
        from_everything || !self.policy.keeps_detail()
    }

    /// Whether what rows no longer see is destroyed, whole pages at a time.
    pub(super) fn destroys_pages(&self) -> bool {
        !self.policy.keeps_detail() && self.policy.eviction().is_none()
    }

    /// Vectors of the index of a sequence whose segments are `stream`.
    pub(super) fn indexed(&self, stream: &Stream) -> usize {
        match self.policy.choice() {
            Choice::Votes => stream.retired(stream.len()),
            Choice::Pages(quest) => quest.vectors(stream.len()),
            Choice::Nothing | Choice::Mass | Choice::Blocks(_) | Choice::BlockMass(_) => 0,
        }
    }

    /// Vectors of blocks of a sequence whose segments are `stream`, cut into `blocks`; none before it is known how its keys
    /// spread.
    pub(super) fn blocks(&self, stream: &Stream, blocks: &Blocks) -> usize {
        match self.policy.choice() {
            Choice::Blocks(rule) if stream.len() >= rule.spread_tokens => blocks.len(),
            _ => 0,
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

    /// The pages beside those of keys and values: of the index, of blocks' vectors, of spreads.
    pub(super) fn beside(&self) -> impl Iterator<Item = &Pages> {
        [&self.index.pages, &self.vectors.pages, &self.spreads.pages].into_iter()
    }

    /// Gives all stores the slabs that their pages need by now.
    pub(super) fn fit(&mut self) -> Result<(), Error> {
        self.store.resize(self.pages.slabs())?;
        self.index.fit()?;
        self.vectors.fit()?;
        self.spreads.fit()
    }

    /// Closes the gaps that pages left which went, so that no store holds a slab more than it needs. Returns what has
    /// moved, for whoever holds pages to follow.
    pub(super) fn compact(&mut self, budget: &mut KvBudget) -> Result<Moves, Error> {
        let pages = self.pages.compact(budget);
        self.store.copy(&pages);
        let [index, spreads] = [&mut self.index, &mut self.spreads].map(|paged| paged.compact(budget));
        let moves = Moves { pages, index: index?, vectors: self.vectors.compact(budget)?, spreads: spreads? };
        self.store.resize(self.pages.slabs())?;
        Ok(moves)
    }
}

/// Pages of a band that have moved, store by store.
#[derive(Debug)]
pub(super) struct Moves {
    pub(super) pages: Vec<Move>,
    pub(super) index: Vec<Move>,
    pub(super) vectors: Vec<Move>,
    pub(super) spreads: Vec<Move>,
}

impl Moves {
    /// Whether nothing has moved.
    pub(super) fn is_empty(&self) -> bool {
        [&self.pages, &self.index, &self.vectors, &self.spreads].iter().all(|moves| moves.is_empty())
    }
}
