//! Pages filled from their first slot on, without gaps: what needs no positions lies so.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{Budget, Pool};
use crate::{Error, kernels::PageSpan};

/// Slots `0..len()`, in pages of one pool.
#[derive(Debug, Default)]
pub struct DensePages {
    pages: Vec<usize>,
    len: usize,
}

impl DensePages {
    /// Slots in use.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no slot is in use.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Pages in use.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Adds `count` slots.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room; pages that did find some stay until the next
    /// [`truncate`](Self::truncate).
    pub fn grow<B: Backend, const PLANES: usize>(
        &mut self,
        count: usize,
        pool: &mut Pool<B, PLANES>,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let len = self.len + count;
        while self.pages.len() * pool.geometry().page_size < len {
            self.pages.push(pool.allocate(budget)?);
        }
        self.len = len;
        Ok(())
    }

    /// Keeps the first `len` slots.
    pub fn truncate<B: Backend, const PLANES: usize>(
        &mut self,
        len: usize,
        pool: &mut Pool<B, PLANES>,
        budget: &mut Budget,
    ) {
        self.len = self.len.min(len);
        let pages = self.len.div_ceil(pool.geometry().page_size);
        self.pages.drain(pages..).for_each(|page| pool.release(page, budget));
    }

    /// Moves pages down into free ones, as [`Pool::compact`].
    pub fn compact<B: Backend, const PLANES: usize>(
        &mut self,
        pool: &mut Pool<B, PLANES>,
        budget: &mut Budget,
    ) {
        self.pages.iter_mut().for_each(|page| *page = pool.compact(*page, budget));
    }

    /// The page that holds `slot`, and the slot within it.
    pub fn place(&self, slot: usize, page_size: usize) -> (usize, usize) {
        (self.pages[slot / page_size], slot % page_size)
    }

    /// Where `slots` lie, in order; a slot's number stands for its position.
    pub fn spans(&self, slots: Range<usize>, page_size: usize) -> Vec<PageSpan> {
        let pages = slots.start / page_size..slots.end.div_ceil(page_size);
        let span = |i: usize| {
            let position = slots.start.max(i * page_size);
            let len = slots.end.min((i + 1) * page_size) - position;
            PageSpan { page: self.pages[i], start: position - i * page_size, len, position }
        };
        pages.filter(|_| !slots.is_empty()).map(span).collect()
    }
}
