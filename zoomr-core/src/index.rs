//! The index: per layer and KV head, one vector per retired thought.
//!
//! A thought's vector is the mean of its summary's keys, or of its own where it has no summary. Vectors lie
//! in pages like keys do: the token at "position" `j` of an index page is thought `j`.

use burn::tensor::{Tensor, backend::Backend};

use crate::{
    Error,
    cache::{Budget, Pool},
    kernels::PageSpan,
    portable::gather,
};

/// One sequence's index in one layer.
#[derive(Debug, Default)]
pub struct Index {
    pages: Vec<usize>,
    len: usize,
}

impl Index {
    /// Thoughts indexed.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no thought is indexed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Pages in use.
    pub fn pages(&self) -> usize {
        self.pages.len()
    }

    /// Adds the next thought's vector: the mean of `keys` `[tokens, kv_heads, head_dim]` over the tokens.
    ///
    /// # Errors
    /// [`Error::OverCap`] where a new page finds no room.
    pub fn push<B: Backend>(
        &mut self,
        keys: Tensor<B, 3>,
        pool: &mut Pool<B, 1>,
        budget: &mut Budget,
    ) -> Result<(), Error> {
        let size = pool.geometry().page_size;
        if self.len == self.pages.len() * size {
            self.pages.push(pool.allocate(budget)?);
        }
        // [1, kv_heads, head_dim] -> [kv_heads, 1, head_dim]
        let vector = keys.mean_dim(0).swap_dims(0, 1);
        pool.write(0, self.pages[self.len / size], self.len % size, vector);
        self.len += 1;
        Ok(())
    }

    /// Keeps the first `len` thoughts.
    pub fn truncate<B: Backend>(&mut self, len: usize, pool: &mut Pool<B, 1>, budget: &mut Budget) {
        self.len = self.len.min(len);
        let pages = self.len.div_ceil(pool.geometry().page_size);
        self.pages.drain(pages..).for_each(|page| pool.release(page, budget));
    }

    /// Where the vectors lie.
    pub fn spans(&self, page_size: usize) -> Vec<PageSpan> {
        let span = |(i, &page): (usize, &usize)| {
            let position = i * page_size;
            PageSpan { page, start: 0, len: page_size.min(self.len - position), position }
        };
        self.pages.iter().enumerate().map(span).collect()
    }

    /// The vectors `[thoughts, kv_heads, head_dim]`, oldest first; `None` where there is none.
    pub fn vectors<B: Backend>(&self, pool: &Pool<B, 1>) -> Option<Tensor<B, 3>> {
        let spans = self.spans(pool.geometry().page_size);
        (!spans.is_empty()).then(|| gather(pool.slabs(0), &spans))
    }
}
