//! Running a step, and ending it: what votes have chosen, evictions, statistics. Or undoing it.

use burn::tensor::backend::Backend;

use super::{
    Feed, ForwardPass, Session,
    plan::{Admission, SequencePlan, Step, Trace},
};
use crate::{
    Error,
    config::{Scope, SummaryVisibility},
    kernels::AttentionKernels,
    select::Ballot,
};

/// What a step did.
#[derive(Debug)]
pub struct Stepped<T> {
    /// For each feed how many of its tokens went in, or why none did: its sequence is then as it was.
    pub feeds: Vec<Result<usize, Error>>,
    /// What the (last) forward pass gave; `None` where no feed went in.
    pub output: Option<T>,
}

impl<T> Stepped<T> {
    /// Of a step with one feed: how many of its tokens went in, and what the forward pass gave.
    ///
    /// # Errors
    /// Why the feed was refused.
    pub fn single(mut self) -> Result<(usize, T), Error> {
        let accepted = self.feeds.pop().ok_or(Error::Protocol("the step had no feed"))??;
        Ok((accepted, self.output.ok_or(Error::Protocol("the step had no forward pass"))?))
    }
}

/// How one try of a step ended.
enum Try<T> {
    Done(Vec<usize>, Option<T>),
    /// The feed with this number cannot go on.
    Refused(usize, Error),
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Takes in as many of each feed's tokens as can go in one step, and runs `forward` over them.
    ///
    /// `forward` gets the hook to hand to every layer, and how many tokens of each feed were accepted; its rows are
    /// those tokens, feed after feed. It must call the hook for every layer in order, and hand its errors on. It may
    /// run more than once, and must do the same each time: twice under [`Scope::TwoPass`], and again without a
    /// sequence that cannot go on. All of a prompt goes in one step; streamed tokens stop where a summary is due, where
    /// the next token's selection depends on this one's votes, and where tokens are evicted before the next.
    ///
    /// A feed that the cap has no room for, or whose pages the cold tier cannot give, is refused: its sequence is as
    /// it was, and the others go on as if it had not been there.
    ///
    /// # Errors
    /// Whatever `forward` or the hook says; [`Error::Protocol`] for an empty feed, a sequence fed twice, or a
    /// forward pass that skips a layer. All sequences are then as they were before.
    pub fn step<T, E: From<Error>>(
        &mut self,
        feeds: &[Feed<'_>],
        mut forward: impl FnMut(&mut ForwardPass<'_, B, K>, &[usize]) -> Result<T, E>,
    ) -> Result<Stepped<T>, E> {
        let lens = feeds.iter().map(|f| Ok((f.sequence.0, self.sequence(f.sequence.0)?.len())));
        let before: Vec<(usize, usize)> = lens.collect::<Result<_, Error>>()?;
        let mut admissions: Vec<Admission> = feeds.iter().map(|_| Admission::Usual).collect();
        loop {
            // Who found no room beside those that are out by now is asked again.
            let mut refused: Vec<Option<Error>> = feeds.iter().map(|_| None).collect();
            match self.try_step(feeds, &admissions, &mut refused, &mut forward) {
                Ok(Try::Done(accepted, output)) => {
                    let refusals =
                        admissions.into_iter().zip(refused).map(|(admission, refused)| match admission {
                            Admission::Out(error) => Some(error),
                            Admission::Usual | Admission::Lean => refused,
                        });
                    let feeds =
                        refusals.zip(accepted).map(|(error, accepted)| error.map_or(Ok(accepted), Err));
                    return Ok(Stepped { feeds: feeds.collect(), output });
                }
                Ok(Try::Refused(feed, error)) => {
                    self.undo(&before)?;
                    admissions[feed] = match (&admissions[feed], error) {
                        (Admission::Usual, Error::OverCap { .. }) => Admission::Lean,
                        (_, error) => Admission::Out(error),
                    };
                }
                Err(error) => {
                    self.undo(&before)?;
                    return Err(error);
                }
            }
        }
    }

    fn try_step<T, E: From<Error>>(
        &mut self,
        feeds: &[Feed<'_>],
        admissions: &[Admission],
        refused: &mut [Option<Error>],
        forward: &mut impl FnMut(&mut ForwardPass<'_, B, K>, &[usize]) -> Result<T, E>,
    ) -> Result<Try<T>, E> {
        let mut step = self.plan(feeds, admissions, refused)?;
        let mut accepted = vec![0; feeds.len()];
        step.plans.iter().for_each(|plan| accepted[plan.feed] = plan.rows());
        if step.plans.is_empty() {
            return Ok(Try::Done(accepted, None));
        }
        loop {
            let output = forward(&mut ForwardPass { session: self, step: &mut step }, &accepted);
            if let Some((plan, error)) = step.refused.take() {
                return Ok(Try::Refused(step.plans[plan].feed, error));
            }
            let output = output?;
            if step.layer != self.layers.len() {
                return Err(Error::Protocol("the forward pass did not call the hook for every layer").into());
            }
            step.passes -= 1;
            self.count_votes(&mut step);
            if step.passes == 0 {
                self.commit(step)?;
                return Ok(Try::Done(accepted, Some(output)));
            }
            if let Err((feed, error)) = self.prepare_second_pass(&mut step)? {
                return Ok(Try::Refused(feed, error));
            }
        }
    }

    /// Cuts the sequences of a step back to what they were before it.
    fn undo(&mut self, before: &[(usize, usize)]) -> Result<(), Error> {
        before.iter().try_for_each(|&(sequence, len)| self.cut(sequence, len))
    }

    /// Reads the step's ballot, the one moment at which a device is waited for.
    fn count_votes(&self, step: &mut Step<B, K>) {
        let Some(ballot) = step.ballot.take() else { return };
        let mut tallies = ballot.read();
        for (plan, trace) in step.plans.iter_mut().zip(&mut step.traces) {
            if let Some(row) = plan.ballot_row.take() {
                let rows = if plan.blocks.last() > 0 { self.bands.len() } else { 1 };
                trace.found = tallies[row..row + rows].iter_mut().map(std::mem::take).collect();
                trace.total = trace.found.iter().skip(1).fold(trace.found[0].clone(), |mut total, more| {
                    total.add(more);
                    total
                });
            }
        }
    }

    /// Lets the first pass's votes decide what the second sees; the feed that finds no room for it, if any.
    fn prepare_second_pass(&mut self, step: &mut Step<B, K>) -> Result<Result<(), (usize, Error)>, Error> {
        let acting = self.acting;
        for (plan, trace) in step.plans.iter_mut().zip(&mut step.traces) {
            if plan.scope == Scope::TwoPass && plan.waits && !trace.total.is_empty() {
                plan.chosen = Some(self.consensus(plan.sequence, &trace.total)?);
            }
            *trace = Trace::new(plan, acting);
            for band in 0..self.bands.len() {
                if let Err(error) = self.decide(band, plan, trace, &mut step.stats.moved) {
                    return Ok(Err((plan.feed, error)));
                }
            }
        }
        step.bands.iter_mut().for_each(|band| (band.table, band.index_spans) = (None, None));
        step.layer = 0;
        self.open_ballot(step);
        Ok(Ok(()))
    }

    fn commit(&mut self, mut step: Step<B, K>) -> Result<(), Error> {
        for (plan, trace) in step.plans.iter().zip(&mut step.traces) {
            let zoom = self.settings.zoom_blocks();
            if let Some(rule) = zoom.filter(|_| plan.waits) {
                self.take_to_hand(plan, &rule, &trace.found)?;
            } else if plan.scope == Scope::Global && plan.waits && !trace.total.is_empty() {
                let mut chosen = self.consensus(plan.sequence, &trace.total)?;
                if self.settings.summaries == SummaryVisibility::All {
                    // Kept for every token, since a truncation goes back to it; who was voted for, only where it shows.
                    chosen.voted = Vec::new();
                }
                // Collected in place from all candidates.
                chosen.zoomed.shrink_to_fit();
                self.sequence_mut(plan.sequence)?.chosen[plan.last()] = Some(chosen);
            }
            for state in &mut self.sequence_mut(plan.sequence)?.bands {
                state.indexed = state.index.len();
            }
            match zoom {
                Some(_) if plan.blocks.last() > 0 => self.count_blocks(plan, trace)?,
                _ => trace.stats.votes = std::mem::take(&mut trace.total.votes),
            }
            for asked in std::mem::take(&mut trace.asked) {
                let parts = self.parts(asked.band, plan.sequence)?;
                if let Some(evicting) = &mut parts.state.evicting {
                    evicting.commit(parts.band, &asked, plan.evicts, parts.budget);
                }
            }
        }
        for band in 0..self.bands.len() {
            self.destroy_unseen(band, &step.plans)?;
            self.compact(band)?;
        }
        self.close(step);
        Ok(())
    }

    /// Destroys what the last rows do not see, in a band whose policy keeps no detail. A step that fails must leave it:
    /// other tokens may see it.
    fn destroy_unseen(&mut self, band: usize, plans: &[SequencePlan]) -> Result<(), Error> {
        if !self.bands[band].destroys_pages() {
            return Ok(());
        }
        for plan in plans {
            if let Some(seen) = &plan.bands[band].seen {
                self.parts(band, plan.sequence)?.destroy(&seen.last_row(plan.rows()));
            }
        }
        Ok(())
    }

    fn close(&mut self, step: Step<B, K>) {
        let mut stats = step.stats;
        let acting = self.acting.max(1) as f64;
        stats.last_rows = step.traces.into_iter().map(|trace| trace.stats).collect();
        stats.last_rows.iter_mut().for_each(|row| row.attended /= acting);
        stats.resident_peak = self.budget.peak();
        stats.bytes = self.account();
        stats.tokens_resident = self.tokens_resident();
        stats.full_bytes = self.full_bytes();
        self.run.add(&stats);
        self.last = stats;
    }
}
