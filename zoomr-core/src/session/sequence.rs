//! All data of one sequence: its segments, its pages, and what it keeps per band.

use std::collections::VecDeque;

use burn::tensor::backend::Backend;

use super::{band::Band, evict::Evicting};
use crate::{
    Error,
    cache::{ColdPages, DensePages, KvBudget, Layout, Residency},
    kernels::{AttentionKernels, KvStore, Move, PageSpan},
    positions::PositionSet,
    segment::Grammar,
    select::Selection,
};

/// What a sequence keeps in one band.
#[derive(Debug)]
pub(super) struct BandState {
    pub(super) residency: Residency,
    /// Its index vectors.
    pub(super) index: DensePages,
    /// How many there were when the last step ended, written in all layers: what a failed step goes back to. The segments
    /// do not tell, since the engine may have closed a summary since.
    pub(super) indexed: usize,
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
    pub(super) bands: Vec<BandState>,
    /// For each token, what the votes of its step chose for the next one (scope `Global`).
    pub(super) chosen: Vec<Option<Selection>>,
}

impl Sequence {
    pub(super) fn new<B: Backend, K: AttentionKernels<B>>(
        grammar: Grammar,
        page_size: usize,
        bands: &[Band<B, K>],
    ) -> Self {
        let bands = bands.iter().map(BandState::new).collect();
        Self { grammar, layout: Layout::new(page_size), bands, chosen: Vec::new() }
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
        let (stream, pages) = (self.grammar.stream(), self.layout.pages().len());
        for (state, band) in self.bands.iter_mut().zip(bands) {
            state.indexed = state.indexed.min(band.indexed(stream));
            state.index.truncate(state.indexed, &mut band.index_pages, budget);
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
            index: DensePages::new(band.index.shape().page_size),
            indexed: 0,
            recent: VecDeque::new(),
            evicting: Evicting::new(band),
        }
    }

    /// Follows pages that have moved: those of the band's store, and of its index.
    pub(super) fn follow(&mut self, [moves, index_moves]: &[Vec<Move>; 2]) {
        if !moves.is_empty() {
            self.residency.follow(moves);
            self.evicting.iter_mut().for_each(|evicting| evicting.slots.follow(moves));
        }
        self.index.follow(index_moves);
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
