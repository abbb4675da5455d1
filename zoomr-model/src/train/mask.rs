//! What each row of a training sequence sees.
//!
//! * [`Mask::Full`]: everything before it: ordinary causal training.
//! * [`Mask::Zoomed`]: what decoding under [`Scope::Layer`](zoomr_core::config::Scope::Layer) will show it. The
//!   votes are those of the layer's own queries and keys, so the sets follow the model as it learns. A model
//!   trained so has keys that serve as an index, and cannot lean on detail that will not be there (ours).

use std::sync::Arc;

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, PageSpan, ScoreGroup},
    layer::LayerSpec,
    policy::{Policy, Window},
    positions::PositionSet,
    segment::{Stream, Thought},
    select::Selection,
};

use super::sequence::Sequence;
use crate::data::synth::draw::Draw;

/// Which of the two a sequence is trained under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mask {
    /// Everything before the row.
    Full,
    /// What decoding shows it.
    Zoomed,
}

/// One sequence of a step, with what does not change from layer to layer.
pub(super) struct View<'a> {
    thoughts: &'a [Thought],
    /// What each row sees without zooming.
    base: Arc<[PositionSet]>,
    /// How many thoughts each row may zoom into.
    candidates: Vec<usize>,
    /// A thought that each row sees whatever the votes, if any: how the model finds out what it did not ask for.
    explored: Vec<Option<usize>>,
}

impl<'a> View<'a> {
    /// `explore` is the share of rows that see a random thought more.
    pub(super) fn new(sequence: &'a Sequence, policy: &dyn Policy, explore: f64, random: &mut Draw) -> Self {
        let (stream, rows) = (sequence.stream(), 0..sequence.inputs().len());
        let candidates: Vec<usize> = rows.clone().map(|row| policy.candidates(stream, row)).collect();
        let mut pick = |count: usize| (count > 0 && random.share() < explore).then(|| random.below(count));
        let explored = candidates.iter().map(|&count| pick(count)).collect();
        Self { thoughts: stream.thoughts(), base: base(policy, stream, rows.len()), candidates, explored }
    }

    /// What each row sees in a layer with these queries `[rows, query_heads, head_dim]` and keys
    /// `[rows, kv_heads, head_dim]`, as decoding would decide it.
    pub(super) fn visible<B: Backend>(
        &self,
        kernels: &impl AttentionKernels<B>,
        settings: &Settings,
        q: &Tensor<B, 3>,
        k: &Tensor<B, 3>,
        spec: LayerSpec,
    ) -> Arc<[PositionSet]> {
        let thoughts = self.candidates.iter().copied().max().unwrap_or(0);
        if thoughts == 0 {
            return Arc::clone(&self.base);
        }
        let index = index(k, &self.thoughts[..thoughts]);
        let spans = [PageSpan { page: 0, start: 0, len: thoughts, position: 0 }];
        let group = ScoreGroup { first_row: 0, spans: &spans, candidates: &self.candidates };
        let tallies = kernels.tally(q, &[index], &[group], settings.votes, spec.scale);
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

/// What rows `0..rows` see under `policy` without zooming.
pub(super) fn base(policy: &dyn Policy, stream: &Stream, rows: usize) -> Arc<[PositionSet]> {
    (0..rows).map(|row| policy.base(stream, row)).collect()
}

/// The policy of a layer with a window of its own.
pub(super) fn own_window(spec: LayerSpec) -> Option<Window> {
    spec.sliding_window.map(|window| Window { sinks: 0, window: window.get() })
}

/// The thoughts' index vectors as one page, `[1, kv_heads, thoughts, head_dim]`.
fn index<B: Backend>(k: &Tensor<B, 3>, thoughts: &[Thought]) -> Tensor<B, 4> {
    let mean = |thought: &Thought| k.clone().slice(thought.indexed_by()).mean_dim(0);
    let vectors = Tensor::cat(thoughts.iter().map(mean).collect(), 0); // [thoughts, kv_heads, head_dim]
    vectors.swap_dims(0, 1).unsqueeze()
}
