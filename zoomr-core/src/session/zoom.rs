//! Level 2 in a step: which blocks rows may choose from, where these and their vectors lie, and what is written of them.

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{
    Session,
    band::Home,
    plan::{SequencePlan, Trace},
    sequence::{BandState, Sequence},
};
use crate::{
    Error,
    kernels::{AttentionKernels, BlockStore, KvStore, OwnedCandidates, PageSpan},
    policy::Choice,
    positions::PositionSet,
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
        let spans = |blocks: Range<usize>| block_spans(sequence, state, blocks);
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
        if blocks.is_empty() || !self.bands[band].acts() {
            return Ok(None);
        }
        let sequence = self.sequence(plan.sequence)?;
        let state = &sequence.bands[band];
        let mut vectors = state.vectors.spans(blocks.clone());
        vectors.iter_mut().for_each(|span| span.position -= blocks.start);
        let spread = state.spread.all_spans();
        Ok(Some(OwnedCandidates {
            thoughts: sequence.blocks.all()[blocks.clone()].iter().map(|block| block.thought).collect(),
            blocks: block_spans(sequence, state, blocks)?,
            vectors,
            spread: spread.first().copied().ok_or(Error::Protocol("no spread of keys"))?,
            counts: plan.blocks.counts.clone(),
            ballot_row: plan.ballot_row,
        }))
    }

    /// Counts what the last row has read of blocks, from its ballot.
    pub(super) fn count_blocks(&self, plan: &SequencePlan, trace: &mut Trace) -> Result<(), Error> {
        let tally = &trace.total;
        if plan.blocks.last() == 0 || tally.heads == 0 {
            return Ok(());
        }
        let heads = f64::from(tally.heads);
        trace.stats.attended += tally.attended as f64 / heads * self.acting as f64;
        let thoughts = self.sequence(plan.sequence)?.grammar.stream().thoughts();
        let read = |j: usize| f64::from(tally.votes[j]) / heads >= SHOWN * thoughts[j].detail.len() as f64;
        let zoomed: Vec<usize> = (0..tally.len().min(thoughts.len())).filter(|&j| read(j)).collect();
        trace.stats.zoomed.iter_mut().for_each(|layer| layer.clone_from(&zoomed));
        Ok(())
    }
}

/// The part of a thought that must be read, on average over KV heads, for statistics to call it zoomed.
const SHOWN: f64 = 0.5;

/// Where blocks lie, a span for each: none lies on two pages.
fn block_spans(sequence: &Sequence, state: &BandState, blocks: Range<usize>) -> Result<Vec<PageSpan>, Error> {
    let mut spans = Vec::with_capacity(blocks.len());
    for block in &sequence.blocks.all()[blocks] {
        spans.extend(state.spans(&sequence.layout, &PositionSet::from(block.range.clone()))?);
    }
    Ok(spans)
}
