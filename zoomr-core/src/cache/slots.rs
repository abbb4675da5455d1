//! One sequence's tokens in one layer where each KV head keeps tokens of its own: as many as every other head,
//! in slots of ordinary pages.
//!
//! Slot `s` of head `h` holds some token that `h` keeps. A token that is destroyed leaves a hole, which a token
//! from the last slots fills, so that the slots stay dense and whole pages come free. Keys are stored after
//! RoPE: attention needs no positions, only which slots there are.

use std::ops::Range;

use super::{DensePages, KvBudget, Pages};
use crate::{
    Error,
    kernels::{HeadMove, Move, PageSpan},
};

/// The slots of one sequence in one layer.
#[derive(Clone, Debug)]
pub struct Slots {
    pages: DensePages,
    /// Per KV head, the slots of its tokens, the oldest token first.
    order: Vec<Vec<usize>>,
    /// Tokens held when the last step ended: what a failed step goes back to.
    committed: usize,
}

impl Slots {
    /// No tokens, for so many KV heads, in pages of `page_size`.
    pub fn new(kv_heads: usize, page_size: usize) -> Self {
        Self { pages: DensePages::new(page_size), order: vec![Vec::new(); kv_heads], committed: 0 }
    }

    /// Tokens that each KV head holds.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether no token is held.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The pages in use, in order.
    pub fn pages(&self) -> &[usize] {
        self.pages.pages()
    }

    /// Per KV head, the slots of its tokens, the oldest token first.
    pub fn order(&self) -> &[Vec<usize>] {
        &self.order
    }

    /// Where `slots` lie.
    pub fn spans(&self, slots: Range<usize>) -> Vec<PageSpan> {
        self.pages.spans(slots)
    }

    /// Makes room for `count` more tokens, the newest; returns where they go.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room.
    pub fn open(
        &mut self,
        count: usize,
        numbers: &mut Pages,
        budget: &mut KvBudget,
    ) -> Result<Vec<PageSpan>, Error> {
        let added = self.len()..self.len() + count;
        self.pages.resize(added.end, numbers, budget)?;
        self.order.iter_mut().for_each(|order| order.extend(added.clone()));
        Ok(self.pages.spans(added))
    }

    /// Destroys what is not `kept`: for each KV head as many tokens, numbered from the oldest, in order. Returns what
    /// the store has to copy before it gives up the pages that are free then.
    pub fn keep(&mut self, kept: &[Vec<usize>], numbers: &mut Pages, budget: &mut KvBudget) -> Vec<HeadMove> {
        let len = kept.first().map_or(0, Vec::len);
        let mut moves = Vec::new();
        for (head, (order, kept)) in self.order.iter_mut().zip(kept).enumerate() {
            let mut slots: Vec<usize> = kept.iter().map(|&token| order[token]).collect();
            let mut taken = vec![false; len];
            slots.iter().filter(|&&slot| slot < len).for_each(|&slot| taken[slot] = true);
            let holes = (0..len).filter(|&slot| !taken[slot]);
            for (slot, hole) in slots.iter_mut().filter(|slot| **slot >= len).zip(holes) {
                moves.push(HeadMove { head, from: self.pages.slot(*slot), to: self.pages.slot(hole) });
                *slot = hole;
            }
            *order = slots;
        }
        self.pages.truncate(len, numbers, budget);
        moves
    }

    /// A copy for another sequence, in pages of its own: those are written to. Returns what the store has to copy,
    /// once it has room for it.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room.
    pub fn fork(&self, numbers: &mut Pages, budget: &mut KvBudget) -> Result<(Self, Vec<Move>), Error> {
        let size = self.pages.page_size();
        let mut pages = DensePages::new(size);
        pages.resize(self.len(), numbers, budget)?;
        let pairs = self.pages().iter().zip(pages.pages());
        let moves = pairs.map(|(&from, &to)| Move { from, to }).collect();
        Ok((Self { pages, order: self.order.clone(), committed: self.len() }, moves))
    }

    /// Follows pages that have moved within the store.
    pub fn follow(&mut self, moves: &[Move]) {
        self.pages.follow(moves);
    }

    /// Ends a step: what is held now stays.
    pub fn commit(&mut self) {
        self.committed = self.len();
    }

    /// Forgets the tokens of a step that failed.
    pub fn roll_back(&mut self, numbers: &mut Pages, budget: &mut KvBudget) {
        self.pages.truncate(self.committed, numbers, budget);
        self.order.iter_mut().for_each(|order| order.truncate(self.committed));
    }

    /// Forgets every token.
    pub fn clear(&mut self, numbers: &mut Pages, budget: &mut KvBudget) {
        self.committed = 0;
        self.roll_back(numbers, budget);
    }
}
