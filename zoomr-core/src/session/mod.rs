//! A session: the sequences that decode together, their cache, and the policy that decides what they see.
//!
//! * [`Session::step`] takes tokens in and runs the host model's forward pass over them.
//! * The model calls back through [`AttentionHook`](crate::hook::AttentionHook), once per layer (`attend`).
//! * `evict`, `pages` and `heads` are for policies that treat heads each on its own.
//! * `account` adds up the bytes.

mod account;
mod attend;
mod evict;
mod heads;
mod mass;
mod pages;
mod parts;
mod sequence;
mod step;

use std::{collections::BTreeMap, sync::Arc};

use burn::tensor::{Device, backend::Backend};

use self::{sequence::Sequence, step::Step};
use crate::{
    Error,
    cache::{Budget, ColdTier, Geometry, HostTier, Pool},
    config::{Scope, Settings},
    kernels::AttentionKernels,
    layer::LayerSpec,
    policy::{Choice, Full, Policy, Window, quest},
    segment::{Due, Grammar, Role, Segmenter, Stream},
    stats::{RunStats, StepStats},
    token::Token,
    trigger::Trigger,
};

/// Pages per slab of index vectors, of which a layer needs few.
const INDEX_PAGES_PER_SLAB: usize = 1;

/// Names a sequence of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(usize);

impl SequenceId {
    /// The number that statistics give for it.
    pub fn number(self) -> usize {
        self.0
    }
}

/// Tokens that one sequence takes in.
#[derive(Clone, Copy, Debug)]
pub struct Feed<'a> {
    /// Which sequence.
    pub sequence: SequenceId,
    /// Its next tokens; at least one.
    pub tokens: &'a [Token<'a>],
    /// Who wrote them.
    pub role: Role,
}

/// One attention layer: its sizes, its pages and the policy that acts in it.
#[derive(Debug)]
struct Layer<B: Backend> {
    spec: LayerSpec,
    policy: Arc<dyn Policy>,
    pool: Pool<B, 2>,
    index: Pool<B, 1>,
}

/// Sequences that decode together over one pool of pages per layer.
///
/// Nothing in it knows a model: the host model is a closure that calls the hook for every layer.
#[derive(Debug)]
pub struct Session<B: Backend, K> {
    settings: Settings,
    kernels: K,
    layers: Vec<Layer<B>>,
    tier: Box<dyn ColdTier>,
    budget: Budget,
    sequences: BTreeMap<usize, Sequence>,
    created: usize,
    step: Option<Step>,
    last: StepStats,
    run: RunStats,
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// A session without sequences for a model with the given layers; cold pages go to host memory.
    ///
    /// # Errors
    /// [`Error::Setting`] where a layer's query heads do not divide among its KV heads.
    pub fn new(
        layers: &[LayerSpec],
        settings: Settings,
        kernels: K,
        device: &Device<B>,
    ) -> Result<Self, Error> {
        if let Some(bad) = layers.iter().find(|l| l.kv_heads == 0 || l.query_heads % l.kv_heads != 0) {
            let reason =
                format!("{} query heads do not divide among {} KV heads", bad.query_heads, bad.kv_heads);
            return Err(Error::Setting { name: "layers", reason });
        }
        let policy: Arc<dyn Policy> = settings.policy().into();
        let layer =
            |(number, spec): (usize, &LayerSpec)| Layer::new(number, *spec, &policy, &settings, device);
        let layers = layers.iter().enumerate().map(layer).collect();
        Ok(Self {
            kernels,
            layers,
            tier: Box::new(HostTier::default()),
            budget: Budget::new(settings.cap),
            settings,
            sequences: BTreeMap::new(),
            created: 0,
            step: None,
            last: StepStats::default(),
            run: RunStats::default(),
        })
    }

    /// Adds an empty sequence.
    pub fn add_sequence(&mut self, segmenter: Box<dyn Segmenter>, trigger: Trigger) -> SequenceId {
        let id = self.created;
        self.created += 1;
        let grammar = Grammar::new(segmenter, trigger);
        self.sequences.insert(id, Sequence::new(grammar, self.settings.page_size, &self.layers));
        SequenceId(id)
    }

    /// Removes a sequence and frees its pages.
    ///
    /// # Errors
    /// [`Error::NoSequence`].
    pub fn remove_sequence(&mut self, id: SequenceId) -> Result<(), Error> {
        self.cut(id.0, 0)?;
        self.sequences.remove(&id.0);
        Ok(())
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Lets other heads vote from the next step on: under [`Scope::Layer`] a text that is there already goes in
    /// many tokens at a time, and decoding goes on under another scope.
    pub fn set_scope(&mut self, scope: Scope) {
        self.settings = self.settings.clone().with_scope(scope);
    }

    /// The segments of a sequence so far.
    ///
    /// # Errors
    /// [`Error::NoSequence`].
    pub fn stream(&self, id: SequenceId) -> Result<&Stream, Error> {
        Ok(self.sequence(id.0)?.grammar.stream())
    }

    /// What the engine owes a sequence before its next token.
    ///
    /// # Errors
    /// [`Error::NoSequence`].
    pub fn due(&self, id: SequenceId) -> Result<Due, Error> {
        Ok(self.sequence(id.0)?.grammar.due())
    }

    /// The sequence's next token begins a summary of the thought that has just closed.
    ///
    /// # Errors
    /// [`Error::NoSequence`].
    pub fn open_summary(&mut self, id: SequenceId) -> Result<(), Error> {
        self.sequence_mut(id.0)?.grammar.open_summary();
        Ok(())
    }

    /// The summary that the sequence was writing has ended.
    ///
    /// # Errors
    /// [`Error::NoSequence`].
    pub fn close_summary(&mut self, id: SequenceId) -> Result<(), Error> {
        self.sequence_mut(id.0)?.grammar.close_summary();
        Ok(())
    }

    /// Cuts a sequence back to its first `len` tokens, as if no more had ever come.
    ///
    /// # Errors
    /// [`Error::Dropped`] where the policy has destroyed tokens that would be visible there, or judges tokens by
    /// queries that came later;
    /// [`Error::NoSequence`].
    pub fn truncate(&mut self, id: SequenceId, len: usize) -> Result<(), Error> {
        let sequence = self.sequence(id.0)?;
        let stream = sequence.grammar.stream();
        if let Some(last) = len.min(stream.len()).checked_sub(1) {
            for (layer, state) in self.layers.iter().zip(&sequence.layers) {
                let visible = layer.policy.base(stream, last);
                // What an evictor has heard cannot be taken back.
                let heard = state.evicting.is_some() && len < stream.len();
                if heard || !state.cache.recoverable(&sequence.layout, &visible) {
                    return Err(Error::Dropped { len, policy: layer.policy.name() });
                }
            }
        }
        self.cut(id.0, len)
    }

    /// What the last step did.
    pub fn last_step(&self) -> &StepStats {
        &self.last
    }

    /// What all steps so far add up to.
    pub fn run_stats(&self) -> &RunStats {
        &self.run
    }

    fn sequence(&self, id: usize) -> Result<&Sequence, Error> {
        self.sequences.get(&id).ok_or(Error::NoSequence(id))
    }

    fn sequence_mut(&mut self, id: usize) -> Result<&mut Sequence, Error> {
        self.sequences.get_mut(&id).ok_or(Error::NoSequence(id))
    }

    /// Cuts a sequence back to its first `len` tokens, whatever its policy has destroyed.
    fn cut(&mut self, id: usize, len: usize) -> Result<(), Error> {
        let sequence = self.sequences.get_mut(&id).ok_or(Error::NoSequence(id))?;
        sequence.truncate(len, &mut self.layers, self.tier.as_mut(), &mut self.budget);
        (0..self.layers.len()).for_each(|layer| self.compact(layer));
        Ok(())
    }

    /// Closes the gaps that pages left which went, so that no pool of the layer holds a slab more than it needs.
    fn compact(&mut self, layer: usize) {
        for sequence in self.sequences.values_mut() {
            sequence.layers[layer].compact(&mut self.layers[layer], &mut self.budget);
        }
    }
}

impl<B: Backend> Layer<B> {
    fn new(
        number: usize,
        spec: LayerSpec,
        policy: &Arc<dyn Policy>,
        settings: &Settings,
        device: &Device<B>,
    ) -> Self {
        let geometry = Geometry {
            pages_per_slab: settings.slab_pages,
            kv_heads: spec.kv_heads,
            page_size: settings.page_size,
            head_dim: spec.head_dim,
        };
        let index = Geometry { pages_per_slab: INDEX_PAGES_PER_SLAB, ..geometry };
        let policy: Arc<dyn Policy> = match (spec.sliding_window, policy.choice()) {
            // A layer with a window of its own keeps it, whatever the policy.
            (Some(window), _) => Arc::new(Window { sinks: 0, window: window.get() }),
            (None, Choice::Pages(_)) if number < quest::DENSE_LAYERS => Arc::new(Full),
            (None, _) => policy.clone(),
        };
        Self {
            spec,
            policy,
            pool: Pool::new(geometry, device.clone()),
            index: Pool::new(index, device.clone()),
        }
    }

    /// Vectors of the index of a sequence whose segments are `stream`.
    fn indexed(&self, stream: &Stream) -> usize {
        match self.policy.choice() {
            Choice::Votes => stream.retired(stream.len()),
            Choice::Pages(_) => stream.len() / quest::PAGE * quest::VECTORS,
            Choice::Nothing | Choice::Mass => 0,
        }
    }
}
