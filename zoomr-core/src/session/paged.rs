//! A store beside a band's keys and values, with the numbers of its pages: index vectors, blocks. Nothing of it is ever
//! cold.

use crate::{
    Error,
    cache::{ColdPages, DensePages, KvBudget, Pages, Tiers},
    kernels::{Move, PageStore},
};

/// Pages per slab: a band needs few.
pub(super) const PAGES_PER_SLAB: usize = 1;

/// A store and the numbers of its pages.
#[derive(Debug)]
pub(super) struct Paged<S> {
    pub(super) store: S,
    pub(super) pages: Pages,
}

impl<S: PageStore> Paged<S> {
    /// A store without pages, of [`PAGES_PER_SLAB`].
    pub(super) fn new(store: S) -> Self {
        Self { pages: Pages::new(store.page_bytes(), PAGES_PER_SLAB), store }
    }

    /// No slots in it.
    pub(super) fn no_slots(&self) -> DensePages {
        DensePages::new(self.store.shape().page_size)
    }

    /// Makes `slots` have `len` slots, the last of which may be written to.
    pub(super) fn lengthen(
        &mut self,
        slots: &mut DensePages,
        len: usize,
        cold: &mut ColdPages,
        budget: &mut KvBudget,
    ) -> Result<(), Error> {
        if len > slots.len() {
            let (store, pages) = (&mut self.store, &mut self.pages);
            slots.own_end(&mut Tiers { store, pages, cold, budget })?;
        }
        slots.resize(len, &mut self.pages, budget)?;
        self.fit()
    }

    /// Gives the store the slabs that its pages need by now.
    pub(super) fn fit(&mut self) -> Result<(), Error> {
        self.store.resize(self.pages.slabs())
    }

    /// Closes the gaps that pages left which went; what has moved, for whoever holds pages to follow.
    pub(super) fn compact(&mut self, budget: &mut KvBudget) -> Result<Vec<Move>, Error> {
        let moves = self.pages.compact(budget);
        self.store.copy(&moves);
        self.fit()?;
        Ok(moves)
    }
}
