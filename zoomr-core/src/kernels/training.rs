//! What training works out in one go, forwards and backwards.

use std::ops::Range;

use burn::tensor::{Tensor, activation, backend::Backend};

use super::{
    AttentionKernels, BlockStore, Candidate, Candidates, KvStore, LinearKernels, PageShape, PageSpan,
    PageStore, Slot, Whole, Zoom,
};
use crate::{Error, kv::KvDtype, positions::PositionSet, select::WholeBlocks, state::AttentionState};

/// What training works out in one go, forwards and backwards. Decoding needs none of it.
pub trait TrainingKernels<B: Backend>: AttentionKernels<B> + LinearKernels<B> {
    /// The same attention as [`attend`](AttentionKernels::attend), over a whole sequence.
    fn attend_whole(&self, whole: &Whole<'_, B>) -> AttentionState<B>;

    /// Steps 5 to 7 of METHOD.md by themselves: the blocks that rows choose, as
    /// [`attend`](AttentionKernels::attend) lets them choose.
    ///
    /// * `q`: `[rows, query_heads, head_dim]`, as in [`vote`](AttentionKernels::vote).
    /// * `base`: the log-sum-exps of what the rows attend to anyway, `[rows, query_heads]`.
    /// * `candidates`: with a count for each row.
    /// * `layer`: which one of the stores in `zoom`, whose ballot hears nothing.
    ///
    /// The result has, for each row, what each set of KV heads that choose together
    /// ([`BlockRule::sets`](crate::select::BlockRule::sets)) has chosen, ascending: `[rows, sets]`.
    fn choose(
        &self,
        q: &Tensor<B, 3>,
        base: &Tensor<B, 2>,
        layer: usize,
        candidates: &Candidates<'_>,
        scale: f32,
        zoom: &Zoom<'_, B, Self>,
    ) -> Vec<Vec<usize>>;

    /// What the rows of a whole sequence see once they have chosen from `blocks`, as rows that are decoded one by one
    /// would: row by row, once for all KV heads, or for each of them.
    ///
    /// `base` is what they see anyway, the same for all KV heads.
    ///
    /// # Errors
    /// [`Error::Memory`] where the device has no room for the blocks' vectors.
    fn zoom_whole(&self, base: &Whole<'_, B>, blocks: &WholeBlocks) -> Result<Vec<Vec<PositionSet>>, Error> {
        if blocks.candidates.is_empty() {
            return Ok(vec![base.visible_to(0).to_vec()]);
        }
        let [rows, kv_heads, head_dim] = base.k.dims();
        // What is kept of each token, of each block and of the sequence is a page each.
        let shape = PageShape { layers: 1, parts: 1, kv_heads, page_size: rows, head_dim, pages_per_slab: 1 };
        let keys = self.page_of(shape, &[&base.k]);
        let spread = keys.key_spread(0, &spans(&blocks.spread));
        let of_spread = PageSpan { page: 0, start: 0, len: spread.dims()[0], position: 0 };
        let spreads = self.page_of(PageShape { page_size: of_spread.len, ..shape }, &[&spread]);
        let places = spans(&blocks.candidates);
        let candidates: Vec<Candidate> = places.iter().copied().map(at_hand).collect();
        let of_blocks = PageSpan { page: 0, start: 0, len: candidates.len(), position: 0 };
        let mut vectors = self.blocks(PageShape { page_size: of_blocks.len, ..shape }, &base.k.device());
        vectors.resize(1)?;
        let slots: Vec<Slot> = of_blocks.slots().collect();
        vectors.write(0, &keys.block_means(0, &places), &spread, &slots);

        let candidates = Candidates {
            blocks: &candidates,
            vectors: &[of_blocks],
            spread: of_spread,
            counts: &blocks.counts,
            ballot_row: None,
            tells_shares: false,
        };
        let zoom = Zoom { vectors: &vectors, spreads: &spreads, rule: blocks.rule, ballot: None };
        let lse = self.attend_whole(base).lse;
        let chosen = self.choose(&base.q, &lse, 0, &candidates, base.scale, &zoom);
        let sets = blocks.rule.sets(kv_heads);
        let sees = |set: usize| -> Vec<PositionSet> {
            let rows = base.visible_to(0).iter().zip(chosen.iter().skip(set).step_by(sets));
            rows.map(|(anyway, chosen)| with_blocks(anyway, &blocks.candidates, chosen)).collect()
        };
        Ok((0..sets).map(sees).collect())
    }

    /// A store of one page, filled with `parts`, each `[page_size, kv_heads, head_dim]`.
    fn page_of(&self, shape: PageShape, parts: &[&Tensor<B, 3>]) -> Self::Store {
        let mut store = self.store(shape, KvDtype::F32, &parts[0].device());
        store.resize(1).expect("one page on a device that holds what it is made of");
        let slots: Vec<Slot> = (0..shape.page_size).map(|slot| Slot { page: 0, slot }).collect();
        store.append(0, parts, &slots);
        store
    }

    /// The gradients of `q`, `k` and `v`, given that of the output `[rows, query_heads, head_dim]` and the
    /// forward pass's result.
    fn attend_backward(
        &self,
        whole: &Whole<'_, B>,
        state: &AttentionState<B>,
        gradient: Tensor<B, 3>,
    ) -> [Tensor<B, 3>; 3];

    /// `a b`: `[m, k]` by `[k, n] -> [m, n]`. Gradients are products with transposed views, which a provider need not
    /// copy.
    fn product(&self, a: Tensor<B, 2>, b: Tensor<B, 2>) -> Tensor<B, 2> {
        a.matmul(b)
    }

    /// The gradients of [`swiglu`](super::BlockKernels::swiglu)'s `gate` and `up`, given that of its result. With `s` the sigmoid of
    /// `gate`, `silu'(gate) = s (1 + gate (1 - s))`.
    fn swiglu_backward(
        &self,
        gate: Tensor<B, 2>,
        up: Tensor<B, 2>,
        gradient: Tensor<B, 2>,
    ) -> [Tensor<B, 2>; 2] {
        let sigmoid = activation::sigmoid(gate.clone());
        let slope = (sigmoid.clone().neg() + 1.0) * gate.clone() + 1.0;
        let of_up = gradient.clone() * gate * sigmoid.clone();
        [gradient * up * sigmoid * slope, of_up]
    }
}

/// Where runs of positions lie in a page that holds position `p` in slot `p`.
fn spans(runs: &[Range<usize>]) -> Vec<PageSpan> {
    runs.iter()
        .map(|run| PageSpan { page: 0, start: run.start, len: run.len(), position: run.start })
        .collect()
}

/// A block of a sequence all of which is at hand, and which no ballot hears of.
fn at_hand(span: PageSpan) -> Candidate {
    Candidate { tokens: span.len, span: Some(span), passage: 0 }
}

/// `anyway`, and the blocks chosen.
fn with_blocks(anyway: &PositionSet, blocks: &[Range<usize>], chosen: &[usize]) -> PositionSet {
    let mut set = anyway.clone();
    chosen.iter().for_each(|&u| set.insert(blocks[u].clone()));
    set
}
