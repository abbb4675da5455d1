//! One micro-batch forwards and backwards: the loss, and the gradient of every parameter.

use std::fmt;

use burn::tensor::{
    Device, ElementConversion, Int, Tensor, TensorData, activation::log_softmax, backend::Backend,
};
use burn_autodiff::Autodiff;
use zoomr_core::{config::Settings, kernels::TrainingKernels, layer::LayerSpec};

use super::{
    TrainError,
    hook::{Masking, TrainingHook},
    layers::Differentiated,
    mask::Mask,
    ops::cross_entropy,
    parameters::Parameters,
    sequence::Sequence,
    source::Tensors,
};
use crate::{Model, config::ModelConfig, data::synth::draw::Draw};

/// What is the same for all micro-batches of a step.
pub(super) struct Pass<'a, B: Backend, K> {
    pub(super) config: &'a ModelConfig,
    pub(super) specs: &'a [LayerSpec],
    pub(super) settings: &'a Settings,
    pub(super) kernels: &'a K,
    pub(super) device: &'a Device<B>,
    pub(super) trained: &'a Parameters<B>,
    pub(super) frozen: &'a Parameters<B>,
    pub(super) adapter_scale: f64,
    pub(super) explore: f64,
    /// What the index loss counts beside the language model's.
    pub(super) index_loss: f64,
}

/// What a pass forwards comes to.
struct Predicted<B: Backend> {
    /// `[tokens, vocab]`.
    logits: Tensor<Autodiff<B>, 2>,
    /// `[tokens]`.
    targets: Tensor<B, 1, Int>,
    /// The index loss, in nats.
    index_loss: Option<Tensor<Autodiff<B>, 1>>,
}

/// What came of a micro-batch.
pub(super) struct Learnt<B: Backend> {
    /// The sum of the negative log-likelihoods of what the model writes, in nats.
    pub(super) loss: f64,
    /// How many tokens that sum is over.
    pub(super) predicted: usize,
    /// The gradients of that sum, by the parameters' names.
    pub(super) gradients: Parameters<B>,
}

impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> Pass<'_, B, K> {
    /// Runs `sequences` through the model and back.
    pub(super) fn learn(
        &self,
        sequences: &[(&Sequence, Mask)],
        random: &mut Draw,
    ) -> Result<Learnt<B>, TrainError> {
        let leaves = self.trained.leaves();
        let Predicted { logits, targets, index_loss } = self.predict(&leaves, sequences, random)?;
        let loss = cross_entropy(logits, targets);
        let value: f32 = loss.clone().inner().into_scalar().elem();
        let predicted = sequences.iter().map(|(sequence, _)| sequence.targets().len()).sum();
        let objective = match index_loss {
            Some(index_loss) => loss + index_loss * self.index_loss,
            None => loss,
        };
        let mut graph = objective.backward();
        let gradient = |(name, leaf): (&String, &Tensor<Autodiff<B>, 2>)| {
            // A parameter that nothing went through (an adapter of an unused matrix) has none.
            let gradient = leaf.grad_remove(&mut graph);
            let gradient = gradient.unwrap_or_else(|| leaf.clone().inner().zeros_like());
            (name.clone(), gradient)
        };
        let gradients = leaves.iter().map(gradient).collect();
        Ok(Learnt { loss: f64::from(value), predicted, gradients })
    }

    /// The log-probabilities of what the model writes in `sequence`.
    pub(super) fn logprobs(&self, sequence: &Sequence, mask: Mask) -> Result<Vec<f32>, TrainError> {
        let mut random = Draw::new(0, 0);
        let Predicted { logits, targets, .. } =
            self.predict(&self.trained.constants(), &[(sequence, mask)], &mut random)?;
        let logprobs = log_softmax(logits.inner(), 1).gather(1, targets.unsqueeze_dim(1));
        Ok(logprobs.into_data().iter().collect())
    }

    /// The logits that predict what the model writes, and those tokens.
    fn predict(
        &self,
        trained: &Parameters<Autodiff<B>>,
        sequences: &[(&Sequence, Mask)],
        random: &mut Draw,
    ) -> Result<Predicted<B>, TrainError> {
        // 1. The model over these parameters.
        let frozen = self.frozen.constants();
        let source = Tensors { trained, frozen: &frozen, adapter_scale: self.adapter_scale };
        let kernels = Differentiated(self.kernels.clone());
        let model = Model::assemble(self.config.clone(), &source, kernels, self.device)?;

        // 2. Forwards, all rows.
        let masking =
            Masking { settings: self.settings, explore: self.explore, index_loss: self.index_loss > 0.0 };
        let mut hook = TrainingHook::new(self.kernels, self.specs, &masking, sequences, random);
        let ids: Vec<u32> = sequences.iter().flat_map(|(sequence, _)| sequence.inputs()).copied().collect();
        let hidden = model.hidden(&ids, &mut hook)?;

        // 3. Logits of the rows that predict what the model writes.
        let (mut rows, mut targets, mut first) = (Vec::new(), Vec::new(), 0);
        for (sequence, _) in sequences {
            rows.extend(sequence.predicting().map(|row| (first + row) as i64));
            targets.extend(sequence.targets().iter().map(|&id| i64::from(id)));
            first += sequence.inputs().len();
        }
        let rows = Tensor::<Autodiff<B>, 1, Int>::from_data(TensorData::from(&rows[..]), self.device);
        let targets = Tensor::<B, 1, Int>::from_data(TensorData::from(&targets[..]), self.device);
        let logits = model.logits(hidden.select(0, rows));
        Ok(Predicted { logits, targets, index_loss: hook.index_loss() })
    }
}
