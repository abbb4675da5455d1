//! Attention over pages: votes and exact attention, the hot kernels of a decoding step.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use crate::{positions::PositionSet, select::Tally, state::AttentionState};

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
