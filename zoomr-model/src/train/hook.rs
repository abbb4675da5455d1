//! The attention hook of training: whole sequences, side by side, each attending within itself.

use std::{fmt, ops::Range, sync::Arc};

use burn::tensor::{Tensor, backend::Backend};
use burn_autodiff::Autodiff;
use zoomr_core::{
    config::Settings, hook::AttentionHook, kernels::AttentionGradients, layer::LayerSpec, policy::Full,
    positions::PositionSet,
};

use super::{
    mask::{Mask, View, base, own_window},
    ops::attend,
    sequence::Sequence,
};
use crate::data::synth::draw::Draw;

/// A forward pass over several sequences, whose rows lie one after the other.
pub(super) struct TrainingHook<'a, K> {
    kernels: &'a K,
    specs: &'a [LayerSpec],
    settings: &'a Settings,
    packed: Vec<Packed<'a>>,
    positions: Vec<usize>,
}

/// One sequence of the pass.
struct Packed<'a> {
    rows: Range<usize>,
    sequence: &'a Sequence,
    sees: Sees<'a>,
}

enum Sees<'a> {
    Everything(Arc<[PositionSet]>),
    Zoomed(View<'a>),
}

impl<'a, K> TrainingHook<'a, K> {
    /// A pass over `sequences` under one mask; `explore` and `random` as for [`View::new`].
    pub(super) fn new(
        kernels: &'a K,
        specs: &'a [LayerSpec],
        settings: &'a Settings,
        sequences: &[(&'a Sequence, Mask)],
        explore: f64,
        random: &mut Draw,
    ) -> Self {
        let policy = settings.policy();
        let mut positions = Vec::new();
        let mut packed = Vec::with_capacity(sequences.len());
        for &(sequence, mask) in sequences {
            let (first, len) = (positions.len(), sequence.inputs().len());
            let sees = match mask {
                Mask::Full => Sees::Everything(base(&Full, sequence.stream(), len)),
                Mask::Zoomed => Sees::Zoomed(View::new(sequence, policy.as_ref(), explore, random)),
            };
            packed.push(Packed { rows: first..first + len, sequence, sees });
            positions.extend(0..len);
        }
        Self { kernels, specs, settings, packed, positions }
    }
}

impl<B, K> AttentionHook<Autodiff<B>> for TrainingHook<'_, K>
where
    B: Backend,
    K: AttentionGradients<B> + Clone + fmt::Debug + 'static,
{
    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<Autodiff<B>, 3>,
        k: Tensor<Autodiff<B>, 3>,
        v: Tensor<Autodiff<B>, 3>,
    ) -> Result<Tensor<Autodiff<B>, 3>, zoomr_core::Error> {
        let spec = self.specs[layer];
        let output = |packed: &Packed<'_>| {
            let [q, k, v] = [&q, &k, &v].map(|x| x.clone().slice(packed.rows.clone()));
            let visible = match (own_window(spec), &packed.sees) {
                (Some(window), _) => base(&window, packed.sequence.stream(), packed.rows.len()),
                (None, Sees::Everything(sets)) => Arc::clone(sets),
                (None, Sees::Zoomed(view)) => {
                    view.visible(self.kernels, self.settings, &q.clone().inner(), &k.clone().inner(), spec)
                }
            };
            attend(self.kernels, q, k, v, visible, spec.scale)
        };
        Ok(Tensor::cat(self.packed.iter().map(output).collect(), 0))
    }
}
