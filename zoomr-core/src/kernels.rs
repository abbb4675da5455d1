//! The provider boundary: what a backend crate supplies, and nothing else.
//!
//! The core decides *what* is attended (positions, pages, thoughts); a provider computes it. Kernels see
//! pages and page tables, never sequences. `portable::Portable` implements all of it in
//! plain Burn tensor ops on any backend and is the reference that every other provider is tested against
//! (`testing::conformance`).
//!
//! The orphan rule decides the form: a backend crate cannot implement our traits for Burn's own types, so
//! it implements them on a unit type of its own.

use std::ops::Range;

use burn::tensor::{Device, Tensor, activation, backend::Backend};

use crate::{positions::PositionSet, select::Tally, state::AttentionState, weight::StoredWeight};

/// A run of consecutive tokens inside one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSpan {
    /// The page's number in its pool: slab `page / pages_per_slab`, page `page % pages_per_slab` within it.
    pub page: usize,
    /// The first slot of the run within the page.
    pub start: usize,
    /// Tokens in the run; `start + len` is at most the page size.
    pub len: usize,
    /// Position in the sequence of the token in slot `start`; the run's other tokens follow on.
    pub position: usize,
}

impl PageSpan {
    /// The positions of the run's tokens.
    pub fn positions(&self) -> Range<usize> {
        self.position..self.position + self.len
    }
}

/// The keys and values of one layer's pool, as kernels see them.
///
/// `keys[s]` and `values[s]` are slab `s`, each `[pages_per_slab, kv_heads, page_size, head_dim]` in the
/// backend's float type; all slabs have one shape. Slots that no span names hold anything, NaN included.
#[derive(Debug)]
pub struct PagedKv<'a, B: Backend> {
    /// Slabs of keys, after RoPE.
    pub keys: &'a [Tensor<B, 4>],
    /// Slabs of values.
    pub values: &'a [Tensor<B, 4>],
}

// Derived, these would ask `B: Copy`, which no backend need be.
impl<B: Backend> Copy for PagedKv<'_, B> {}

impl<B: Backend> Clone for PagedKv<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Rows of one sequence that attend together.
#[derive(Clone, Copy, Debug)]
pub struct AttendGroup<'a> {
    /// The first of the group's rows in the query tensor; the group has `visible.len()` rows.
    pub first_row: usize,
    /// Where the union of what the rows see lies; disjoint in position, in any order.
    pub spans: &'a [PageSpan],
    /// What each row sees; tokens of `spans` outside of a row's set contribute nothing to that row.
    pub visible: &'a [PositionSet],
}

/// Rows of one sequence that score the same index.
#[derive(Clone, Copy, Debug)]
pub struct ScoreGroup<'a> {
    /// The first of the group's rows in the query tensor; the group has `candidates.len()` rows.
    pub first_row: usize,
    /// Where the index vectors lie: the token at "position" `j` is the index vector of thought `j`.
    pub spans: &'a [PageSpan],
    /// How many thoughts each row may vote for: thoughts `0..candidates[r]`, the oldest ones.
    pub candidates: &'a [usize],
}

/// Attention over pages: the hot kernels of a decoding step.
pub trait AttentionKernels<B: Backend>: Send + Sync {
    /// Steps 1 and 2 of METHOD.md: scores every candidate thought and lets each query head vote for its
    /// `votes` best.
    ///
    /// * `q`: queries after RoPE `[rows, query_heads, head_dim]`; head `h` reads KV head
    ///   `h / (query_heads / kv_heads)`.
    /// * `index`: slabs `[pages_per_slab, kv_heads, page_size, head_dim]` holding index vectors.
    /// * `scale`: multiplies every dot product (`1 / sqrt(head_dim)` in most models).
    ///
    /// Returns one tally per row, in the rows' order; rows in no group get none. Scores go through
    /// [`Tally::from_scores`], or something equal to it for equal scores.
    fn tally(
        &self,
        q: &Tensor<B, 3>,
        index: &[Tensor<B, 4>],
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
    ) -> Vec<Tally>;

    /// Step 4 of METHOD.md: exact softmax attention of each row over the tokens it sees.
    ///
    /// * `q`: `[rows, query_heads, head_dim]`, as in [`tally`](Self::tally); the groups cover all rows
    ///   once, in order.
    ///
    /// A row that sees nothing gets a zero output and a log-sum-exp of minus infinity.
    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: PagedKv<'_, B>,
        groups: &[AttendGroup<'_>],
        scale: f32,
    ) -> AttentionState<B>;
}

/// Products with weight matrices, in whatever form the provider keeps them, and the gate between them.
pub trait LinearKernels<B: Backend>: Send + Sync {
    /// A weight matrix `[out, in]` as this provider multiplies by it.
    type Matrix: Clone + std::fmt::Debug + Send + Sync;

    /// Takes in a stored matrix; on the CPU this copies nothing.
    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix;

    /// `x W^T`: `[rows, in] -> [rows, out]`.
    fn linear(&self, x: Tensor<B, 2>, weight: &Self::Matrix) -> Tensor<B, 2>;

    /// `silu(gate) * up`, all of one shape: what lies between the products of most feed-forward networks.
    fn swiglu(&self, gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
        activation::silu(gate) * up
    }

    /// The matrix's rows `ids`, each below its row count: `[ids.len(), in]` (a token embedding).
    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<B, 2>;
}

/// One sequence whose rows attend to each other, as training sees it: whole, and on the device.
#[derive(Debug)]
pub struct Whole<'a, B: Backend> {
    /// Queries after RoPE `[rows, query_heads, head_dim]`.
    pub q: Tensor<B, 3>,
    /// Keys after RoPE `[rows, kv_heads, head_dim]`.
    pub k: Tensor<B, 3>,
    /// Values `[rows, kv_heads, head_dim]`.
    pub v: Tensor<B, 3>,
    /// What each row sees; row `r` is at position `r`.
    pub visible: &'a [PositionSet],
    /// Multiplies query-key products.
    pub scale: f32,
}

// Derived, this would ask `B: Clone` for more than tensors need.
impl<B: Backend> Clone for Whole<'_, B> {
    fn clone(&self) -> Self {
        Self { q: self.q.clone(), k: self.k.clone(), v: self.v.clone(), ..*self }
    }
}

/// What training works out in one go, forwards and backwards. Decoding needs none of it.
pub trait TrainingKernels<B: Backend>: AttentionKernels<B> + LinearKernels<B> {
    /// The same attention as [`attend`](AttentionKernels::attend), over a whole sequence.
    fn attend_whole(&self, whole: &Whole<'_, B>) -> AttentionState<B> {
        let [rows, _, _] = whole.q.dims();
        // A sequence is one page: `[1, kv_heads, rows, head_dim]`.
        let page = |x: &Tensor<B, 3>| [x.clone().swap_dims(0, 1).unsqueeze()];
        let (keys, values) = (page(&whole.k), page(&whole.v));
        let spans = [PageSpan { page: 0, start: 0, len: rows, position: 0 }];
        let group = AttendGroup { first_row: 0, spans: &spans, visible: whole.visible };
        let kv = PagedKv { keys: &keys, values: &values };
        self.attend(&whole.q, kv, &[group], whole.scale)
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

    /// The gradients of [`swiglu`](LinearKernels::swiglu)'s `gate` and `up`, given that of its result. With `s` the sigmoid of
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
