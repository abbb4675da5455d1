//! A session: the sequences that decode together, their cache, and the policy that decides what they see.
//!
//! * [`Session::step`] plans a step (`plan`, `place`), runs the host model's forward pass over it, and ends it
//!   (`commit`).
//! * The model calls back through [`ForwardPass`], an [`AttentionHook`](crate::hook::AttentionHook), once per layer
//!   (`forward`, `select`).
//! * `band` has the layers that share pages, `sequence` all data of one sequence, `fork` makes two of one.
//! * `paged` has the stores beside a band's keys and values; `zoom` what blocks there are to choose from.
//! * `evict`, `heads` and `mass` are for policies that evict, that treat heads each on its own, and for the oracle.
//! * `account` adds up the bytes.

mod account;
mod band;
mod commit;
mod evict;
mod fork;
mod forward;
mod heads;
mod mass;
mod paged;
mod parts;
mod place;
mod plan;
mod select;
mod sequence;
mod zoom;

use std::collections::BTreeMap;

use burn::tensor::{Device, backend::Backend};

pub(crate) use self::band::{SPREAD_VECTORS, VECTORS_PER_PAGE};
use self::{
    band::{Band, Home, bands},
    sequence::{BandState, Sequence},
};
pub use self::{commit::Stepped, forward::ForwardPass};
use crate::{
    Error,
    cache::{ColdPages, HostTier, KvBudget},
    config::{Scope, Settings},
    kernels::AttentionKernels,
    layer::LayerSpec,
    segment::{Due, Grammar, Role, Segmenter, Stream},
    stats::{RunStats, StepStats},
    token::Token,
    trigger::Trigger,
};

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
    /// Which heads vote: [`Settings::scope`](crate::config::Options::scope), or, where many streamed tokens are to go
    /// in at once, [`Scope::Layer`].
    pub scope: Scope,
}

/// Sequences that decode together over one store of pages per band of layers.
///
/// Nothing in it knows a model: the host model is a closure that calls the hook, a [`ForwardPass`], for every layer.
#[derive(Debug)]
pub struct Session<B: Backend, K: AttentionKernels<B>> {
    settings: Settings,
    kernels: K,
    layers: Vec<LayerSpec>,
    bands: Vec<Band<B, K>>,
    /// For each layer, where its keys and values are.
    homes: Vec<Home>,
    /// Layers that the policy acts in.
    acting: usize,
    cold: ColdPages,
    budget: KvBudget,
    sequences: BTreeMap<usize, Sequence>,
    created: usize,
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
        let (bands, homes) = bands(layers, &settings, &kernels, device);
        Ok(Self {
            kernels,
            layers: layers.to_vec(),
            bands,
            homes,
            acting: layers.iter().filter(|layer| layer.sliding_window.is_none()).count(),
            cold: ColdPages::new(Box::new(HostTier::default())),
            budget: KvBudget::new(settings.cap),
            settings,
            sequences: BTreeMap::new(),
            created: 0,
            last: StepStats::default(),
            run: RunStats::default(),
        })
    }

    /// Adds an empty sequence.
    pub fn add_sequence(&mut self, segmenter: Box<dyn Segmenter>, trigger: Trigger) -> SequenceId {
        let id = self.created;
        self.created += 1;
        let grammar = Grammar::new(segmenter, trigger);
        self.sequences.insert(id, Sequence::new(grammar, &self.settings, &self.bands));
        SequenceId(id)
    }

    /// Removes a sequence and frees its pages.
    ///
    /// # Errors
    /// [`Error::NoSequence`].
    pub fn remove_sequence(&mut self, id: SequenceId) -> Result<(), Error> {
        let sequence = self.sequences.remove(&id.0).ok_or(Error::NoSequence(id.0))?;
        self.discard(sequence)
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
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
        self.check_recoverable(id.0, len)?;
        self.sequence_mut(id.0)?.grammar.truncate(len);
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

    /// Whether a sequence can be cut back, or forked, at `len`.
    fn check_recoverable(&self, id: usize, len: usize) -> Result<(), Error> {
        let sequence = self.sequence(id)?;
        let stream = sequence.grammar.stream();
        let Some(last) = len.min(stream.len()).checked_sub(1) else { return Ok(()) };
        for (band, state) in self.bands.iter().zip(&sequence.bands) {
            let visible = band.policy.base(stream, last);
            // What an evictor has heard cannot be taken back.
            let heard = state.evicting.is_some() && len < stream.len();
            if heard || !state.residency.recoverable(&sequence.layout, &visible) {
                return Err(Error::Dropped { len, policy: band.policy.name() });
            }
        }
        Ok(())
    }

    /// Takes back all tokens of a sequence but the first `len`, whatever its policy has destroyed; what the engine had
    /// said by then, holds.
    fn cut(&mut self, id: usize, len: usize) -> Result<(), Error> {
        let sequence = self.sequences.get_mut(&id).ok_or(Error::NoSequence(id))?;
        sequence.truncate(len, &mut self.bands, &mut self.cold, &mut self.budget);
        self.compact_all()
    }

    /// Frees the pages of a sequence that is not, or no longer, one of the session.
    fn discard(&mut self, mut sequence: Sequence) -> Result<(), Error> {
        sequence.truncate(0, &mut self.bands, &mut self.cold, &mut self.budget);
        self.compact_all()
    }

    fn compact_all(&mut self) -> Result<(), Error> {
        (0..self.bands.len()).try_for_each(|band| self.compact(band))
    }

    /// Closes the gaps that pages left which went, so that no store of the band holds a slab more than it needs.
    fn compact(&mut self, band: usize) -> Result<(), Error> {
        let moves = self.bands[band].compact(&mut self.budget)?;
        if !moves.is_empty() {
            self.sequences.values_mut().for_each(|sequence| sequence.bands[band].follow(&moves));
        }
        Ok(())
    }
}
