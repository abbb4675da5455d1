//! Cold copies that several sequences may share: a tier, and how many hold each of its pages.

use std::{collections::BTreeMap, io};

use super::{ColdTier, Handle};
use crate::kernels::PageBytes;

/// A tier whose pages have holders.
#[derive(Debug)]
pub struct ColdPages {
    tier: Box<dyn ColdTier>,
    /// Holders of the pages that have more than one.
    shared: BTreeMap<Handle, u32>,
}

impl ColdPages {
    /// The pages of `tier`, which is empty.
    pub fn new(tier: Box<dyn ColdTier>) -> Self {
        Self { tier, shared: BTreeMap::new() }
    }

    /// As [`ColdTier::store`]; the page has one holder.
    ///
    /// # Errors
    /// As [`ColdTier::store`].
    pub fn store(&mut self, page: PageBytes) -> io::Result<Handle> {
        self.tier.store(page)
    }

    /// As [`ColdTier::load`].
    ///
    /// # Errors
    /// As [`ColdTier::load`].
    pub fn load(&self, handle: Handle) -> io::Result<PageBytes> {
        self.tier.load(handle)
    }

    /// Adds a holder to a page.
    pub fn share(&mut self, handle: Handle) {
        *self.shared.entry(handle).or_insert(1) += 1;
    }

    /// Takes a holder from a page; without any, the tier forgets it.
    pub fn forget(&mut self, handle: Handle) {
        match self.shared.get_mut(&handle) {
            None => self.tier.forget(handle),
            Some(2) => drop(self.shared.remove(&handle)),
            Some(holders) => *holders -= 1,
        }
    }

    /// Bytes of all pages kept, each once.
    pub fn bytes(&self) -> u64 {
        self.tier.bytes()
    }
}
