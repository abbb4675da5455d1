//! Steps 1 to 3 for rows whose selection each layer makes for itself: score, vote, consensus.

use std::iter;

use burn::tensor::{Tensor, backend::Backend};

use super::{
    Session,
    band::Home,
    heads::Visible,
    plan::{SequencePlan, Trace},
};
use crate::{
    Error,
    kernels::{AttentionKernels, KvStore, PageStore, ScoreGroup},
    layer::LayerSpec,
    policy::{Choice, Quest},
    positions::PositionSet,
    select::{Ballot, Selection, Tally},
};

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// What each row zooms into in this layer, and sees with it.
    pub(super) fn select(
        &self,
        home: Home,
        plan: &SequencePlan,
        trace: &mut Trace,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<(Vec<Selection>, Visible), Error> {
        let choice = self.bands[home.band].policy.choice();
        let selections = match choice {
            Choice::Votes => {
                let tallies = self.votes(home, plan, q, spec)?;
                if let Some(last) = tallies.last().filter(|last| !last.is_empty()) {
                    trace.add(last);
                }
                tallies.iter().map(|tally| self.consensus(plan.sequence, tally)).collect::<Result<_, _>>()?
            }
            Choice::Mass => {
                let tallies = self.true_mass(home, plan, q, spec)?;
                tallies
                    .iter()
                    .map(|tally| self.most_attended(plan.sequence, tally))
                    .collect::<Result<_, _>>()?
            }
            Choice::Nothing | Choice::Pages(_) | Choice::Blocks(_) | Choice::BlockMass(_) => {
                vec![Selection::default(); plan.rows()]
            }
        };
        let seen = match choice {
            Choice::Pages(quest) => Visible::Heads(self.page_sets(home, plan, quest, q)?),
            Choice::BlockMass(blocks) => Visible::Heads(self.block_sets(home, plan, blocks, q, spec)?),
            _ => self.rows_see(home.band, plan, &selections)?,
        };
        Ok((selections, seen))
    }

    /// 1 and 2. Score and vote.
    fn votes(
        &self,
        home: Home,
        plan: &SequencePlan,
        q: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Result<Vec<Tally>, Error> {
        let spans = self.sequence(plan.sequence)?.bands[home.band].index.all_spans();
        let group = ScoreGroup {
            first_row: plan.first_row,
            ballot_row: 0,
            spans: &spans,
            candidates: &plan.candidates,
        };
        let mut ballot = self.kernels.ballot(&plan.candidates);
        let index = &self.bands[home.band].index.store;
        self.kernels.vote(q, index, home.layer, &[group], self.settings.votes, spec.scale, &mut ballot);
        Ok(ballot.read())
    }

    /// 3. The thoughts that a tally zooms into.
    pub(super) fn consensus(&self, sequence: usize, tally: &Tally) -> Result<Selection, Error> {
        let thoughts = self.sequence(sequence)?.grammar.stream().thoughts();
        Ok(Selection::consensus(tally, self.settings.zoom, |j| thoughts[j].detail.clone()))
    }

    /// What each query head of each row sees under `quest`, `[rows, query_heads]`.
    fn page_sets(
        &self,
        home: Home,
        plan: &SequencePlan,
        quest: Quest,
        q: &Tensor<B, 3>,
    ) -> Result<Vec<PositionSet>, Error> {
        let spans = self.sequence(plan.sequence)?.bands[home.band].index.all_spans();
        let rows = q.clone().slice(plan.first_row..plan.first_row + plan.rows());
        let [count, heads, _] = rows.dims();
        let bounds = match spans.is_empty() {
            true => Vec::new(),
            false => self.bands[home.band].index.store.page_bounds(home.layer, &spans, &rows),
        };
        let pages = bounds.len() / (count * heads);
        let by_head: Vec<&[f32]> = (0..count * heads).map(|i| &bounds[i * pages..][..pages]).collect();
        let together = quest.together(heads, self.bands[home.band].store.shape().kv_heads);
        let sets = by_head.chunks(together).enumerate().flat_map(|(set, bounds)| {
            let seen = quest.seen(bounds, plan.start + set * together / heads);
            iter::repeat_n(seen, together)
        });
        Ok(sets.collect())
    }
}

impl Trace {
    /// Adds a layer's votes of the last row.
    fn add(&mut self, votes: &Tally) {
        match self.total.is_empty() {
            true => self.total.clone_from(votes),
            false => self.total.add(votes),
        }
    }
}
