//! One sequence's pages in one layer: which are resident, which are cold, and how they move.

use std::{collections::BTreeSet, ops::Range};

use burn::tensor::backend::Backend;

use super::{Budget, ColdTier, Handle, Layout, PageData, Pool};
use crate::{Error, kernels::PageSpan, positions::PositionSet};

/// Planes of a pool of keys and values.
pub(crate) const KEYS: usize = 0;
pub(crate) const VALUES: usize = 1;

/// Where a logical page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On the device; a full page that has been cold before keeps its copy, since keys and values never
    /// change.
    Resident { page: usize, copy: Option<Handle> },
    /// In the cold tier alone.
    Cold(Handle),
    /// Destroyed, by a policy that keeps no detail.
    Dropped,
}

/// Bytes that went from tier to tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Moved {
    /// From a colder tier to the device.
    pub fetched: u64,
    /// From the device to a colder tier.
    pub stored: u64,
}

impl std::ops::AddAssign for Moved {
    fn add_assign(&mut self, other: Self) {
        self.fetched += other.fetched;
        self.stored += other.stored;
    }
}

/// What a [`LayerCache`] works with: the layer's pool, the session's cold tier and memory budget.
pub(crate) struct Stores<'a, B: Backend> {
    pub(crate) pool: &'a mut Pool<B, 2>,
    pub(crate) tier: &'a mut dyn ColdTier,
    pub(crate) budget: &'a mut Budget,
}

/// The places of one sequence's logical pages in one layer.
#[derive(Debug, Default)]
pub struct LayerCache {
    places: Vec<Place>,
    /// The logical pages that are resident.
    resident: BTreeSet<usize>,
}

impl LayerCache {
    /// The logical pages on the device.
    pub fn resident(&self) -> impl Iterator<Item = usize> + '_ {
        self.resident.iter().copied()
    }

    /// Whether logical pages `pages` are all on the device.
    pub fn holds(&self, mut pages: Range<usize>) -> bool {
        pages.all(|logical| self.resident.contains(&logical))
    }

    /// Whether every page that holds any of `set` can still be had.
    pub fn recoverable(&self, layout: &Layout, set: &PositionSet) -> bool {
        let mut pages = set.ranges().iter().flat_map(|r| layout.overlapping(r.clone()));
        pages.all(|logical| self.places.get(logical) != Some(&Place::Dropped))
    }

    /// Makes the pages that hold the tokens `appended` ready to be written: new ones are allocated, one that
    /// was begun before is brought back and forgets its cold copy, which is about to be out of date.
    pub(crate) fn open<B: Backend>(
        &mut self,
        layout: &Layout,
        appended: Range<usize>,
        stores: &mut Stores<'_, B>,
    ) -> Result<Moved, Error> {
        let pages = layout.overlapping(appended);
        let moved = self.fetch(pages.start..pages.end.min(self.places.len()), stores)?;
        for logical in pages {
            match self.places.get_mut(logical) {
                Some(Place::Resident { copy, .. }) => {
                    if let Some(handle) = copy.take() {
                        stores.tier.forget(handle);
                    }
                }
                Some(_) => return Err(Error::Protocol("a dropped page cannot be appended to")),
                None => {
                    let page = stores.pool.allocate(stores.budget)?;
                    self.places.push(Place::Resident { page, copy: None });
                    self.resident.insert(logical);
                }
            }
        }
        Ok(moved)
    }

    /// Brings logical pages back to the device.
    pub(crate) fn fetch<B: Backend>(
        &mut self,
        pages: Range<usize>,
        stores: &mut Stores<'_, B>,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        for logical in pages {
            let Place::Cold(handle) = self.places[logical] else { continue };
            let page = stores.pool.allocate(stores.budget)?;
            let data = stores.tier.load(handle)?;
            moved.fetched += data.bytes();
            stores.pool.restore(KEYS, page, data.keys);
            stores.pool.restore(VALUES, page, data.values);
            self.places[logical] = Place::Resident { page, copy: Some(handle) };
            self.resident.insert(logical);
        }
        Ok(moved)
    }

    /// Takes every page off the device that holds nothing of `keep`; into the tier if `keeps_detail`, else
    /// into nothing.
    pub(crate) fn evict<B: Backend>(
        &mut self,
        layout: &Layout,
        keep: &PositionSet,
        keeps_detail: bool,
        stores: &mut Stores<'_, B>,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        let leaves = |logical: &usize| !keep.overlaps(layout.pages()[*logical].positions());
        let leaving: Vec<usize> = self.resident().filter(leaves).collect();
        for logical in leaving {
            let Place::Resident { page, copy } = self.places[logical] else { continue };
            self.places[logical] = match copy {
                Some(handle) => Place::Cold(handle),
                None if keeps_detail => {
                    let (keys, values) = (stores.pool.read(KEYS, page), stores.pool.read(VALUES, page));
                    let data = PageData { keys, values };
                    moved.stored += data.bytes();
                    Place::Cold(stores.tier.store(data)?)
                }
                None => Place::Dropped,
            };
            stores.pool.release(page, stores.budget);
            self.resident.remove(&logical);
        }
        Ok(moved)
    }

    /// Moves resident pages down into free ones, as [`Pool::compact`].
    pub fn compact<B: Backend>(&mut self, pool: &mut Pool<B, 2>, budget: &mut Budget) {
        for &logical in &self.resident {
            if let Place::Resident { page, .. } = &mut self.places[logical] {
                *page = pool.compact(*page, budget);
            }
        }
    }

    /// Forgets all logical pages from `pages` on.
    pub(crate) fn truncate<B: Backend>(&mut self, pages: usize, stores: &mut Stores<'_, B>) {
        for place in self.places.drain(pages.min(self.places.len())..) {
            match place {
                Place::Resident { page, copy } => {
                    stores.pool.release(page, stores.budget);
                    copy.into_iter().for_each(|handle| stores.tier.forget(handle));
                }
                Place::Cold(handle) => stores.tier.forget(handle),
                Place::Dropped => {}
            }
        }
        self.resident.split_off(&pages);
    }

    /// Where the positions of `set` lie on the device; those that are not resident are left out.
    pub fn spans(&self, layout: &Layout, set: &PositionSet) -> Vec<PageSpan> {
        let mut spans = Vec::new();
        for range in set.ranges() {
            for logical in layout.overlapping(range.clone()) {
                let extent = layout.pages()[logical];
                let Place::Resident { page, .. } = self.places[logical] else { continue };
                let start = range.start.max(extent.start);
                let end = range.end.min(extent.start + extent.len);
                spans.push(PageSpan { page, start: start - extent.start, len: end - start, position: start });
            }
        }
        spans
    }
}
