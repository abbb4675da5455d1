//! Forks: a second sequence that goes on from some point of the first, and shares its pages.

use burn::tensor::backend::Backend;

use super::{
    SequenceId, Session,
    band::Band,
    evict::Evicting,
    sequence::{BandState, Sequence, spread_vectors},
};
use crate::{
    Error,
    cache::{ColdPages, KvBudget},
    kernels::AttentionKernels,
};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Adds a sequence that begins as the first `at` tokens of sequence `id`, as if they had gone in twice.
    ///
    /// Pages are shared by reference counts, on the device and in the cold tier, those of the index too; of a page
    /// that one of the two still writes to, it gets a copy of its own when it does. Where a policy evicts tokens, which
    /// rewrites pages, the fork gets copies at once.
    ///
    /// # Errors
    /// As [`truncate`](Self::truncate); [`Error::OverCap`] and [`Error::Memory`] where copies find no room. Nothing has
    /// changed then.
    pub fn fork(&mut self, id: SequenceId, at: usize) -> Result<SequenceId, Error> {
        let at = at.min(self.sequence(id.0)?.len());
        self.check_recoverable(id.0, at)?;
        let original = self.sequences.get(&id.0).ok_or(Error::NoSequence(id.0))?;
        let grammar = original.grammar.fork(at);
        let mut layout = original.layout.clone();
        layout.truncate(at);
        let chosen = original.chosen[..at].to_vec();
        let mut blocks = original.blocks.clone();
        blocks.truncate(grammar.stream());
        let mut fork = Sequence { grammar, layout, blocks, bands: Vec::new(), chosen };
        for (state, band) in original.bands.iter().zip(&mut self.bands) {
            match state.fork(&fork, band, &mut self.cold, &mut self.budget) {
                Ok(state) => fork.bands.push(state),
                Err(error) => {
                    self.discard(fork)?;
                    return Err(error);
                }
            }
        }
        let number = self.created;
        self.created += 1;
        self.sequences.insert(number, fork);
        Ok(SequenceId(number))
    }
}

impl BandState {
    /// What a fork, whose segments and layout `fork` has, keeps in a band.
    fn fork<B: Backend, K: AttentionKernels<B>>(
        &self,
        fork: &Sequence,
        band: &mut Band<B, K>,
        cold: &mut ColdPages,
        budget: &mut KvBudget,
    ) -> Result<Self, Error> {
        let stream = fork.grammar.stream();
        // First what may fail.
        let evicting = match &self.evicting {
            // All of it or, from the beginning, nothing.
            Some(evicting) if !stream.is_empty() => Some(evicting.fork(band, budget)?),
            Some(_) => Evicting::new(band),
            None => None,
        };
        let index = self.index.fork(band.indexed(stream), &mut band.index.pages);
        let blocks = band.blocks(stream, &fork.blocks);
        let vectors = self.vectors.fork(blocks, &mut band.vectors.pages);
        let spread = self.spread.fork(spread_vectors(blocks), &mut band.spreads.pages);
        let residency = self.residency.fork(fork.layout.pages().len(), &mut band.pages, cold);
        let retired = stream.retired(stream.len());
        let recent = self.recent.iter().copied().filter(|&thought| thought < retired).collect();
        let taken = self.taken.range(..stream.len()).map(|(&at, taken)| (at, taken.clone())).collect();
        Ok(Self { residency, indexed: index.len(), index, vectors, spread, taken, recent, evicting })
    }
}
