//! Adds up the bytes: every page counts once, in one tier (law 8).

use burn::tensor::{Element, backend::Backend};

use super::{Session, sequence::Sequence};
use crate::{kernels::AttentionKernels, stats::TierBytes, usage::Use};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// KV bytes by tier at this moment.
    pub fn account(&self) -> TierBytes {
        let mut bytes = TierBytes { cold: self.tier.bytes(), ..TierBytes::default() };
        for layer in &self.layers {
            bytes.free += layer.pool.free_bytes() + layer.index.free_bytes();
        }
        for sequence in self.sequences.values() {
            let uses = self.uses(sequence);
            for (layer, state) in self.layers.iter().zip(&sequence.layers) {
                bytes.index += state.index.pages() as u64 * layer.index.page_bytes();
                let slots = state.evicting.as_ref().map_or(0, |evicting| evicting.slots.pages());
                bytes.add(Use::Window, slots as u64 * layer.pool.page_bytes());
                for logical in state.cache.resident() {
                    // A layer with a window of its own holds nothing else.
                    let used = if layer.spec.sliding_window.is_some() { Use::Window } else { uses[logical] };
                    bytes.add(used, layer.pool.page_bytes());
                }
            }
        }
        bytes
    }

    /// Bytes that pools and cold tier have allocated, counted where they are held rather than by use.
    pub fn allocated(&self) -> u64 {
        let pools = self.layers.iter().map(|layer| layer.pool.bytes() + layer.index.bytes());
        pools.sum::<u64>() + self.tier.bytes()
    }

    /// What a full cache of the same tokens takes: every token in every layer, or a layer's own window of
    /// them, without waste.
    pub fn full_bytes(&self) -> u64 {
        let lens = || self.sequences.values().map(Sequence::len);
        let tokens = |layer: &super::Layer<B>| -> usize {
            let most = layer.spec.sliding_window.map_or(usize::MAX, Into::into);
            lens().map(|len| len.min(most)).sum()
        };
        let size = B::FloatElem::dtype().size();
        let bytes = self.layers.iter().map(|l| 2 * tokens(l) * l.spec.kv_heads * l.spec.head_dim * size);
        bytes.sum::<usize>() as u64
    }

    /// Tokens in resident pages (per KV head, where each has its own), averaged over the layers that the policy acts in.
    pub(super) fn tokens_resident(&self) -> f64 {
        let acting: Vec<usize> =
            (0..self.layers.len()).filter(|&l| self.layers[l].spec.sliding_window.is_none()).collect();
        let tokens = |sequence: &Sequence| -> usize {
            let layers = || acting.iter().map(|&l| &sequence.layers[l]);
            let pages = layers().flat_map(|state| state.cache.resident());
            let slots = layers().flat_map(|state| &state.evicting).map(|evicting| evicting.slots.len());
            pages.map(|logical| sequence.layout.pages()[logical].len).sum::<usize>() + slots.sum::<usize>()
        };
        let total: usize = self.sequences.values().map(tokens).sum();
        total as f64 / acting.len().max(1) as f64
    }

    /// What each logical page of a sequence is there for, if it is resident.
    fn uses(&self, sequence: &Sequence) -> Vec<Use> {
        let stream = sequence.grammar.stream();
        let base = stream.len().checked_sub(1).map(|last| self.settings.policy().base(stream, last));
        Use::of_pages(stream, &sequence.layout, &base.unwrap_or_default())
    }
}
