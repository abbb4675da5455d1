//! One layer of a step, numbered as in METHOD.md: append, then score, vote, consensus, attend.

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Layer, Session,
    step::{Group, Step},
};
use crate::{
    Error,
    cache::{KEYS, Moved, VALUES},
    hook::AttentionHook,
    kernels::{AttendGroup, AttentionKernels, PagedKv, ScoreGroup},
    layer::LayerSpec,
    policy::Choice,
    positions::PositionSet,
    select::{Selection, Tally},
};

impl<B: Backend, K: AttentionKernels<B>> AttentionHook<B> for Session<B, K> {
    fn positions(&self) -> &[usize] {
        self.step.as_ref().map_or(&[], |step| &step.positions)
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, Error> {
        let Some(mut step) = self.step.take() else {
            return Err(Error::Protocol("the hook was called outside of a step"));
        };
        if step.layer != layer || layer >= self.layers.len() {
            return Err(Error::Protocol("the hook was not called for every layer in order"));
        }
        let spec = self.layers[layer].spec;
        check(layer, "q", &q, step.positions.len(), spec.query_heads, spec)?;
        check(layer, "k", &k, step.positions.len(), spec.kv_heads, spec)?;
        check(layer, "v", &v, step.positions.len(), spec.kv_heads, spec)?;
        for group in &step.groups {
            self.append(layer, group, &k, &v, &mut step.stats.moved)?;
        }
        let mut visible = Vec::with_capacity(step.groups.len());
        for group in &mut step.groups {
            let selections = self.select(layer, group, &q)?;
            visible.push(self.sees(layer, group, &selections)?);
            self.bring_back(layer, group, &selections, &visible[visible.len() - 1], &mut step.stats.moved)?;
        }
        step.stats.resident_peak = step.stats.resident_peak.max(self.budget.used());
        let output = self.attend_groups(layer, &step, &visible, &q)?;
        // A pass that will be repeated leaves everything where the next one needs it.
        if step.passes == 1 {
            for (group, visible) in step.groups.iter().zip(&visible) {
                self.put_away(layer, group, visible, &mut step.stats.moved)?;
            }
        }
        step.layer += 1;
        self.step = Some(step);
        Ok(output)
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

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// 0. Append the group's keys and values, and index the thoughts that have retired.
    fn append(
        &mut self,
        layer: usize,
        group: &Group,
        k: &Tensor<B, 3>,
        v: &Tensor<B, 3>,
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let mut parts = self.parts(layer, group.sequence)?;
        let appended = group.start..group.start + group.base.len();
        *moved += parts.open(appended.clone())?;
        for span in parts.state.cache.spans(parts.layout, &appended.into()) {
            let row = group.first_row + span.position - group.start;
            let rows = |x: &Tensor<B, 3>| x.clone().slice(row..row + span.len).swap_dims(0, 1);
            parts.pool.write(KEYS, span.page, span.start, rows(k));
            parts.pool.write(VALUES, span.page, span.start, rows(v));
        }
        if parts.zooms_by_votes() { parts.index_retired(group.indexed, moved) } else { Ok(()) }
    }

    /// 1-3. What each row of the group zooms into.
    fn select(&mut self, layer: usize, group: &mut Group, q: &Tensor<B, 3>) -> Result<Vec<Selection>, Error> {
        let own_window = self.layers[layer].spec.sliding_window.is_some();
        let choice = self.layers[layer].policy.choice();
        if own_window || choice == Choice::Nothing || group.candidates.iter().all(|&n| n == 0) {
            return Ok(vec![Selection::default(); group.candidates.len()]);
        }
        let tallies = match choice {
            Choice::Mass => self.true_mass(layer, group, q)?,
            Choice::Votes | Choice::Nothing => self.votes(layer, group, q)?,
        };
        if let Some(last) = tallies.last().filter(|last| choice == Choice::Votes && !last.is_empty()) {
            if group.total.is_empty() {
                group.total = last.clone();
            } else {
                group.total.add(last);
            }
        }
        let consensus = tallies.iter().map(|tally| self.consensus(group.sequence, tally));
        let mut selections: Vec<_> = consensus.collect::<Result<_, _>>()?;
        if let (Some(last), Some(chosen)) = (selections.last_mut(), &group.chosen) {
            last.clone_from(chosen);
        }
        Ok(selections)
    }

    /// 1 and 2. Score and vote.
    fn votes(&mut self, layer: usize, group: &Group, q: &Tensor<B, 3>) -> Result<Vec<Tally>, Error> {
        let Layer { spec, index, .. } = &self.layers[layer];
        let state = &self.sequence(group.sequence)?.layers[layer];
        let spans = state.index.spans(index.geometry().page_size);
        let scored = ScoreGroup { first_row: group.first_row, spans: &spans, candidates: &group.candidates };
        Ok(self.kernels.tally(q, index.slabs(0), &[scored], self.settings.votes, spec.scale))
    }

    /// What each row of the group sees.
    fn sees(&self, layer: usize, group: &Group, selections: &[Selection]) -> Result<Vec<PositionSet>, Error> {
        let Layer { spec, policy, .. } = &self.layers[layer];
        let stream = self.sequence(group.sequence)?.grammar.stream();
        if spec.sliding_window.is_some() {
            let positions = group.start..group.start + group.base.len();
            return Ok(positions.map(|position| policy.base(stream, position)).collect());
        }
        let row = |(base, selection): (&PositionSet, &Selection)| {
            selection.reveal(base, stream.thoughts(), self.settings.summaries)
        };
        Ok(group.base.iter().zip(selections).map(row).collect())
    }

    /// Makes resident what the rows see; under a tight cap, thoughts held from earlier steps make room.
    fn bring_back(
        &mut self,
        layer: usize,
        group: &mut Group,
        selections: &[Selection],
        visible: &[PositionSet],
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let capacity = self.settings.resident_thoughts;
        let mut parts = self.parts(layer, group.sequence)?;
        let acts = !parts.own_window;
        if let Some(last) = selections.last() {
            let thoughts = parts.grammar.stream().thoughts();
            let held =
                |j: &&usize| parts.state.cache.holds(parts.layout.overlapping(thoughts[**j].detail.clone()));
            let hits = last.zoomed.iter().filter(held).count() as u64;
            group.stats.hits += hits;
            group.stats.misses += last.zoomed.len() as u64 - hits;
            if last.candidates > 0 {
                parts.state.touch(&last.zoomed, capacity);
            }
            if acts {
                group.stats.zoomed.push(last.zoomed.clone());
            }
        }
        if let Some(last) = visible.last().filter(|_| acts) {
            group.stats.attended += last.len() as f64;
        }
        let mut needed = PositionSet::default();
        visible.iter().for_each(|set| needed.extend(set));
        // What leaves makes room for what comes, so that a pool never holds both.
        let keep = parts.state.held(&needed, parts.grammar);
        *moved += parts.evict(&keep)?;
        match parts.fetch(&needed, moved) {
            Err(Error::OverCap { .. }) => {
                *moved += parts.evict(&needed)?;
                parts.fetch(&needed, moved)
            }
            result => result,
        }
    }

    /// 4. Attend, for all sequences in one call.
    fn attend_groups(
        &self,
        layer: usize,
        step: &Step,
        visible: &[Vec<PositionSet>],
        q: &Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, Error> {
        let Layer { spec, pool, .. } = &self.layers[layer];
        let mut spans = Vec::with_capacity(step.groups.len());
        for (group, visible) in step.groups.iter().zip(visible) {
            let sequence = self.sequence(group.sequence)?;
            let mut union = PositionSet::default();
            visible.iter().for_each(|set| union.extend(set));
            spans.push(sequence.layers[layer].cache.spans(&sequence.layout, &union));
        }
        let parts = step.groups.iter().zip(&spans).zip(visible);
        let groups: Vec<_> = parts
            .map(|((group, spans), visible)| AttendGroup { first_row: group.first_row, spans, visible })
            .collect();
        let kv = PagedKv { keys: pool.slabs(KEYS), values: pool.slabs(VALUES) };
        Ok(self.kernels.attend(q, kv, &groups, spec.scale).output)
    }

    /// Takes off the device what the last row no longer sees, but for the thoughts held.
    fn put_away(
        &mut self,
        layer: usize,
        group: &Group,
        visible: &[PositionSet],
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let mut parts = self.parts(layer, group.sequence)?;
        if let Some(last) = visible.last() {
            let keep = parts.state.held(last, parts.grammar);
            *moved += parts.evict(&keep)?;
        }
        Ok(())
    }
}
