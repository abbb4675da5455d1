//! The numbers of a store's pages: which are free, and how many sequences share each of the others.
//!
//! Integers alone. Pages come in slabs, so that growing allocates and never copies. Where pages go, slabs at the
//! end that are empty are given up, and [`Pages::compact`] says which pages to move so that more of them are.

use std::{collections::BTreeSet, ops::Range};

use super::KvBudget;
use crate::{Error, kernels::Move};

/// Page numbers of one store.
#[derive(Debug)]
pub struct Pages {
    page_bytes: u64,
    per_slab: usize,
    /// How many holders each page has; as many pages as there are in slabs.
    holders: Vec<u32>,
    free: BTreeSet<usize>,
}

impl Pages {
    /// No pages; each will have `page_bytes` bytes, and `per_slab` of them come at a time.
    pub fn new(page_bytes: u64, per_slab: usize) -> Self {
        Self { page_bytes, per_slab, holders: Vec::new(), free: BTreeSet::new() }
    }

    /// Bytes of one page.
    pub fn page_bytes(&self) -> u64 {
        self.page_bytes
    }

    /// Slabs that the store needs for these pages.
    pub fn slabs(&self) -> usize {
        self.holders.len() / self.per_slab
    }

    /// Bytes of all slabs, used or free.
    pub fn bytes(&self) -> u64 {
        self.page_bytes * self.holders.len() as u64
    }

    /// Bytes of pages that nobody holds.
    pub fn free_bytes(&self) -> u64 {
        self.page_bytes * self.free.len() as u64
    }

    /// Whether more than one sequence holds `page`.
    pub fn is_shared(&self, page: usize) -> bool {
        self.holders[page] > 1
    }

    /// Hands out the lowest free page, growing by a slab if there is none.
    ///
    /// # Errors
    /// [`Error::OverCap`] where the budget has no room for another slab.
    pub fn allocate(&mut self, budget: &mut KvBudget) -> Result<usize, Error> {
        if self.free.is_empty() {
            budget.take(self.page_bytes * self.per_slab as u64)?;
            let first = self.holders.len();
            self.holders.resize(first + self.per_slab, 0);
            self.free.extend(first..first + self.per_slab);
        }
        // A slab has at least one page.
        let page = self.free.pop_first().unwrap_or_default();
        self.holders[page] = 1;
        Ok(page)
    }

    /// Adds a holder to `page`.
    pub fn share(&mut self, page: usize) {
        self.holders[page] += 1;
    }

    /// Takes one holder from `page`; without any it is free, and slabs at the end that hold no used page are given
    /// up.
    pub fn release(&mut self, page: usize, budget: &mut KvBudget) {
        self.holders[page] -= 1;
        if self.holders[page] > 0 {
            return;
        }
        self.free.insert(page);
        while let Some(last) = self.slabs().checked_sub(1) {
            let pages = last * self.per_slab..(last + 1) * self.per_slab;
            if !self.is_free(pages.clone()) {
                break;
            }
            self.free.split_off(&pages.start);
            self.holders.truncate(pages.start);
            budget.give_back(self.page_bytes * self.per_slab as u64);
        }
    }

    fn is_free(&self, mut pages: Range<usize>) -> bool {
        pages.all(|page| self.holders[page] == 0)
    }

    /// Moves used pages from the end into the lowest free ones, so that less than a slab stays free; the store has
    /// to copy them, and whoever holds one to follow.
    pub fn compact(&mut self, budget: &mut KvBudget) -> Vec<Move> {
        let used = self.holders.len() - self.free.len();
        let kept = used.next_multiple_of(self.per_slab);
        let mut moves = Vec::new();
        for from in (kept..self.holders.len()).rev() {
            if self.holders[from] == 0 {
                continue;
            }
            let Some(to) = self.free.pop_first() else { break };
            self.holders[to] = std::mem::replace(&mut self.holders[from], 1);
            moves.push(Move { from, to });
        }
        moves.iter().for_each(|moved| self.release(moved.from, budget));
        moves
    }
}

/// Where each of some pages is after the `moves` that [`Pages::compact`] gave, which are in falling order.
pub(super) fn follow<'a>(pages: impl Iterator<Item = &'a mut usize>, moves: &[Move]) {
    for page in pages {
        if let Ok(moved) = moves.binary_search_by(|moved| (*page).cmp(&moved.from)) {
            *page = moves[moved].to;
        }
    }
}
