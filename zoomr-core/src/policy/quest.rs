//! Quest, query-aware pages (arXiv 2406.10774).
//!
//! Everything stays resident. Tokens fall into pages of 16; of each page the index holds the largest and the
//! smallest value of every channel of its keys, which bound the product of a query with any of them:
//! `sum_d max(q_d largest_d, q_d smallest_d)`. A row of a generated token attends to the pages with the highest
//! bounds, as many as the budget in tokens makes. As in the authors' kernels, the page that the row itself is on
//! is always one of them; the first two layers, and rows of a prompt, attend to everything.
//!
//! Each query head chooses for itself, also where query heads share a KV head: so does the authors' evaluation of
//! a model with grouped queries. With blocks, which are ours, pages have a block's tokens, and the query heads of a KV head
//! or a layer choose together, by the highest of their bounds.

use std::{iter, ops::Range};

use super::{Choice, Policy};
use crate::{config::BlockScope, positions::PositionSet, select::best};

/// Tokens per page, in the paper.
pub const PAGE: usize = 16;

/// The model's first layers, which attend to everything.
pub const DENSE_LAYERS: usize = 2;

/// Vectors per page in the index: the largest values and the smallest.
pub const VECTORS: usize = 2;

/// The pages with the highest bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quest {
    /// Tokens that a query head attends, in whole pages: rounded up.
    pub budget: usize,
    /// Tokens per page.
    pub page: usize,
    /// Which query heads choose together; `None` for each by itself.
    pub scope: Option<BlockScope>,
}

impl Quest {
    /// Whether the row at `position` sees everything, whatever the bounds.
    pub fn sees_all(&self, position: usize) -> bool {
        position / self.page < self.pages()
    }

    /// The positions of the tokens on `page`.
    pub fn positions(&self, page: usize) -> Range<usize> {
        page * self.page..(page + 1) * self.page
    }

    /// Vectors in the index of so many tokens.
    pub fn vectors(&self, tokens: usize) -> usize {
        tokens / self.page * VECTORS
    }

    /// How many of a layer's query heads choose together.
    pub fn together(&self, query_heads: usize, kv_heads: usize) -> usize {
        match self.scope {
            None => 1,
            Some(BlockScope::Kv) => query_heads / kv_heads,
            Some(BlockScope::Layer) => query_heads,
        }
    }

    /// What query heads of the row at `position` see that choose together; `bounds`, for each of them, are those of the
    /// pages before the row's own, and maybe of later ones.
    pub fn seen(&self, bounds: &[&[f32]], position: usize) -> PositionSet {
        let own = position / self.page;
        let highest = |page: usize| bounds.iter().map(|of| of[page]).fold(f32::NEG_INFINITY, f32::max);
        let highest: Vec<f32> = (0..own).map(highest).collect();
        let chosen = best(&highest, self.pages() - 1);
        let pages = chosen.into_iter().map(|page| self.positions(page));
        pages.chain(iter::once(own * self.page..position + 1)).collect()
    }

    /// Pages that a query head attends, its own included.
    fn pages(&self) -> usize {
        self.budget.div_ceil(self.page).max(1)
    }
}

impl Policy for Quest {
    fn name(&self) -> &'static str {
        "quest"
    }

    fn choice(&self) -> Choice {
        Choice::Pages(*self)
    }
}
