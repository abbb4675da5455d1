//! A model on its backend, and what runs it.

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Segmenter,
};

use crate::{
    Model,
    engine::{Engine, EngineError, EngineOptions},
    text::tokenizer::Tokenizer,
    weights::Weights,
};

/// A model on its backend.
pub struct Loaded<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> {
    /// The model.
    pub model: Model<B, K>,
    /// The provider's kernels.
    pub kernels: K,
    /// Where they compute.
    pub device: Device<B>,
    /// The weights as their files hold them.
    pub weights: Weights,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone> Loaded<B, K> {
    /// An engine that runs the model.
    ///
    /// # Errors
    /// Where the settings do not suit the model.
    pub fn engine<'a>(
        &'a self,
        tokenizer: Option<&'a Tokenizer>,
        segmenter: Box<dyn Segmenter>,
        options: EngineOptions,
    ) -> Result<Engine<'a, B, K>, EngineError> {
        Engine::new(&self.model, tokenizer, self.kernels.clone(), &self.device, segmenter, options)
    }
}
