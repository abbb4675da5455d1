//! The attention hook of training: whole sequences, side by side, each attending within itself.

use std::{fmt, ops::Range, sync::Arc};

use burn::tensor::{Tensor, backend::Backend};
use burn_autodiff::Autodiff;
use zoomr_core::{
    config::Settings, hook::AttentionHook, kernels::TrainingKernels, layer::LayerSpec, policy::Full,
    positions::PositionSet,
};

use super::{
    index::IndexRows,
    mask::{Mask, View, base, own_window},
    ops::{Attending, attend},
    sequence::Sequence,
};
use crate::data::synth::draw::Draw;

/// What of a recipe masks depend on.
pub(super) struct Masking<'a> {
    /// What the zoomed mask shows.
    pub(super) settings: &'a Settings,
    /// As for [`View::new`].
    pub(super) explore: f64,
    /// Whether there is an index loss.
    pub(super) index_loss: bool,
}

/// A forward pass over several sequences, whose rows lie one after the other.
pub(super) struct TrainingHook<'a, B: Backend, K> {
    kernels: &'a K,
    specs: &'a [LayerSpec],
    settings: &'a Settings,
    packed: Vec<Packed<'a>>,
    positions: Vec<usize>,
    /// The index losses so far, in nats.
    index_losses: Vec<Tensor<Autodiff<B>, 1>>,
}

/// One sequence of the pass.
struct Packed<'a> {
    rows: Range<usize>,
    sequence: &'a Sequence,
    sees: Sees<'a>,
}

enum Sees<'a> {
    Everything { sets: Arc<[PositionSet]>, index: Option<IndexRows<'a>> },
    Zoomed(View<'a>),
}

impl<'a, B: Backend, K> TrainingHook<'a, B, K> {
    /// A pass over `sequences`, each under its mask.
    pub(super) fn new(
        kernels: &'a K,
        specs: &'a [LayerSpec],
        masking: &Masking<'a>,
        sequences: &[(&'a Sequence, Mask)],
        random: &mut Draw,
    ) -> Self {
        let &Masking { settings, explore, index_loss } = masking;
        let mut positions = Vec::new();
        let mut packed = Vec::with_capacity(sequences.len());
        for &(sequence, mask) in sequences {
            let (first, len) = (positions.len(), sequence.inputs().len());
            let sees = match mask {
                Mask::Full => {
                    let rows = || IndexRows::new(sequence, settings, random);
                    let index = index_loss.then(rows).flatten();
                    Sees::Everything { sets: base(&Full, sequence.stream(), len), index }
                }
                Mask::Zoomed => Sees::Zoomed(View::new(sequence, settings, explore, random)),
            };
            packed.push(Packed { rows: first..first + len, sequence, sees });
            positions.extend(0..len);
        }
        Self { kernels, specs, settings, packed, positions, index_losses: Vec::new() }
    }

    /// The sum of the index losses of all layers that were passed; `None` where there was none.
    pub(super) fn index_loss(self) -> Option<Tensor<Autodiff<B>, 1>> {
        self.index_losses.into_iter().reduce(|sum, loss| sum + loss)
    }
}

impl<B, K> AttentionHook<Autodiff<B>> for TrainingHook<'_, B, K>
where
    B: Backend,
    K: TrainingKernels<B> + Clone + fmt::Debug + 'static,
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
        let &mut Self { kernels, specs, settings, ref packed, ref mut index_losses, .. } = self;
        let spec = specs[layer];
        let sees = |packed: &Packed<'_>| -> Result<Attending, zoomr_core::Error> {
            let rows = packed.rows.clone();
            let visible = match (own_window(spec), &packed.sees) {
                (Some(window), _) => vec![base(&window, packed.sequence.stream(), rows.len())],
                (None, Sees::Everything { sets, index }) => {
                    index_losses.extend(index.as_ref().map(|index| {
                        let [q, k] = [&q, &k].map(|x| x.clone().slice(rows.clone()));
                        index.loss(&q, &k, spec)
                    }));
                    vec![Arc::clone(sets)]
                }
                (None, Sees::Zoomed(view)) => {
                    let inputs = [&q, &k].map(|x| x.clone().inner().slice(rows.clone()));
                    view.visible(kernels, settings, inputs, spec)?
                }
            };
            Ok(Attending { rows, visible })
        };
        let sequences = packed.iter().map(sees).collect::<Result<Vec<_>, _>>()?;
        Ok(attend(kernels, [q, k, v], sequences, spec.scale))
    }
}
