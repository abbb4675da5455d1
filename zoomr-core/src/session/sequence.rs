//! All data of one sequence: its segments, its pages, and what it keeps per band.

use std::collections::{BTreeMap, VecDeque};

use burn::tensor::backend::Backend;

use super::{
    band::{Band, Moves, SPREAD_VECTORS},
    evict::Evicting,
};
use crate::{
    Error,
    cache::{Blocks, ColdPages, DensePages, KvBudget, Layout, Residency},
    config::Settings,
    kernels::{AttentionKernels, PageSpan},
    positions::PositionSet,
    segment::Grammar,
    select::{Selection, Taken},
};

/// What a sequence keeps in one band.
#[derive(Debug)]
pub(super) struct BandState {
    pub(super) residency: Residency,
    /// Its index vectors.
    pub(super) index: DensePages,
    /// Its blocks' vectors: slot `u` has that of block `u`.
    pub(super) vectors: DensePages,
    /// How its keys spread: as many vectors as that takes, once it is known.
    pub(super) spread: DensePages,
    /// How many there were when the last step ended, written in all layers: what a failed step goes back to. The segments
    /// do not tell, since the engine may have closed a summary since.
    pub(super) indexed: usize,
    /// For each token whose step has said so, the passages at hand at the next one.
    pub(super) taken: BTreeMap<usize, Taken>,
    /// Thoughts whose detail is held resident, the most recently zoomed first.
    pub(super) recent: VecDeque<usize>,
    /// Under a policy that evicts, the tokens held; `residency` is then empty.
    pub(super) evicting: Option<Evicting>,
}

/// One sequence of a session.
#[derive(Debug)]
pub(super) struct Sequence {
    pub(super) grammar: Grammar,
    pub(super) layout: Layout,
    /// Its closed blocks.
    pub(super) blocks: Blocks,
    pub(super) bands: Vec<BandState>,
    /// For each token, what the votes of its step chose for the next one (scope `Global`).
    pub(super) chosen: Vec<Option<Selection>>,
}

impl Sequence {
    pub(super) fn new<B: Backend, K: AttentionKernels<B>>(
        grammar: Grammar,
        settings: &Settings,
        bands: &[Band<B, K>],
    ) -> Self {
        let bands = bands.iter().map(BandState::new).collect();
        // Where the policy has no blocks, nobody asks for them.
        let nobodys = || Blocks::new(settings.page_size, settings.page_size);
        let blocks = settings.policy().choice().blocks().map_or_else(nobodys, |rule| rule.no_blocks());
        Self { grammar, layout: Layout::new(settings.page_size), blocks, bands, chosen: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.grammar.stream().len()
    }

    /// Takes back all tokens but the first `len`; what the engine had said when the next one came, holds. Where a policy
    /// evicts, `len` is nothing or what the last step left.
    pub(super) fn truncate<B: Backend, K: AttentionKernels<B>>(
        &mut self,
        len: usize,
        bands: &mut [Band<B, K>],
        cold: &mut ColdPages,
        budget: &mut KvBudget,
    ) {
        self.grammar.undo(len);
        self.layout.truncate(len);
        self.chosen.truncate(len);
        self.blocks.truncate(self.grammar.stream());
        let (stream, pages) = (self.grammar.stream(), self.layout.pages().len());
        for (state, band) in self.bands.iter_mut().zip(bands) {
            state.indexed = state.indexed.min(band.indexed(stream));
            state.index.truncate(state.indexed, &mut band.index.pages, budget);
            let blocks = band.blocks(stream, &self.blocks);
            state.vectors.truncate(blocks, &mut band.vectors.pages, budget);
            state.spread.truncate(spread_vectors(blocks), &mut band.spreads.pages, budget);
            state.taken.split_off(&len);
            state.recent.retain(|&thought| thought < stream.retired(len));
            state.residency.truncate(pages, &mut band.pages, cold, budget);
            match &mut state.evicting {
                Some(evicting) if len > 0 => evicting.slots.roll_back(&mut band.pages, budget),
                Some(evicting) => {
                    evicting.slots.clear(&mut band.pages, budget);
                    state.evicting = Evicting::new(band);
                }
                None => {}
            }
        }
    }
}

impl BandState {
    fn new<B: Backend, K: AttentionKernels<B>>(band: &Band<B, K>) -> Self {
        Self {
            residency: Residency::default(),
            index: band.index.no_slots(),
            vectors: band.vectors.no_slots(),
            spread: band.spreads.no_slots(),
            indexed: 0,
            taken: BTreeMap::new(),
            recent: VecDeque::new(),
            evicting: Evicting::new(band),
        }
    }

    /// What the sequence has in each of the pages [beside](Band::beside) those of keys and values.
    pub(super) fn beside(&self) -> impl Iterator<Item = &DensePages> {
        [&self.index, &self.vectors, &self.spread].into_iter()
    }

    /// Follows pages that have moved.
    pub(super) fn follow(&mut self, moves: &Moves) {
        if !moves.pages.is_empty() {
            self.residency.follow(&moves.pages);
            self.evicting.iter_mut().for_each(|evicting| evicting.slots.follow(&moves.pages));
        }
        self.index.follow(&moves.index);
        self.vectors.follow(&moves.vectors);
        self.spread.follow(&moves.spreads);
    }

    /// Where the tokens of `set` lie on the device.
    ///
    /// # Errors
    /// [`Error::NotResident`] where one of them does not.
    pub(super) fn spans(&self, layout: &Layout, set: &PositionSet) -> Result<Vec<PageSpan>, Error> {
        match &self.evicting {
            Some(evicting) => {
                Ok(set.ranges().iter().flat_map(|slots| evicting.slots.spans(slots.clone())).collect())
            }
            None => self.residency.spans(layout, set),
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

/// Vectors of the spread that a sequence with so many blocks' vectors has.
pub(super) fn spread_vectors(blocks: usize) -> usize {
    if blocks > 0 { SPREAD_VECTORS } else { 0 }
}
