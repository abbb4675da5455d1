//! Where one sequence's logical pages are, in one band: on the device, in a colder tier, or nowhere any more.

use std::{collections::BTreeSet, ops::Range};

use burn::tensor::backend::Backend;

use super::{ColdPages, Handle, KvBudget, Layout, Pages, pages::follow};
use crate::{
    Error,
    kernels::{KvStore, Move, PageBytes, PageSpan, PageStore},
    positions::PositionSet,
};

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

/// What pages move between: a band's store and page numbers, the session's cold pages and memory budget.
#[derive(Debug)]
pub struct Tiers<'a, S> {
    /// The bytes on the device.
    pub store: &'a mut S,
    /// The numbers of the store's pages.
    pub pages: &'a mut Pages,
    /// The bytes elsewhere.
    pub cold: &'a mut ColdPages,
    /// What the device may hold.
    pub budget: &'a mut KvBudget,
}

impl<S: PageStore> Tiers<'_, S> {
    /// Gives the store the slabs that its pages need by now.
    pub(crate) fn fit(&mut self) -> Result<(), Error> {
        self.store.resize(self.pages.slabs())
    }

    /// A page of which the store has the bytes.
    fn allocate(&mut self) -> Result<usize, Error> {
        let page = self.pages.allocate(self.budget)?;
        self.fit().inspect_err(|_| self.pages.release(page, self.budget))?;
        Ok(page)
    }

    /// Gives a holder of `page`, who is about to write to it, a copy of its own where it is shared.
    pub(super) fn own(&mut self, page: &mut usize) -> Result<(), Error> {
        if self.pages.is_shared(*page) {
            let own = self.allocate()?;
            self.store.copy(&[Move { from: *page, to: own }]);
            self.pages.release(std::mem::replace(page, own), self.budget);
        }
        Ok(())
    }
}

/// The places of one sequence's logical pages in one band.
#[derive(Debug, Default)]
pub struct Residency {
    places: Vec<Place>,
    /// The logical pages that are resident.
    resident: BTreeSet<usize>,
}

impl Residency {
    /// The logical pages on the device.
    pub fn resident(&self) -> impl Iterator<Item = usize> + '_ {
        self.resident.iter().copied()
    }

    /// The device's page that holds a logical page, if it is resident.
    pub fn page(&self, logical: usize) -> Option<usize> {
        match self.places.get(logical) {
            Some(Place::Resident { page, .. }) => Some(*page),
            _ => None,
        }
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

    /// Makes the pages that hold the tokens `appended` ready to be written: new ones are allocated; one that was
    /// begun before is brought back, becomes this sequence's own where it is shared, and forgets its cold copy,
    /// which is about to be out of date.
    ///
    /// # Errors
    /// [`Error::OverCap`] where there is no room, [`Error::Tier`] where the tier fails; pages that were made ready
    /// before stay until the next [`truncate`](Self::truncate).
    pub fn open<B: Backend, S: KvStore<B>>(
        &mut self,
        layout: &Layout,
        appended: Range<usize>,
        tiers: &mut Tiers<'_, S>,
    ) -> Result<Moved, Error> {
        let pages = layout.overlapping(appended);
        let moved = self.fetch(pages.start..pages.end.min(self.places.len()), tiers)?;
        for logical in pages {
            match self.places.get_mut(logical) {
                Some(Place::Resident { page, copy }) => {
                    copy.take().into_iter().for_each(|handle| tiers.cold.forget(handle));
                    tiers.own(page)?;
                }
                Some(_) => return Err(Error::Protocol("a dropped page cannot be appended to")),
                None => {
                    let page = tiers.allocate()?;
                    self.places.push(Place::Resident { page, copy: None });
                    self.resident.insert(logical);
                }
            }
        }
        Ok(moved)
    }

    /// Brings logical pages back to the device.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn fetch<B: Backend, S: KvStore<B>>(
        &mut self,
        pages: Range<usize>,
        tiers: &mut Tiers<'_, S>,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        let mut coming: Vec<(usize, PageBytes)> = Vec::new();
        let mut outcome = Ok(());
        for logical in pages {
            let Place::Cold(handle) = self.places[logical] else { continue };
            match load(handle, tiers) {
                Ok((page, bytes)) => {
                    moved.fetched += bytes.len();
                    coming.push((page, bytes));
                    self.places[logical] = Place::Resident { page, copy: Some(handle) };
                    self.resident.insert(logical);
                }
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if !coming.is_empty() {
            tiers.store.import(&coming);
        }
        outcome.map(|()| moved)
    }

    /// Takes every page off the device that holds nothing of `keep`, into the tier.
    ///
    /// # Errors
    /// [`Error::Tier`] where the tier fails; pages that have not left stay where they are.
    pub fn evict<B: Backend, S: KvStore<B>>(
        &mut self,
        layout: &Layout,
        keep: &PositionSet,
        tiers: &mut Tiers<'_, S>,
    ) -> Result<Moved, Error> {
        let mut moved = Moved::default();
        for logical in self.leaving(layout, keep) {
            let Place::Resident { page, copy } = self.places[logical] else { continue };
            let handle = match copy {
                Some(handle) => handle,
                None => {
                    let bytes = tiers.store.export(&[page]).remove(0);
                    moved.stored += bytes.len();
                    tiers.cold.store(bytes)?
                }
            };
            self.leave(logical, page, Place::Cold(handle), tiers);
        }
        tiers.fit()?;
        Ok(moved)
    }

    /// Destroys every page on the device that holds nothing of `keep`.
    pub fn destroy<S>(&mut self, layout: &Layout, keep: &PositionSet, tiers: &mut Tiers<'_, S>) {
        for logical in self.leaving(layout, keep) {
            let Place::Resident { page, copy } = self.places[logical] else { continue };
            copy.into_iter().for_each(|handle| tiers.cold.forget(handle));
            self.leave(logical, page, Place::Dropped, tiers);
        }
    }

    fn leave<S>(&mut self, logical: usize, page: usize, to: Place, tiers: &mut Tiers<'_, S>) {
        self.places[logical] = to;
        self.resident.remove(&logical);
        tiers.pages.release(page, tiers.budget);
    }

    /// The resident pages that hold nothing of `keep`.
    fn leaving(&self, layout: &Layout, keep: &PositionSet) -> Vec<usize> {
        let mut kept = keep.ranges().iter().map(|range| layout.overlapping(range.clone())).peekable();
        let leaves = |logical: &usize| {
            while kept.next_if(|pages| pages.end <= *logical).is_some() {}
            kept.peek().is_none_or(|pages| *logical < pages.start)
        };
        self.resident().filter(leaves).collect()
    }

    /// The pages of the first `pages` logical ones, shared between this sequence and another.
    pub fn fork(&self, pages: usize, numbers: &mut Pages, cold: &mut ColdPages) -> Self {
        let places: Vec<Place> = self.places[..pages.min(self.places.len())].to_vec();
        for place in &places {
            match *place {
                Place::Resident { page, copy } => {
                    numbers.share(page);
                    copy.into_iter().for_each(|handle| cold.share(handle));
                }
                Place::Cold(handle) => cold.share(handle),
                Place::Dropped => {}
            }
        }
        let resident = self.resident.range(..places.len()).copied().collect();
        Self { places, resident }
    }

    /// Follows pages that have moved within the store.
    pub fn follow(&mut self, moves: &[Move]) {
        let pages = self.places.iter_mut().filter_map(|place| match place {
            Place::Resident { page, .. } => Some(page),
            Place::Cold(_) | Place::Dropped => None,
        });
        follow(pages, moves);
    }

    /// Forgets all logical pages from `pages` on.
    pub fn truncate(
        &mut self,
        pages: usize,
        numbers: &mut Pages,
        cold: &mut ColdPages,
        budget: &mut KvBudget,
    ) {
        for place in self.places.drain(pages.min(self.places.len())..) {
            match place {
                Place::Resident { page, copy } => {
                    numbers.release(page, budget);
                    copy.into_iter().for_each(|handle| cold.forget(handle));
                }
                Place::Cold(handle) => cold.forget(handle),
                Place::Dropped => {}
            }
        }
        self.resident.split_off(&pages);
    }

    /// Where the positions of `set` lie on the device.
    ///
    /// # Errors
    /// [`Error::NotResident`] where one of them is elsewhere.
    pub fn spans(&self, layout: &Layout, set: &PositionSet) -> Result<Vec<PageSpan>, Error> {
        set.ranges().iter().flat_map(|range| self.spans_of(layout, range)).collect()
    }

    /// Where the positions of `range` lie on the device, page by page.
    pub fn spans_of<'a>(
        &'a self,
        layout: &'a Layout,
        range: &'a Range<usize>,
    ) -> impl Iterator<Item = Result<PageSpan, Error>> + 'a {
        layout.overlapping(range.clone()).map(move |logical| {
            let extent = layout.pages()[logical];
            let start = range.start.max(extent.start);
            let page = self.page(logical).ok_or(Error::NotResident { position: start })?;
            let end = range.end.min(extent.start + extent.len);
            Ok(PageSpan { page, start: start - extent.start, len: end - start, position: start })
        })
    }
}

/// A page for what the tier keeps under `handle`, and its content.
fn load<B: Backend, S: KvStore<B>>(
    handle: Handle,
    tiers: &mut Tiers<'_, S>,
) -> Result<(usize, PageBytes), Error> {
    let bytes = tiers.cold.load(handle)?;
    Ok((tiers.allocate()?, bytes))
}
