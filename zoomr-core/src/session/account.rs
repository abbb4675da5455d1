//! Adds up the bytes: every page counts once, in one tier (law 8).

use std::collections::BTreeSet;

use burn::tensor::backend::Backend;

use super::{Session, sequence::Sequence};
use crate::{cache::Pages, kernels::AttentionKernels, stats::TierBytes, usage::Use};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// KV bytes by tier at this moment. A page that sequences share counts for the oldest of them.
    pub fn account(&self) -> TierBytes {
        let mut bytes = TierBytes { cold: self.cold.bytes(), ..TierBytes::default() };
        let mut shared: Vec<BTreeSet<usize>> = self.bands.iter().map(|_| BTreeSet::new()).collect();
        let mut shared_beside: Vec<[BTreeSet<usize>; 3]> =
            self.bands.iter().map(|_| Default::default()).collect();
        for band in &self.bands {
            bytes.free += band.pages.free_bytes() + band.beside().map(Pages::free_bytes).sum::<u64>();
        }
        for sequence in self.sequences.values() {
            let uses = self.uses(sequence);
            for (number, (band, state)) in self.bands.iter().zip(&sequence.bands).enumerate() {
                let mut counts = |page: usize| !band.pages.is_shared(page) || shared[number].insert(page);
                let slots = state.evicting.as_ref().map_or(0, |evicting| evicting.slots.pages().len());
                bytes.add(Use::Window, slots as u64 * band.pages.page_bytes());
                for logical in state.residency.resident() {
                    // A layer with a window of its own holds nothing else.
                    let used = if band.acts() { uses[logical] } else { Use::Window };
                    if state.residency.page(logical).is_some_and(&mut counts) {
                        bytes.add(used, band.pages.page_bytes());
                    }
                }
                for ((pages, slots), shared) in
                    band.beside().zip(state.beside()).zip(&mut shared_beside[number])
                {
                    let counts = |page: &&usize| !pages.is_shared(**page) || shared.insert(**page);
                    bytes.index += slots.pages().iter().filter(counts).count() as u64 * pages.page_bytes();
                }
            }
        }
        bytes
    }

    /// Bytes that stores and cold tier have allocated, counted where they are held rather than by use.
    pub fn allocated(&self) -> u64 {
        let bands =
            self.bands.iter().map(|band| band.pages.bytes() + band.beside().map(Pages::bytes).sum::<u64>());
        bands.sum::<u64>() + self.cold.bytes()
    }

    /// What a full cache of the same tokens takes: every token in every layer, or a layer's own window of
    /// them, without waste.
    pub fn full_bytes(&self) -> u64 {
        let of = |band: &super::Band<B, K>| {
            let most = band.sliding_window.map_or(usize::MAX, Into::into);
            let tokens: usize = self.sequences.values().map(|sequence| sequence.len().min(most)).sum();
            tokens as u64 * band.pages.page_bytes() / self.settings.page_size as u64
        };
        self.bands.iter().map(of).sum()
    }

    /// Tokens in resident pages (per KV head, where each has its own), averaged over the layers that the policy acts in.
    pub(super) fn tokens_resident(&self) -> f64 {
        let tokens = |sequence: &Sequence| -> usize {
            let bands = self.bands.iter().zip(&sequence.bands).filter(|(band, _)| band.acts());
            let of = |(band, state): (&super::Band<B, K>, &super::BandState)| {
                let slots = state.evicting.as_ref().map_or(0, |evicting| evicting.slots.len());
                let pages = state.residency.resident().map(|logical| sequence.layout.pages()[logical].len);
                band.layers.len() * (pages.sum::<usize>() + slots)
            };
            bands.map(of).sum()
        };
        let total: usize = self.sequences.values().map(tokens).sum();
        total as f64 / self.acting.max(1) as f64
    }

    /// What each logical page of a sequence is there for, if it is resident.
    fn uses(&self, sequence: &Sequence) -> Vec<Use> {
        let stream = sequence.grammar.stream();
        let base = stream.len().checked_sub(1).map(|last| self.settings.policy().base(stream, last));
        Use::of_pages(stream, &sequence.layout, &base.unwrap_or_default())
    }
}
