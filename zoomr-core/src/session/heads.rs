//! What rows see, where query heads may see different tokens.
//!
//! Kernels show all heads of a row the same tokens. Where each head has a set of its own, the row goes in once
//! per head, and of each copy one head's output is kept: dear, but every provider can do it.

use burn::tensor::{Tensor, backend::Backend};

use crate::{positions::PositionSet, state::AttentionState};

/// What the rows of a group see.
#[derive(Debug)]
pub(super) enum Visible {
    /// One set per row.
    Rows(Vec<PositionSet>),
    /// One set per row and query head, `[rows, query_heads]`.
    Heads(Vec<PositionSet>),
}

impl Visible {
    /// All sets.
    pub(super) fn sets(&self) -> &[PositionSet] {
        match self {
            Self::Rows(sets) | Self::Heads(sets) => sets,
        }
    }

    /// What any row sees.
    pub(super) fn union(&self) -> PositionSet {
        let mut union = PositionSet::default();
        self.sets().iter().for_each(|set| union.extend(set));
        union
    }

    /// What the last row of `rows` sees: one set, or one per query head.
    pub(super) fn last(&self, rows: usize) -> &[PositionSet] {
        let sets = self.sets();
        &sets[sets.len() - sets.len() / rows..]
    }

    /// What any head of the last row of `rows` sees.
    pub(super) fn last_row(&self, rows: usize) -> PositionSet {
        let mut union = PositionSet::default();
        self.last(rows).iter().for_each(|set| union.extend(set));
        union
    }

    /// One row per set, of the group's rows `[rows, query_heads, head_dim]`.
    fn expand<B: Backend>(&self, rows: Tensor<B, 3>) -> Tensor<B, 3> {
        let [n, heads, head_dim] = rows.dims();
        match self {
            Self::Rows(_) => rows,
            Self::Heads(_) => {
                rows.unsqueeze_dim::<4>(1).repeat_dim(1, heads).reshape([n * heads, heads, head_dim])
            }
        }
    }

    /// From outputs for what [`expand`](Self::expand) gave to those of the group's rows.
    fn collapse<B: Backend>(&self, outputs: Tensor<B, 3>) -> Tensor<B, 3> {
        let [n, heads, head_dim] = outputs.dims();
        match self {
            Self::Rows(_) => outputs,
            Self::Heads(_) => {
                let copies = outputs.reshape([n / heads, heads, heads, head_dim]);
                let own = |h| copies.clone().narrow(1, h, 1).narrow(2, h, 1).squeeze_dim::<3>(1);
                Tensor::cat((0..heads).map(own).collect(), 1)
            }
        }
    }
}

/// Attends for the rows `q` `[rows, query_heads, head_dim]` of groups that see `seen`; `attend` takes one row per
/// set and shows it that set.
pub(super) fn attend_sets<B: Backend>(
    seen: &[&Visible],
    q: &Tensor<B, 3>,
    attend: impl FnOnce(&Tensor<B, 3>) -> AttentionState<B>,
) -> AttentionState<B> {
    if seen.iter().all(|seen| matches!(seen, Visible::Rows(_))) {
        return attend(q);
    }
    let heads = q.dims()[1];
    let mut first = 0;
    let expanded = seen.iter().map(|seen| {
        let rows =
            if matches!(seen, Visible::Rows(_)) { seen.sets().len() } else { seen.sets().len() / heads };
        first += rows;
        seen.expand(q.clone().narrow(0, first - rows, rows))
    });
    let copies = attend(&Tensor::cat(expanded.collect(), 0));
    let lse = copies.lse.unsqueeze_dim(2);
    let own = |copies: &Tensor<B, 3>| {
        let mut first = 0;
        let collapsed = seen.iter().map(|seen| {
            let count = seen.sets().len();
            first += count;
            seen.collapse(copies.clone().narrow(0, first - count, count))
        });
        Tensor::cat(collapsed.collect(), 0)
    };
    AttentionState { output: own(&copies.output), lse: own(&lse).squeeze_dim(2) }
}
