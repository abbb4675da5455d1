//! Where what rows see lies: decides it where no query is needed, and makes it resident.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{
    Session,
    band::Band,
    heads::Visible,
    parts::Parts,
    plan::{BandPlan, SequencePlan, Trace},
    sequence::spread_vectors,
};
use crate::{
    Error, cache::Moved, kernels::AttentionKernels, policy::Choice, positions::PositionSet, select::Selection,
};

/// What is to be made resident, and what may go for it.
struct Residence {
    /// What is needed on the device.
    needed: PositionSet,
    /// What is not needed yet, but stays even under a tight cap.
    kept: PositionSet,
    /// Tokens that room is made for.
    appended: Range<usize>,
    /// Whether what nobody needs leaves first, so that the device never holds both.
    evict_first: bool,
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Makes room for a sequence's tokens in every band, and makes resident what is decided.
    ///
    /// # Errors
    /// [`Error::OverCap`], [`Error::Memory`] and [`Error::Tier`]; some bands may have room for the tokens then.
    pub(super) fn place(
        &mut self,
        plan: &mut SequencePlan,
        trace: &mut Trace,
        moved: &mut Moved,
    ) -> Result<(), Error> {
        for band in 0..self.bands.len() {
            let mut parts = self.parts(band, plan.sequence)?;
            if parts.state.evicting.is_some() {
                parts.open(plan.positions(), moved)?;
            }
            self.decide(band, plan, trace, moved)?;
            let BandPlan { indexed, blocks, .. } = &plan.bands[band];
            let lengths = [indexed.end, blocks.end, spread_vectors(blocks.end)];
            self.parts(band, plan.sequence)?.lengthen_index(lengths)?;
        }
        Ok(())
    }

    /// Lets go of the thoughts that a sequence holds from earlier steps, in all bands. Not while a step runs, whose slots
    /// would move.
    ///
    /// # Errors
    /// [`Error::Tier`], [`Error::Memory`].
    pub(super) fn let_go(&mut self, sequence: usize, moved: &mut Moved) -> Result<(), Error> {
        for band in 0..self.bands.len() {
            let mut parts = self.parts(band, sequence)?;
            let stream = parts.grammar.stream();
            let last = stream.len().checked_sub(1);
            let seen = last.map(|last| parts.band.policy.base(stream, last)).unwrap_or_default();
            parts.evict(&seen, moved)?;
            self.compact(band)?;
        }
        Ok(())
    }

    /// Decides what the rows see in a band, if no query is needed for that, and makes it resident; also room for the
    /// rows' tokens.
    pub(super) fn decide(
        &mut self,
        band: usize,
        plan: &mut SequencePlan,
        trace: &mut Trace,
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let mut residence = Residence {
            needed: plan.bands[band].sources.clone(),
            kept: PositionSet::default(),
            appended: plan.positions(),
            evict_first: false,
        };
        if is_decided(&self.bands[band], plan) {
            let mut selections = vec![Selection::default(); plan.rows()];
            if let (Some(last), Some(chosen)) = (selections.last_mut(), &plan.chosen) {
                last.clone_from(chosen);
            }
            let seen = self.rows_see(band, plan, &selections)?;
            residence.needed.extend(&seen.union());
            residence.needed.extend(&plan.bands[band].at_hand);
            self.count_at_hand(band, plan, trace)?;
            residence.evict_first = true;
            self.note(band, plan, trace, &selections, &seen, self.bands[band].layers.clone())?;
            plan.bands[band].seen = Some(seen);
        } else {
            plan.base.iter().for_each(|base| residence.kept.extend(base));
        }
        self.parts(band, plan.sequence)?.reside(&residence, moved)
    }

    /// Makes resident what a layer's rows see that its own votes have chosen.
    pub(super) fn fetch_chosen(
        &mut self,
        band: usize,
        plan: &SequencePlan,
        seen: &Visible,
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let mut needed = seen.union();
        needed.extend(&plan.bands[band].sources);
        // Of one row the layers' choices follow on each other; those of many rows together want most of what there
        // is, and bringing that in anew for each layer would cost more than holding it.
        let evict_first = plan.rows() == 1 || self.bands[band].layers.len() == 1;
        let residence =
            Residence { needed, kept: PositionSet::default(), appended: plan.start..plan.start, evict_first };
        self.parts(band, plan.sequence)?.reside(&residence, moved)
    }

    /// What each row sees in a band, in positions, or in slots where tokens are evicted.
    pub(super) fn rows_see(
        &self,
        band: usize,
        plan: &SequencePlan,
        selections: &[Selection],
    ) -> Result<Visible, Error> {
        let sequence = self.sequence(plan.sequence)?;
        let (stream, rows) = (sequence.grammar.stream(), plan.rows());
        if let Some(evicting) = &sequence.bands[band].evicting {
            let before = evicting.slots.len() - rows;
            return Ok(Visible::Rows((1..=rows).map(|row| (0..before + row).into()).collect()));
        }
        let Band { policy, .. } = &self.bands[band];
        if !self.bands[band].acts() {
            return Ok(Visible::Rows(
                plan.positions().map(|position| policy.base(stream, position)).collect(),
            ));
        }
        let row = |(base, selection): (&PositionSet, &Selection)| {
            selection.reveal(base, stream.thoughts(), self.settings.summaries)
        };
        Ok(Visible::Rows(plan.base.iter().zip(selections).map(row).collect()))
    }

    /// Counts what the last row zooms into and attends in `layers` of a band, and notes which thoughts it holds.
    pub(super) fn note(
        &mut self,
        band: usize,
        plan: &SequencePlan,
        trace: &mut Trace,
        selections: &[Selection],
        seen: &Visible,
        layers: impl IntoIterator<Item = usize>,
    ) -> Result<(), Error> {
        let capacity = self.settings.resident_thoughts;
        let acting: Vec<usize> = layers.into_iter().map(|layer| self.homes[layer].acting).collect();
        let parts = self.parts(band, plan.sequence)?;
        if let (true, Some(selection)) = (parts.band.acts(), selections.last()) {
            let thoughts = parts.grammar.stream().thoughts();
            let hits = selection.zoomed.iter().filter(|&&j| parts.holds(thoughts[j].detail.clone())).count();
            let last = seen.last(plan.rows());
            let attended = last.iter().map(PositionSet::len).sum::<usize>() as f64 / last.len() as f64;
            if selection.candidates > 0 {
                parts.state.touch(&selection.zoomed, capacity);
            }
            for layer in acting {
                trace.stats.hits += hits as u64;
                trace.stats.misses += (selection.zoomed.len() - hits) as u64;
                trace.stats.attended += attended;
                trace.stats.zoomed[layer].clone_from(&selection.zoomed);
            }
        }
        Ok(())
    }
}

/// Whether what the rows see in a band is known before any of their queries is.
fn is_decided<B: Backend, K: AttentionKernels<B>>(band: &Band<B, K>, plan: &SequencePlan) -> bool {
    let nothing_to_choose = plan.candidates.iter().all(|&candidates| candidates == 0);
    match band.policy.choice() {
        Choice::Nothing | Choice::Blocks(_) => true,
        // Only the last row of several may have something to choose from where votes have chosen for it.
        Choice::Votes => nothing_to_choose || plan.chosen.is_some(),
        Choice::Mass => nothing_to_choose,
        Choice::BlockMass(_) => plan.blocks.most() == 0,
        Choice::Pages(quest) => plan.prompt || quest.sees_all(plan.last()),
    }
}

impl<B: Backend, K: AttentionKernels<B>> Parts<'_, B, K> {
    fn reside(&mut self, residence: &Residence, moved: &mut Moved) -> Result<(), Error> {
        if self.state.evicting.is_some() {
            return Ok(());
        }
        if residence.evict_first {
            self.evict_unheld(&residence.needed, moved)?;
        }
        match self.open_and_fetch(residence, moved) {
            // Thoughts held from earlier steps make room.
            Err(Error::OverCap { .. }) => {
                let mut keep = residence.kept.clone();
                keep.extend(&residence.needed);
                self.evict(&keep, moved)?;
                self.open_and_fetch(residence, moved)
            }
            result => result,
        }
    }

    fn open_and_fetch(&mut self, residence: &Residence, moved: &mut Moved) -> Result<(), Error> {
        self.open(residence.appended.clone(), moved)?;
        self.fetch(&residence.needed, moved)
    }
}
