//! Rows that zoom into whole thoughts, by votes and consensus.

use std::sync::Arc;

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    config::Settings,
    kernels::{PageShape, PageSpan, ScoreGroup, TrainingKernels},
    layer::LayerSpec,
    policy::Policy,
    positions::PositionSet,
    segment::Thought,
    select::{Ballot, Selection},
};

use super::{base, explored};
use crate::{data::synth::draw::Draw, train::sequence::Sequence};

/// A sequence whose rows zoom into whole thoughts.
pub(super) struct Thoughts<'a> {
    thoughts: &'a [Thought],
    /// What each row sees without zooming.
    base: Arc<[PositionSet]>,
    /// How many thoughts each row may zoom into.
    candidates: Vec<usize>,
    /// A thought that each row sees whatever the votes, if any.
    explored: Vec<Option<usize>>,
}

impl<'a> Thoughts<'a> {
    pub(super) fn new(sequence: &'a Sequence, policy: &dyn Policy, explore: f64, random: &mut Draw) -> Self {
        let (stream, rows) = (sequence.stream(), 0..sequence.inputs().len());
        let candidates: Vec<usize> = rows.clone().map(|row| policy.candidates(stream, row)).collect();
        let explored = explored(&candidates, explore, random);
        Self { thoughts: stream.thoughts(), base: base(policy, stream, rows.len()), candidates, explored }
    }

    /// As [`View::visible`](super::View::visible).
    pub(super) fn visible<B: Backend>(
        &self,
        kernels: &impl TrainingKernels<B>,
        settings: &Settings,
        q: &Tensor<B, 3>,
        k: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Arc<[PositionSet]> {
        let thoughts = self.candidates.iter().copied().max().unwrap_or(0);
        if thoughts == 0 {
            return Arc::clone(&self.base);
        }
        // The index is one page.
        let LayerSpec { kv_heads, head_dim, scale, .. } = spec;
        let shape =
            PageShape { layers: 1, parts: 1, kv_heads, page_size: thoughts, head_dim, pages_per_slab: 1 };
        let index = kernels.page_of(shape, &[&index(k, &self.thoughts[..thoughts])]);
        let spans = [PageSpan { page: 0, start: 0, len: thoughts, position: 0 }];
        let group = ScoreGroup { first_row: 0, ballot_row: 0, spans: &spans, candidates: &self.candidates };
        let mut ballot = kernels.ballot(&self.candidates);
        kernels.vote(q, &index, 0, &[group], settings.votes, scale, &mut ballot);
        let tallies = ballot.read();
        let rows = self.base.iter().zip(&tallies).zip(&self.explored);
        let row = |((base, tally), explored): ((&PositionSet, _), &Option<usize>)| {
            let selection = Selection::consensus(tally, settings.zoom, |j| self.thoughts[j].detail.clone());
            let mut set = selection.reveal(base, self.thoughts, settings.summaries);
            explored.iter().for_each(|&j| set.insert(self.thoughts[j].detail.clone()));
            set
        };
        rows.map(row).collect()
    }
}

/// The thoughts' index vectors, `[thoughts, kv_heads, head_dim]`.
fn index<B: Backend>(k: &Tensor<B, 3>, thoughts: &[Thought]) -> Tensor<B, 3> {
    let mean = |thought: &Thought| k.clone().slice(thought.indexed_by()).mean_dim(0);
    Tensor::cat(thoughts.iter().map(mean).collect(), 0)
}

#[cfg(test)]
mod tests {
    use zoomr_core::{
        config::Options,
        policy::Full,
        segment::{Marker, MarkerPair, Markers},
    };

    use super::*;

    /// Of the rows that have thoughts to zoom into, `explore` see one more, any of them.
    #[test]
    fn as_many_rows_explore_as_were_asked_for() {
        let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
        let segmenter = Markers::new(pair(2, 3), pair(4, 5)).unwrap();
        let written = [2, 9, 9, 3, 4, 8, 5].repeat(300);
        let sequence = Sequence::new(&[7; 5], &written, Box::new(segmenter)).unwrap();
        let settings = Settings::try_from(Options::default()).unwrap();
        let view =
            |explore| Thoughts::new(&sequence, settings.policy().as_ref(), explore, &mut Draw::new(1, 0));
        for explore in [0.0, 0.25, 1.0] {
            let view = view(explore);
            let rows = view.candidates.iter().zip(&view.explored).filter(|(count, _)| **count > 0);
            let found: Vec<(usize, usize)> =
                rows.clone().filter_map(|(&count, explored)| Some((count, (*explored)?))).collect();
            let share = found.len() as f64 / rows.count() as f64;
            assert!((share - explore).abs() < 0.05, "{share} of rows explore, not {explore}");
            assert!(found.iter().all(|(count, thought)| thought < count));
            let late = found.iter().filter(|(count, thought)| 2 * thought >= *count).count();
            assert!(late.abs_diff(found.len() - late) <= found.len() / 5 + 1, "{late} of {}", found.len());
        }
        assert!(
            Thoughts::new(&sequence, &Full, 1.0, &mut Draw::new(1, 0)).explored.iter().all(Option::is_none)
        );
    }
}
