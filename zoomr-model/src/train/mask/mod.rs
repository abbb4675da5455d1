//! What each row of a training sequence sees.
//!
//! * [`Mask::Full`]: everything before it: ordinary causal training.
//! * [`Mask::Zoomed`]: what decoding will show it: [`thoughts`] under
//!   [`Scope::Layer`](zoomr_core::config::Scope::Layer), or [`blocks`] with everything at hand. What chooses is the
//!   layer's own queries and keys, so the sets follow the model as it learns; the choice itself has no gradient. A
//!   model trained so has keys that serve as an index, and cannot lean on detail that will not be there (ours).

mod blocks;
mod thoughts;

use std::sync::Arc;

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    Error,
    config::Settings,
    kernels::TrainingKernels,
    layer::LayerSpec,
    policy::{Policy, Window},
    positions::PositionSet,
    segment::Stream,
};

use self::{blocks::Blocks, thoughts::Thoughts};
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

/// One sequence of a step under the zoomed mask, with what does not change from layer to layer.
pub(super) struct View<'a>(Zoomed<'a>);

/// What its rows zoom into.
enum Zoomed<'a> {
    Thoughts(Thoughts<'a>),
    Blocks(Blocks),
}

impl<'a> View<'a> {
    /// `explore` is the share of rows that see a random thought, or block, more.
    pub(super) fn new(sequence: &'a Sequence, settings: &Settings, explore: f64, random: &mut Draw) -> Self {
        Self(match settings.zoom_blocks() {
            Some(rule) => Zoomed::Blocks(Blocks::new(sequence, &rule, explore, random)),
            None => Zoomed::Thoughts(Thoughts::new(sequence, settings.policy().as_ref(), explore, random)),
        })
    }

    /// What each row sees in a layer with these queries `[rows, query_heads, head_dim]` and keys
    /// `[rows, kv_heads, head_dim]`, as decoding would decide it: once for all KV heads, or for each of them.
    ///
    /// # Errors
    /// [`Error::Memory`] where the device has no room for what chooses.
    pub(super) fn visible<B: Backend>(
        &self,
        kernels: &impl TrainingKernels<B>,
        settings: &Settings,
        [q, k]: [Tensor<B, 3>; 2],
        spec: LayerSpec,
    ) -> Result<Vec<Arc<[PositionSet]>>, Error> {
        match &self.0 {
            Zoomed::Thoughts(thoughts) => Ok(vec![thoughts.visible(kernels, settings, &q, &k, spec)]),
            Zoomed::Blocks(blocks) => blocks.visible(kernels, q, k, spec.scale),
        }
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

/// Which of its candidates each row sees whatever it chooses, if any: how the model finds out what it did not ask for.
fn explored(candidates: &[usize], explore: f64, random: &mut Draw) -> Vec<Option<usize>> {
    let mut pick = |count: usize| (count > 0 && random.share() < explore).then(|| random.below(count));
    candidates.iter().map(|&count| pick(count)).collect()
}
