//! Adds up the bytes: every page counts once, in one tier (law 8).

use burn::tensor::{Element, backend::Backend};

use super::{Session, sequence::Sequence};
use crate::{kernels::AttentionKernels, positions::PositionSet, segment::Kind, stats::TierBytes};

/// What a resident page is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Prompt,
    Window,
    Summary,
    Zoomed,
}

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
                for logical in state.cache.resident() {
                    // A layer with a window of its own holds nothing else.
                    let used = if layer.spec.sliding_window.is_some() { Use::Window } else { uses[logical] };
                    *match used {
                        Use::Prompt => &mut bytes.prompt,
                        Use::Window => &mut bytes.window,
                        Use::Summary => &mut bytes.summaries,
                        Use::Zoomed => &mut bytes.zoomed,
                    } += layer.pool.page_bytes();
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

    /// Tokens in resident pages, averaged over the layers that the policy acts in.
    pub(super) fn tokens_resident(&self) -> f64 {
        let acting: Vec<usize> =
            (0..self.layers.len()).filter(|&l| self.layers[l].spec.sliding_window.is_none()).collect();
        let tokens = |sequence: &Sequence| -> usize {
            let pages = acting.iter().flat_map(|&l| sequence.layers[l].cache.resident());
            pages.map(|logical| sequence.layout.pages()[logical].len).sum()
        };
        let total: usize = self.sequences.values().map(tokens).sum();
        total as f64 / acting.len().max(1) as f64
    }

    /// What each logical page of a sequence is there for, if it is resident.
    fn uses(&self, sequence: &Sequence) -> Vec<Use> {
        let stream = sequence.grammar.stream();
        let Some(last) = stream.len().checked_sub(1) else { return Vec::new() };
        let base: PositionSet = self.settings.policy().base(stream, last);
        let mut uses = Vec::with_capacity(sequence.layout.pages().len());
        for segment in stream.segments() {
            for logical in sequence.layout.overlapping(segment.range.clone()) {
                let seen = base.overlaps(sequence.layout.pages()[logical].positions());
                uses.push(match segment.kind {
                    Kind::Prompt => Use::Prompt,
                    Kind::Summary => Use::Summary,
                    Kind::Answer => Use::Window,
                    Kind::Thought if seen => Use::Window,
                    Kind::Thought => Use::Zoomed,
                });
            }
        }
        uses
    }
}
