//! One band of one sequence, borrowed apart: its pages, its index, and what moves them.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{
    Session,
    band::Band,
    sequence::{BandState, Sequence},
};
use crate::{
    Error,
    cache::{ColdPages, KvBudget, Layout, Moved},
    kernels::AttentionKernels,
    positions::PositionSet,
    segment::Grammar,
};

/// One band of one sequence, borrowed apart.
pub(super) struct Parts<'a, B: Backend, K: AttentionKernels<B>> {
    pub(super) grammar: &'a Grammar,
    pub(super) layout: &'a Layout,
    pub(super) state: &'a mut BandState,
    pub(super) band: &'a mut Band<B, K>,
    cold: &'a mut ColdPages,
    pub(super) budget: &'a mut KvBudget,
}

impl<B: Backend, K: AttentionKernels<B>> Parts<'_, B, K> {
    /// Makes room for the tokens appended.
    pub(super) fn open(&mut self, appended: Range<usize>, moved: &mut Moved) -> Result<(), Error> {
        if let Some(evicting) = &mut self.state.evicting {
            evicting.slots.open(appended.len(), &mut self.band.pages, self.budget)?;
            return self.band.fit();
        }
        let mut tiers = self.band.tiers(self.cold, self.budget);
        *moved += self.state.residency.open(self.layout, appended, &mut tiers)?;
        Ok(())
    }

    /// Makes the index as long as the segments ask for.
    pub(super) fn lengthen_index(&mut self, len: usize) -> Result<(), Error> {
        let Self { state, band, cold, budget, .. } = self;
        if len > state.index.len() {
            state.index.own_end(&mut band.index_tiers(cold, budget))?;
        }
        state.index.resize(len, &mut band.index_pages, budget)?;
        band.fit()
    }

    /// Makes `needed` resident.
    pub(super) fn fetch(&mut self, needed: &PositionSet, moved: &mut Moved) -> Result<(), Error> {
        // What is held in slots never went anywhere.
        if self.state.evicting.is_some() {
            return Ok(());
        }
        let mut tiers = self.band.tiers(self.cold, self.budget);
        for range in needed.ranges() {
            let pages = self.layout.overlapping(range.clone());
            *moved += self.state.residency.fetch(pages, &mut tiers)?;
        }
        Ok(())
    }

    /// Takes off the device what `keep` does not hold.
    pub(super) fn evict(&mut self, keep: &PositionSet, moved: &mut Moved) -> Result<(), Error> {
        if self.band.keeps_all() {
            return Ok(());
        }
        let mut tiers = self.band.tiers(self.cold, self.budget);
        *moved += self.state.residency.evict(self.layout, keep, &mut tiers)?;
        Ok(())
    }

    /// Destroys what `keep` does not hold, under a policy that keeps no detail.
    pub(super) fn destroy(&mut self, keep: &PositionSet) {
        let mut tiers = self.band.tiers(self.cold, self.budget);
        self.state.residency.destroy(self.layout, keep, &mut tiers);
    }

    /// As [`evict`](Self::evict), but for the thoughts held from earlier steps.
    pub(super) fn evict_unheld(&mut self, keep: &PositionSet, moved: &mut Moved) -> Result<(), Error> {
        let keep = self.state.held(keep, self.grammar);
        self.evict(&keep, moved)
    }

    /// Whether all of `detail` is on the device.
    pub(super) fn holds(&self, detail: Range<usize>) -> bool {
        self.state.residency.holds(self.layout.overlapping(detail))
    }
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// One band of one sequence, with what its pages move between.
    pub(super) fn parts(&mut self, band: usize, sequence: usize) -> Result<Parts<'_, B, K>, Error> {
        let Sequence { grammar, layout, bands, .. } =
            self.sequences.get_mut(&sequence).ok_or(Error::NoSequence(sequence))?;
        Ok(Parts {
            grammar,
            layout,
            state: &mut bands[band],
            band: &mut self.bands[band],
            cold: &mut self.cold,
            budget: &mut self.budget,
        })
    }
}
