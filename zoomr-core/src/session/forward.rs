//! The hook: one layer of a step, numbered as in METHOD.md. Append, then score, vote, consensus, attend.

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Session,
    band::Home,
    evict::Asked,
    heads::{Visible, attend_sets},
    plan::{SequencePlan, Step},
};
use crate::{
    Error,
    hook::AttentionHook,
    kernels::{AttendGroup, AttentionKernels, KvStore, OwnedCandidates, PageSpan, ScoreGroup, Zoom},
    layer::LayerSpec,
    policy::{Choice, ZoomBlocks, quest::VECTORS},
    positions::PositionSet,
    state::AttentionState,
};

/// A forward pass of a step under way: all that the host model may do with the session meanwhile.
#[derive(Debug)]
pub struct ForwardPass<'a, B: Backend, K: AttentionKernels<B>> {
    pub(super) session: &'a mut Session<B, K>,
    pub(super) step: &'a mut Step<B, K>,
}

impl<B: Backend, K: AttentionKernels<B>> AttentionHook<B> for ForwardPass<'_, B, K> {
    fn positions(&self) -> &[usize] {
        &self.step.positions
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, Error> {
        Ok(self.attend_state(layer, &q, &k, &v)?.output)
    }
}

impl<B: Backend, K: AttentionKernels<B>> ForwardPass<'_, B, K> {
    /// As the hook's [`attend`](AttentionHook::attend), with the log-sum-exps of what each row's heads saw.
    ///
    /// # Errors
    /// As there.
    pub fn attend_state(
        &mut self,
        layer: usize,
        q: &Tensor<B, 3>,
        k: &Tensor<B, 3>,
        v: &Tensor<B, 3>,
    ) -> Result<AttentionState<B>, Error> {
        self.session.layer(self.step, layer, [q, k, v])
    }

    /// The same pass, lent to a hook around it.
    pub fn by_ref(&mut self) -> ForwardPass<'_, B, K> {
        ForwardPass { session: self.session, step: self.step }
    }
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    fn layer(
        &mut self,
        step: &mut Step<B, K>,
        layer: usize,
        [q, k, v]: [&Tensor<B, 3>; 3],
    ) -> Result<AttentionState<B>, Error> {
        if step.layer != layer || layer >= self.layers.len() {
            return Err(Error::Protocol("the hook was not called for every layer in order"));
        }
        let spec = self.layers[layer];
        check(layer, "q", q, step.positions.len(), spec.query_heads, spec)?;
        check(layer, "k", k, step.positions.len(), spec.kv_heads, spec)?;
        check(layer, "v", v, step.positions.len(), spec.kv_heads, spec)?;
        // 0. Append, and index what has retired.
        let home = self.homes[layer];
        self.bands[home.band].store.append(home.layer, &[k, v], &step.bands[home.band].slots);
        for plan in &step.plans {
            self.index(home, plan)?;
            self.index_blocks(home, plan)?;
        }
        // 1-3. Vote for the next step, and choose what is not decided yet.
        self.vote(home, step, q, spec)?;
        let chosen = self.choose(home, step, q, spec)?;
        // 4-8. Attend, with blocks to those that this layer's queries choose.
        let state = self.attend_rows(home, step, &chosen, q, spec)?;
        // A pass that will be repeated leaves everything where the next one needs it.
        if step.passes == 1 {
            self.leave(home, layer, step, &chosen, q)?;
        }
        step.layer += 1;
        Ok(state)
    }

    /// Writes the index vectors that the step adds in one layer.
    fn index(&mut self, home: Home, plan: &SequencePlan) -> Result<(), Error> {
        let sequence = self.sequences.get(&plan.sequence).ok_or(Error::NoSequence(plan.sequence))?;
        let (band, state) = (&mut self.bands[home.band], &sequence.bands[home.band]);
        let spans = |positions: PositionSet| state.residency.spans(&sequence.layout, &positions);
        let slot = |at: usize| [state.index.slot(at)];
        let indexed = plan.bands[home.band].indexed.clone();
        match band.policy.choice() {
            Choice::Votes => {
                let thoughts = sequence.grammar.stream().thoughts();
                for j in indexed {
                    let mean = band.store.mean_key(home.layer, &spans(thoughts[j].indexed_by().into())?);
                    band.index.store.append(home.layer, &[&mean], &slot(j));
                }
            }
            Choice::Pages(quest) => {
                for page in indexed.step_by(VECTORS) {
                    let positions = quest.positions(page / VECTORS);
                    let bounds = band.store.key_bounds(home.layer, &spans(positions.into())?);
                    for (at, bound) in (page..).zip(bounds) {
                        band.index.store.append(home.layer, &[&bound], &slot(at));
                    }
                }
            }
            Choice::Nothing | Choice::Mass | Choice::Blocks(_) | Choice::BlockMass(_) => {}
        }
        Ok(())
    }

    /// Lets the last rows whose selection is decided vote for the next step.
    fn vote(
        &self,
        home: Home,
        step: &mut Step<B, K>,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<(), Error> {
        let band = &self.bands[home.band];
        let Some(ballot) = step.ballot.as_mut().filter(|_| band.policy.choice() == Choice::Votes) else {
            return Ok(());
        };
        let voters = step.plans.iter().filter_map(|plan| plan.ballot_row.map(|row| (plan, row)));
        let voters: Vec<_> = voters.collect();
        let in_step = &mut step.bands[home.band];
        if in_step.index_spans.is_none() {
            let spans = |&(plan, _): &(&SequencePlan, usize)| {
                Ok(self.sequence(plan.sequence)?.bands[home.band].index.all_spans())
            };
            in_step.index_spans = Some(voters.iter().map(spans).collect::<Result<_, Error>>()?);
        }
        let index_spans = in_step.index_spans.as_deref().unwrap_or_default();
        let groups: Vec<_> = (voters.iter().zip(index_spans))
            .map(|(&(plan, ballot_row), spans)| ScoreGroup {
                first_row: plan.first_row + plan.rows() - 1,
                ballot_row,
                spans,
                candidates: &plan.candidates[plan.rows() - 1..],
            })
            .collect();
        self.kernels.vote(q, &band.index.store, home.layer, &groups, self.settings.votes, spec.scale, ballot);
        Ok(())
    }

    /// What the rows see whose selection each layer makes for itself, plan by plan; `None` where it is decided.
    fn choose(
        &mut self,
        home: Home,
        step: &mut Step<B, K>,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<Vec<Option<Visible>>, Error> {
        let mut chosen = Vec::with_capacity(step.plans.len());
        for (number, (plan, trace)) in step.plans.iter().zip(&mut step.traces).enumerate() {
            if plan.bands[home.band].seen.is_some() {
                chosen.push(None);
                continue;
            }
            let (selections, seen) = self.select(home, plan, trace, q, spec)?;
            self.note(home.band, plan, trace, &selections, &seen, [step.layer])?;
            if let Err(error) = self.fetch_chosen(home.band, plan, &seen, &mut step.stats.moved) {
                step.refused = Some((number, error));
                return Err(Error::Refused(plan.sequence));
            }
            chosen.push(Some(seen));
        }
        Ok(chosen)
    }

    /// 4-8. Attend, for all sequences in one call.
    fn attend_rows(
        &self,
        home: Home,
        step: &mut Step<B, K>,
        chosen: &[Option<Visible>],
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<AttentionState<B>, Error> {
        let band = &self.bands[home.band];
        let (in_step, ballot) = (&mut step.bands[home.band], &mut step.ballot);
        let seen: Vec<&Visible> = (step.plans.iter().zip(chosen))
            .filter_map(|(plan, chosen)| chosen.as_ref().or(plan.bands[home.band].seen.as_ref()))
            .collect();
        let own = match chosen.iter().any(Option::is_some) {
            true => Some(self.table(home.band, &step.plans, &seen)?),
            false => None,
        };
        if own.is_none() && in_step.table.is_none() {
            in_step.table = Some(self.table(home.band, &step.plans, &seen)?);
        }
        let table = own.as_ref().or(in_step.table.as_ref()).ok_or(Error::Protocol("no table"))?;
        let zoom = match band.policy.choice() {
            Choice::Blocks(ZoomBlocks { rule, .. }) => Some(Zoom {
                vectors: &band.vectors.store,
                spreads: &band.spreads.store,
                rule,
                ballot: ballot.as_mut(),
            }),
            _ => None,
        };
        Ok(attend_sets(&seen, q, |q| {
            self.kernels.attend(q, &band.store, home.layer, table, spec.scale, zoom)
        }))
    }

    /// What the rows attend to in a band.
    fn table(&self, band: usize, plans: &[SequencePlan], seen: &[&Visible]) -> Result<K::Table, Error> {
        let mut spans: Vec<Vec<PageSpan>> = Vec::with_capacity(plans.len());
        let mut candidates = Vec::with_capacity(plans.len());
        for (plan, seen) in plans.iter().zip(seen) {
            let sequence = self.sequence(plan.sequence)?;
            spans.push(sequence.bands[band].spans(&sequence.layout, &seen.union())?);
            candidates.push(self.candidates(band, plan)?);
        }
        let mut first_row = 0;
        let groups: Vec<_> = (seen.iter().zip(&spans).zip(&candidates))
            .map(|((seen, spans), candidates)| {
                let visible = seen.sets();
                first_row += visible.len();
                let group = AttendGroup::new(first_row - visible.len(), spans, visible);
                AttendGroup { candidates: candidates.as_ref().map(OwnedCandidates::get), ..group }
            })
            .collect();
        Ok(self.kernels.table(&groups))
    }

    /// After a layer: evictors' questions are kept; after the last of a band, what the last rows do not see leaves the
    /// device, but for the thoughts held.
    fn leave(
        &mut self,
        home: Home,
        layer: usize,
        step: &mut Step<B, K>,
        chosen: &[Option<Visible>],
        q: &Tensor<B, 3>,
    ) -> Result<(), Error> {
        if self.bands[home.band].policy.eviction().is_some() {
            for (plan, trace) in step.plans.iter().zip(&mut step.traces) {
                let rows = plan.first_row..plan.first_row + plan.rows();
                trace.asked.push(Asked::new(home.band, self.layers[layer], rows, q));
            }
        }
        if !self.bands[home.band].ends_with(layer) {
            return Ok(());
        }
        for (number, plan) in step.plans.iter().enumerate() {
            let Some(seen) = chosen[number].as_ref().or(plan.bands[home.band].seen.as_ref()) else {
                continue;
            };
            let mut last = seen.last_row(plan.rows());
            last.extend(&plan.bands[home.band].at_hand);
            let left = self.parts(home.band, plan.sequence)?.evict_unheld(&last, &mut step.stats.moved);
            if let Err(error) = left {
                step.refused = Some((number, error));
                return Err(Error::Refused(plan.sequence));
            }
        }
        self.compact(home.band)
    }
}

fn check<B: Backend>(
    layer: usize,
    tensor: &'static str,
    found: &Tensor<B, 3>,
    rows: usize,
    heads: usize,
    spec: LayerSpec,
) -> Result<(), Error> {
    let (found, expected) = (found.dims(), [rows, heads, spec.head_dim]);
    if found == expected { Ok(()) } else { Err(Error::Shape { layer, tensor, found, expected }) }
}
