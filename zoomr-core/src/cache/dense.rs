//! Pages filled from their first slot on, without gaps: what needs no positions lies so.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{KvBudget, Pages, Tiers, pages::follow};
use crate::{
    Error,
    kernels::{KvStore, Move, PageSpan, Slot},
};

/// Slots `0..len()`, in pages of one store.
#[derive(Clone, Debug)]
pub struct DensePages {
    page_size: usize,
    pages: Vec<usize>,
    len: usize,
}

impl DensePages {
    /// No slots, in pages of `page_size`.
    pub fn new(page_size: usize) -> Self {
        Self { page_size, pages: Vec::new(), len: 0 }
    }

    /// Slots in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Slots per page.
    pub fn page_size(&self) -> usize {
        self.page_size
    }

    /// The pages in use, in order.
    pub fn pages(&self) -> &[usize] {
        &self.pages
    }

    /// Has `len` slots from now on.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room; it then has as many as before.
    pub fn resize(&mut self, len: usize, numbers: &mut Pages, budget: &mut KvBudget) -> Result<(), Error> {
        let before = self.len;
        while self.pages.len() * self.page_size < len {
            match numbers.allocate(budget) {
                Ok(page) => self.pages.push(page),
                Err(error) => {
                    self.truncate(before, numbers, budget);
                    return Err(error);
                }
            }
        }
        self.len = self.len.max(len);
        self.truncate(len, numbers, budget);
        Ok(())
    }

    /// Makes the last page this sequence's own, where it has free slots and another sequence holds it too, as one does
    /// after a [`fork`](Self::fork) or a [`truncate`](Self::truncate): needed before anything is written there.
    ///
    /// # Errors
    /// [`Error::OverCap`] and [`Error::Memory`] where a copy finds no room; the page is still shared then.
    pub fn own_end<B: Backend, S: KvStore<B>>(&mut self, tiers: &mut Tiers<'_, S>) -> Result<(), Error> {
        match self.pages.last_mut() {
            Some(last) if !self.len.is_multiple_of(self.page_size) => tiers.own(last),
            _ => Ok(()),
        }
    }

    /// Keeps the first `len` slots.
    pub fn truncate(&mut self, len: usize, numbers: &mut Pages, budget: &mut KvBudget) {
        self.len = self.len.min(len);
        let pages = self.len.div_ceil(self.page_size);
        self.pages.drain(pages..).for_each(|page| numbers.release(page, budget));
    }

    /// Follows pages that have moved within the store.
    pub fn follow(&mut self, moves: &[Move]) {
        follow(self.pages.iter_mut(), moves);
    }

    /// The first `len` slots, shared between this sequence and another.
    pub fn fork(&self, len: usize, numbers: &mut Pages) -> Self {
        let len = len.min(self.len);
        let pages = self.pages[..len.div_ceil(self.page_size)].to_vec();
        pages.iter().for_each(|&page| numbers.share(page));
        Self { page_size: self.page_size, pages, len }
    }

    /// Where slot number `at` lies.
    pub fn slot(&self, at: usize) -> Slot {
        Slot { page: self.pages[at / self.page_size], slot: at % self.page_size }
    }

    /// Where all slots lie.
    pub fn all_spans(&self) -> Vec<PageSpan> {
        self.spans(0..self.len)
    }

    /// Where `slots` lie, in order; a slot's number stands for its position.
    pub fn spans(&self, slots: Range<usize>) -> Vec<PageSpan> {
        let size = self.page_size;
        let pages = slots.start / size..slots.end.div_ceil(size);
        let span = |i: usize| {
            let position = slots.start.max(i * size);
            let len = slots.end.min((i + 1) * size) - position;
            PageSpan { page: self.pages[i], start: position - i * size, len, position }
        };
        pages.filter(|_| !slots.is_empty()).map(span).collect()
    }
}
