//! One sequence's tokens in one layer where each KV head keeps tokens of its own: as many as every other head,
//! in slots of ordinary pages.
//!
//! Slot `s` of head `h` holds some token that `h` keeps. A token that is destroyed leaves a hole, which a token
//! from the last slots fills, so that the slots stay dense and whole pages come free. Keys are stored after
//! RoPE: attention needs no positions, only which slots there are.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{Budget, DensePages, Pool};
use crate::{Error, kernels::PageSpan};

/// The slots of one sequence in one layer.
#[derive(Debug, Default)]
pub struct Slots {
    pages: DensePages,
    /// Per KV head, the slots of its tokens, the oldest token first.
    order: Vec<Vec<usize>>,
    /// Tokens held when the last step ended: what a failed step goes back to.
    settled: usize,
}

impl Slots {
    /// Tokens that each KV head holds.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Pages in use.
    pub fn pages(&self) -> usize {
        self.pages.pages()
    }

    /// Per KV head, the slots of its tokens, the oldest token first.
    pub fn order(&self) -> &[Vec<usize>] {
        &self.order
    }

    /// Where `slots` lie.
    pub fn spans(&self, slots: Range<usize>, page_size: usize) -> Vec<PageSpan> {
        self.pages.spans(slots, page_size)
    }

    /// Makes room for `count` more tokens, the newest; returns where they go.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room.
    pub fn open<B: Backend>(
        &mut self,
        count: usize,
        pool: &mut Pool<B, 2>,
        budget: &mut Budget,
    ) -> Result<Vec<PageSpan>, Error> {
        let first = self.len();
        self.pages.grow(count, pool, budget)?;
        let added = first..self.len();
        self.order.resize(pool.geometry().kv_heads, Vec::new());
        self.order.iter_mut().for_each(|order| order.extend(added.clone()));
        Ok(self.pages.spans(added, pool.geometry().page_size))
    }

    /// Destroys what is not `kept`: for each KV head as many tokens, numbered from the oldest, in order.
    pub fn keep<B: Backend>(&mut self, kept: &[Vec<usize>], pool: &mut Pool<B, 2>, budget: &mut Budget) {
        let len = kept.first().map_or(0, Vec::len);
        let size = pool.geometry().page_size;
        for (head, (order, kept)) in self.order.iter_mut().zip(kept).enumerate() {
            let mut slots: Vec<usize> = kept.iter().map(|&token| order[token]).collect();
            let mut taken = vec![false; len];
            slots.iter().filter(|&&slot| slot < len).for_each(|&slot| taken[slot] = true);
            let holes = (0..len).filter(|&slot| !taken[slot]);
            for (slot, hole) in slots.iter_mut().filter(|slot| **slot >= len).zip(holes) {
                pool.copy(head, self.pages.place(*slot, size), self.pages.place(hole, size));
                *slot = hole;
            }
            *order = slots;
        }
        self.pages.truncate(len, pool, budget);
    }

    /// Moves pages down into free ones, as [`Pool::compact`].
    pub fn compact<B: Backend>(&mut self, pool: &mut Pool<B, 2>, budget: &mut Budget) {
        self.pages.compact(pool, budget);
    }

    /// Ends a step: what is held now stays.
    pub fn settle(&mut self) {
        self.settled = self.len();
    }

    /// Forgets the tokens of a step that failed.
    pub fn roll_back<B: Backend>(&mut self, pool: &mut Pool<B, 2>, budget: &mut Budget) {
        self.pages.truncate(self.settled, pool, budget);
        self.order.iter_mut().for_each(|order| order.truncate(self.settled));
    }

    /// Forgets every token.
    pub fn clear<B: Backend>(&mut self, pool: &mut Pool<B, 2>, budget: &mut Budget) {
        self.settled = 0;
        self.roll_back(pool, budget);
    }
}
