//! The index: per layer and KV head, the vectors that queries are scored against before any detail is read.
//!
//! Under `zoomr` one per retired thought: the mean of its summary's keys, or of its own where it has no summary.
//! Under `quest` two per page of tokens: the largest and the smallest value of each channel of its keys. Vectors
//! lie in pages like keys do: the token at "position" `j` of an index page is vector `j`.

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    Error,
    cache::{Budget, DensePages, Pool},
    kernels::PageSpan,
    portable::gather,
};

/// One sequence's index in one layer.
#[derive(Debug, Default)]
pub struct Index {
    pages: DensePages,
}

impl Index {
    /// Vectors held.
    pub fn len(&self) -> usize {
        self.pages.len()
    }

    /// Whether no vector is held.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Pages in use.
    pub fn pages(&self) -> usize {
        self.pages.pages()
    }

    /// Adds the next vector, `[1, kv_heads, head_dim]`.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room.
    pub fn push<B: Backend>(
        &mut self,
        vector: Tensor<B, 3>,
        pool: &mut Pool<B, 1>,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let at = self.len();
        self.pages.grow(1, pool, budget)?;
        let (page, slot) = self.pages.place(at, pool.geometry().page_size);
        pool.write(0, page, slot, vector.swap_dims(0, 1));
        Ok(())
    }

    /// Keeps the first `len` vectors.
    pub fn truncate<B: Backend>(&mut self, len: usize, pool: &mut Pool<B, 1>, budget: &mut Budget) {
        self.pages.truncate(len, pool, budget);
    }

    /// Moves pages down into free ones, as [`Pool::compact`].
    pub fn compact<B: Backend>(&mut self, pool: &mut Pool<B, 1>, budget: &mut Budget) {
        self.pages.compact(pool, budget);
    }

    /// Where the vectors lie.
    pub fn spans(&self, page_size: usize) -> Vec<PageSpan> {
        self.pages.spans(0..self.len(), page_size)
    }

    /// The vectors `[vectors, kv_heads, head_dim]`, oldest first; `None` where there is none.
    pub fn vectors<B: Backend>(&self, pool: &Pool<B, 1>) -> Option<Tensor<B, 3>> {
        let spans = self.spans(pool.geometry().page_size);
        (!spans.is_empty()).then(|| gather(pool.slabs(0), &spans))
    }
}
