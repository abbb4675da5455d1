//! One layer of a step, numbered as in METHOD.md: append, then score, vote, consensus, attend.

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Layer, Session,
    evict::Asked,
    heads::{Seen, attend_sets},
    sequence::Sequence,
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
        let mut seen = Vec::with_capacity(step.groups.len());
        for group in &mut step.groups {
            let selections = self.select(layer, group, &q)?;
            let sees = self.sees(layer, group, &selections, &q)?;
            self.bring_back(layer, group, &selections, &sees, &mut step.stats.moved)?;
            seen.push(sees);
        }
        step.stats.resident_peak = step.stats.resident_peak.max(self.budget.used());
        let output = self.attend_groups(layer, &step, &seen, &q)?;
        // A pass that will be repeated leaves everything where the next one needs it.
        if step.passes == 1 {
            for (group, seen) in step.groups.iter_mut().zip(&seen) {
                self.put_away(layer, group, seen, &mut step.stats.moved)?;
                if self.layers[layer].policy.eviction().is_some() {
                    group.asked.push(Asked::new(layer, group, &q));
                }
            }
            self.compact(layer);
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
    /// 0. Append the group's keys and values, and index what has retired.
    fn append(
        &mut self,
        layer: usize,
        group: &Group,
        k: &Tensor<B, 3>,
        v: &Tensor<B, 3>,
        moved: &mut Moved,
    ) -> Result<(), Error> {
        let mut parts = self.parts(layer, group.sequence)?;
        let mut row = group.first_row;
        for span in parts.open(group.start..group.start + group.base.len(), moved)? {
            let rows = |x: &Tensor<B, 3>| x.clone().slice(row..row + span.len).swap_dims(0, 1);
            parts.pool.write(KEYS, span.page, span.start, rows(k));
            parts.pool.write(VALUES, span.page, span.start, rows(v));
            row += span.len;
        }
        match parts.policy.choice() {
            Choice::Votes => parts.index_retired(group.indexed, moved),
            Choice::Pages(_) => parts.index_pages(moved),
            Choice::Nothing | Choice::Mass => Ok(()),
        }
    }

    /// 1-3. What each row of the group zooms into.
    fn select(&mut self, layer: usize, group: &mut Group, q: &Tensor<B, 3>) -> Result<Vec<Selection>, Error> {
        let choice = self.layers[layer].policy.choice();
        let nothing = vec![Selection::default(); group.candidates.len()];
        let tallies = match choice {
            _ if group.candidates.iter().all(|&n| n == 0) => return Ok(nothing),
            Choice::Nothing | Choice::Pages(_) => return Ok(nothing),
            Choice::Mass => self.true_mass(layer, group, q)?,
            Choice::Votes => self.votes(layer, group, q)?,
        };
        if let Some(last) = tallies.last().filter(|last| choice == Choice::Votes && !last.is_empty()) {
            if group.total.is_empty() {
                group.total = last.clone();
            } else {
                group.total.add(last);
            }
        }
        let consensus = tallies.iter().map(|tally| match choice {
            Choice::Mass => self.most_attended(group.sequence, tally),
            _ => self.consensus(group.sequence, tally),
        });
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

    /// What each row of the group sees, in positions, or in slots where tokens are evicted.
    fn sees(
        &self,
        layer: usize,
        group: &Group,
        selections: &[Selection],
        q: &Tensor<B, 3>,
    ) -> Result<Seen, Error> {
        let Layer { spec, policy, .. } = &self.layers[layer];
        let sequence = self.sequence(group.sequence)?;
        let (stream, rows) = (sequence.grammar.stream(), group.base.len());
        if let Some(evicting) = &sequence.layers[layer].evicting {
            let before = evicting.slots.len() - rows;
            return Ok(Seen::Rows((1..=rows).map(|row| (0..before + row).into()).collect()));
        }
        if let Choice::Pages(quest) = policy.choice()
            && !(group.prompt || quest.sees_all(group.last()))
        {
            return Ok(Seen::Heads(self.page_sets(layer, group, quest, q)?));
        }
        if spec.sliding_window.is_some() {
            let positions = group.start..group.start + rows;
            return Ok(Seen::Rows(positions.map(|position| policy.base(stream, position)).collect()));
        }
        let row = |(base, selection): (&PositionSet, &Selection)| {
            selection.reveal(base, stream.thoughts(), self.settings.summaries)
        };
        Ok(Seen::Rows(group.base.iter().zip(selections).map(row).collect()))
    }

    /// Makes resident what the rows see; under a tight cap, thoughts held from earlier steps make room.
    fn bring_back(
        &mut self,
        layer: usize,
        group: &mut Group,
        selections: &[Selection],
        seen: &Seen,
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
        if acts {
            let last = seen.last(group.base.len());
            group.stats.attended +=
                last.iter().map(PositionSet::len).sum::<usize>() as f64 / last.len() as f64;
        }
        let needed = seen.union();
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
        seen: &[Seen],
        q: &Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, Error> {
        let Layer { spec, pool, .. } = &self.layers[layer];
        let mut spans = Vec::with_capacity(step.groups.len());
        for (group, seen) in step.groups.iter().zip(seen) {
            let Sequence { layers, layout, .. } = self.sequence(group.sequence)?;
            spans.push(layers[layer].spans(layout, &seen.union(), pool.geometry().page_size));
        }
        let mut first_row = 0;
        let groups: Vec<_> = (seen.iter().zip(&spans))
            .map(|(seen, spans)| {
                let visible = seen.sets();
                first_row += visible.len();
                AttendGroup { first_row: first_row - visible.len(), spans, visible }
            })
            .collect();
        let kv = PagedKv { keys: pool.slabs(KEYS), values: pool.slabs(VALUES) };
        Ok(attend_sets(seen, q, |q| self.kernels.attend(q, kv, &groups, spec.scale).output))
    }

    /// Takes off the device what the last row no longer sees, but for the thoughts held.
    fn put_away(&mut self, layer: usize, group: &Group, seen: &Seen, moved: &mut Moved) -> Result<(), Error> {
        let mut parts = self.parts(layer, group.sequence)?;
        let mut last = PositionSet::default();
        seen.last(group.base.len()).iter().for_each(|set| last.extend(set));
        let keep = parts.state.held(&last, parts.grammar);
        *moved += parts.evict(&keep)?;
        Ok(())
    }
}
