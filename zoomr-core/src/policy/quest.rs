//! Quest, query-aware pages (arXiv 2406.10774).
//!
//! Everything stays resident. Tokens fall into pages of 16; of each page the index holds the largest and the
//! smallest value of every channel of its keys, which bound the product of a query with any of them:
//! `sum_d max(q_d largest_d, q_d smallest_d)`. A row of a generated token attends to the pages with the highest
//! bounds, as many as the budget in tokens makes. As in the authors' kernels, the page that the row itself is on
//! is always one of them; the first two layers, and rows of a prompt, attend to everything.
//!
//! Each query head chooses for itself, also where query heads share a KV head: so does the authors' evaluation of
//! a model with grouped queries.

use std::{iter, ops::Range};

use super::{Choice, Policy};
use crate::{positions::PositionSet, select::best};

/// Tokens per page.
pub const PAGE: usize = 16;

/// The model's first layers, which attend to everything.
pub const DENSE_LAYERS: usize = 2;

/// Vectors per page in the index: the largest values and the smallest.
pub const VECTORS: usize = 2;

/// The positions of the tokens on `page`.
pub fn positions(page: usize) -> Range<usize> {
    page * PAGE..(page + 1) * PAGE
}

/// The pages with the highest bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quest {
    /// Tokens that a query head attends, in whole pages: rounded up.
    pub budget: usize,
}

impl Quest {
    /// Whether the row at `position` sees everything, whatever the bounds.
    pub fn sees_all(&self, position: usize) -> bool {
        position / PAGE < self.pages()
    }

    /// What one query head of the row at `position` sees; `bounds` are those of the pages before the row's own,
    /// and maybe of later ones.
    pub fn seen(&self, bounds: &[f32], position: usize) -> PositionSet {
        let own = position / PAGE;
        let chosen = best(&bounds[..own], self.pages() - 1);
        let pages = chosen.into_iter().map(positions);
        pages.chain(iter::once(own * PAGE..position + 1)).collect()
    }

    /// Pages that a query head attends, its own included.
    fn pages(&self) -> usize {
        self.budget.div_ceil(PAGE).max(1)
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
