//! Level 2 in a step: which blocks rows may choose from, where these and their vectors lie, and what is written of them.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{
    Session,
    band::Home,
    plan::{BandPlan, SequencePlan, Trace},
    sequence::{BandState, Sequence},
};
use crate::{
    Error,
    cache::Block,
    kernels::{AttentionKernels, BlockStore, Candidate, KvStore, OwnedCandidates, PageSpan},
    policy::{Choice, ZoomBlocks},
    select::{Taken, Tally},
};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Writes the vectors of blocks that the step adds in one layer, and how keys spread, where that is known by now.
    pub(super) fn index_blocks(&mut self, home: Home, plan: &SequencePlan) -> Result<(), Error> {
        let added = plan.bands[home.band].blocks.clone();
        if added.is_empty() {
            return Ok(());
        }
        let sequence = self.sequences.get(&plan.sequence).ok_or(Error::NoSequence(plan.sequence))?;
        let (band, state) = (&mut self.bands[home.band], &sequence.bands[home.band]);
        let spans = |blocks: Range<usize>| -> Result<Vec<PageSpan>, Error> {
            sequence.blocks.all()[blocks].iter().map(|block| span(sequence, state, &block.range)).collect()
        };
        if added.start == 0 {
            let Choice::Blocks(rule) = band.policy.choice() else { return Ok(()) };
            let known = rule.spread_blocks(&sequence.blocks);
            let spread = band.store.key_spread(home.layer, &spans(known)?);
            let slots: Vec<_> = state.spread.all_spans().iter().flat_map(PageSpan::slots).collect();
            band.spreads.store.append(home.layer, &[&spread], &slots);
        }
        let spread = band.spreads.store.keys(home.layer, &state.spread.all_spans());
        let means = band.store.block_means(home.layer, &spans(added.clone())?);
        let slots: Vec<_> = added.map(|block| state.vectors.slot(block)).collect();
        band.vectors.store.write(home.layer, &means, &spread, &slots);
        Ok(())
    }

    /// Where the blocks lie that a sequence's rows may choose from in a band.
    pub(super) fn candidates(
        &self,
        band: usize,
        plan: &SequencePlan,
    ) -> Result<Option<OwnedCandidates>, Error> {
        let blocks = plan.blocks.numbers();
        if blocks.is_empty() || !matches!(self.bands[band].policy.choice(), Choice::Blocks(_)) {
            return Ok(None);
        }
        let sequence = self.sequence(plan.sequence)?;
        let state = &sequence.bands[band];
        let mut vectors = state.vectors.spans(blocks.clone());
        vectors.iter_mut().for_each(|span| span.position -= blocks.start);
        let spread = state.spread.all_spans();
        let candidate = |block: &Block| {
            let at_hand = plan.bands[band].has_at_hand(block.passage);
            let span = at_hand.then(|| span(sequence, state, &block.range)).transpose()?;
            Ok(Candidate { tokens: block.range.len(), span, passage: block.passage })
        };
        Ok(Some(OwnedCandidates {
            blocks: sequence.blocks.all()[blocks].iter().map(candidate).collect::<Result<_, Error>>()?,
            vectors,
            spread: spread.first().copied().ok_or(Error::Protocol("no spread of keys"))?,
            counts: plan.blocks.counts.clone(),
            ballot_row: plan.ballot_row.map(|row| row + band),
            tells_shares: plan.waits,
        }))
    }

    /// What earlier steps have taken to hand for the plan's rows, band by band.
    pub(super) fn recall_at_hand(&self, plan: &mut SequencePlan, rule: &ZoomBlocks) -> Result<(), Error> {
        let sequence = self.sequence(plan.sequence)?;
        let (before, blocks) = (plan.last().checked_sub(1).filter(|_| !plan.prompt), &sequence.blocks);
        let candidates = &blocks.all()[plan.blocks.numbers()];
        let (Some(first), Some(newest)) = (candidates.first(), candidates.last()) else { return Ok(()) };
        for ((band, state), plan_of) in self.bands.iter().zip(&sequence.bands).zip(&mut plan.bands) {
            if band.policy.choice() != Choice::Blocks(*rule) {
                continue;
            }
            plan_of.taken = before.and_then(|before| state.taken.get(&before)).cloned();
            let passages = (first.passage..=newest.passage).filter(|&j| plan_of.has_at_hand(j));
            plan_of.at_hand = passages.map(|j| blocks.passages()[j].range.clone()).collect();
        }
        Ok(())
    }

    /// Counts which of the passages that an earlier step has taken to hand are on the device already.
    pub(super) fn count_at_hand(
        &mut self,
        band: usize,
        plan: &SequencePlan,
        trace: &mut Trace,
    ) -> Result<(), Error> {
        let Some(taken) = &plan.bands[band].taken else { return Ok(()) };
        let sequence = self.sequence(plan.sequence)?;
        let (state, passages) = (&sequence.bands[band], sequence.blocks.passages());
        let holds =
            |&j: &usize| state.residency.holds(sequence.layout.overlapping(passages[j].range.clone()));
        let (all, held) = (taken.passages().count(), taken.passages().filter(holds).count());
        let layers = self.bands[band].layers.len();
        trace.stats.hits += (layers * held) as u64;
        trace.stats.misses += (layers * (all - held)) as u64;
        Ok(())
    }

    /// Takes to hand, for the step after `plan`'s, what its last row has `found` most in, band by band.
    pub(super) fn take_to_hand(
        &mut self,
        plan: &SequencePlan,
        rule: &ZoomBlocks,
        found: &[Tally],
    ) -> Result<(), Error> {
        let last = plan.last();
        let Sequence { grammar, blocks, bands, .. } = self.sequence_mut(plan.sequence)?;
        let (passages, kept) = (blocks.passages(), rule.zoomable(grammar.stream(), last).start);
        let heard = passages.partition_point(|passage| passage.range.end <= kept)..plan.last_candidates();
        let len = |j: usize| passages[j].range.end - passages[j].range.start.max(kept);
        for (state, found) in bands.iter_mut().zip(found).filter(|(_, found)| found.heads > 0) {
            state.taken.insert(last, Taken::new(found, heard.clone(), rule.at_hand.of(last + 1), len));
        }
        Ok(())
    }

    /// Counts what the last row has read of blocks, from its ballot.
    pub(super) fn count_blocks(&self, plan: &SequencePlan, trace: &mut Trace) -> Result<(), Error> {
        let (tally, sequence) = (&trace.total, self.sequence(plan.sequence)?);
        // Where all layers have windows of their own, none has chosen.
        let heads = f64::from(tally.heads.max(1));
        trace.stats.attended += tally.attended as f64 / heads * self.acting as f64;
        let thoughts = sequence.grammar.stream().thoughts();
        let mut votes = vec![0_u32; thoughts.len()];
        for (passage, read) in sequence.blocks.passages().iter().zip(&tally.votes) {
            if let Some(j) = passage.thought.filter(|&j| j < votes.len()) {
                votes[j] = votes[j].saturating_add(*read);
            }
        }
        let read = |j: usize| f64::from(votes[j]) / heads >= SHOWN * thoughts[j].detail.len() as f64;
        let zoomed: Vec<usize> = (0..votes.len()).filter(|&j| read(j)).collect();
        trace.stats.zoomed.iter_mut().for_each(|layer| layer.clone_from(&zoomed));
        trace.stats.votes = votes;
        Ok(())
    }
}

impl BandPlan {
    /// Whether blocks of passage `j` may be chosen.
    fn has_at_hand(&self, j: usize) -> bool {
        self.taken.as_ref().is_none_or(|taken| taken.has(j))
    }
}

/// The part of a thought that must be read, on average over KV heads, for statistics to call it zoomed.
const SHOWN: f64 = 0.5;

/// Where a block lies: none lies on two pages.
fn span(sequence: &Sequence, state: &BandState, block: &Range<usize>) -> Result<PageSpan, Error> {
    let mut spans = state.residency.spans_of(&sequence.layout, block);
    spans.next().ok_or(Error::Protocol("a block has no tokens"))?
}
