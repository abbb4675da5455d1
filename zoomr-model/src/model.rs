//! The decoder: embedding, blocks, final norm, output head.
//!
//! Rows are tokens, of one sequence or of several; there is no batch dimension. Where each row stands in its
//! sequence, and what it attends to, only the hook knows.

use burn::tensor::{Device, Tensor, backend::Backend};
use zoomr_core::{
    hook::AttentionHook,
    kernels::{LinearKernels, RmsNorm, Rotation},
};

use crate::{
    Error,
    adapter::Adapter,
    block::{Block, Stream, scaled},
    config::{ModelConfig, Rope},
    linear::Linear,
    load::{Checkpoint, Loader, Source},
    rope::RotaryEmbedding,
    weights::{Weights, WeightsError},
};

/// A decoder with its weights, in the form that the provider `L` multiplies by.
pub struct Model<B: Backend, L: LinearKernels<B>> {
    config: ModelConfig,
    kernels: L,
    device: Device<B>,
    parts: Parts<B, L>,
}

/// Everything that is made of weights, and the rotations between.
struct Parts<B: Backend, L: LinearKernels<B>> {
    /// `[vocab, hidden]`; the output head too, where `head` is none.
    embedding: L::Matrix,
    blocks: Vec<Block<B, L>>,
    norm: RmsNorm<B>,
    /// `[vocab, hidden]`.
    head: Option<Linear<B, L>>,
    /// The distinct ones; a block names its own by number.
    rotary_embeddings: Vec<RotaryEmbedding>,
}

impl<B: Backend, L: LinearKernels<B>> Parts<B, L> {
    fn collect(config: &ModelConfig, source: &dyn Source<B, L>) -> Result<Self, WeightsError> {
        let loader = Loader { config, source };
        let (ropes, rotation_of) = distinct_ropes(config);
        let blocks = rotation_of.into_iter().enumerate();
        let blocks = blocks.map(|(layer, rotation)| loader.block(layer, rotation));
        Ok(Self {
            embedding: loader.matrix("model.embed_tokens")?,
            blocks: blocks.collect::<Result<_, _>>()?,
            norm: loader.norm("model.norm")?,
            head: (!config.tied).then(|| loader.linear("lm_head", false)).transpose()?,
            rotary_embeddings: ropes.iter().map(RotaryEmbedding::new).collect(),
        })
    }

    /// The norm of what layer `layer` reads; after the last layer, the final norm.
    fn norm_before(&self, layer: usize) -> &RmsNorm<B> {
        self.blocks.get(layer).map_or(&self.norm, |block| &block.attention_norms.before)
    }
}

impl<B: Backend, L: LinearKernels<B>> Model<B, L> {
    /// Puts a model together; `weights` were opened for this `config`.
    ///
    /// # Errors
    /// [`Error::Weights`] where a tensor is missing, because they were opened for another one.
    pub fn load(
        config: ModelConfig,
        weights: &Weights,
        kernels: L,
        device: &Device<B>,
    ) -> Result<Self, Error> {
        Self::load_adapted(config, weights, None, kernels, device)
    }

    /// As [`load`](Self::load), with an adapter beside the weights; `config` is what
    /// [`Adapter::adapted`] made of the model's own.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_adapted(
        config: ModelConfig,
        weights: &Weights,
        adapter: Option<&Adapter>,
        kernels: L,
        device: &Device<B>,
    ) -> Result<Self, Error> {
        let parts = Parts::collect(&config, &Checkpoint { weights, adapter, kernels: &kernels, device })?;
        Ok(Self { config, kernels, device: device.clone(), parts })
    }

    /// Puts a model together from tensors that lie in memory.
    #[cfg(feature = "train")]
    pub(crate) fn assemble(
        config: ModelConfig,
        source: &dyn Source<B, L>,
        kernels: L,
        device: &Device<B>,
    ) -> Result<Self, WeightsError> {
        let parts = Parts::collect(&config, source)?;
        Ok(Self { config, kernels, device: device.clone(), parts })
    }

    /// The architecture.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The logits of every token in `ids`, `[ids.len(), vocab]`: [`hidden`](Self::hidden), then
    /// [`logits`](Self::logits).
    ///
    /// # Errors
    /// As [`hidden`](Self::hidden).
    pub fn forward(
        &self,
        ids: &[u32],
        hook: &mut (impl AttentionHook<B> + ?Sized),
    ) -> Result<Tensor<B, 2>, Error> {
        Ok(self.logits(self.hidden(ids, hook)?))
    }

    /// Runs the tokens of the hook's step through all layers: the normalised hidden states
    /// `[ids.len(), hidden]`.
    ///
    /// # Errors
    /// [`Error::Rows`] where the hook's step has not as many rows, or there are none, [`Error::TokenId`] where a token is not in
    /// the vocabulary, and whatever the hook says ([`Error::Attention`]). After an error of the hook the step
    /// is only partly appended.
    pub fn hidden(
        &self,
        ids: &[u32],
        hook: &mut (impl AttentionHook<B> + ?Sized),
    ) -> Result<Tensor<B, 2>, Error> {
        self.check(ids, hook.positions().len())?;
        // 1. Embed.
        let embedded = self.kernels.rows(&self.parts.embedding, ids, &self.device); // [rows, hidden]
        let residual = scaled(embedded, self.config.embedding_multiplier);

        // 2. The angles of the step's positions, once for all layers that share them.
        let at = |rotary: &RotaryEmbedding| rotary.at(hook.positions(), &self.device);
        let rotations: Vec<Rotation<B>> = self.parts.rotary_embeddings.iter().map(at).collect();

        // 3. Layers; each ends with the norm of what comes after it, the last with the final one.
        let normed = self.kernels.rms_norm(residual.clone(), self.parts.norm_before(0));
        let mut stream = Stream { residual, normed };
        for (layer, block) in self.parts.blocks.iter().enumerate() {
            let next = self.parts.norm_before(layer + 1);
            stream = block.forward(&self.kernels, stream, next, &rotations, hook)?;
        }
        Ok(stream.normed)
    }

    /// The logits `[rows, vocab]` of any of [`hidden`](Self::hidden)'s rows: all of them, or the last alone.
    pub fn logits(&self, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
        let logits = match &self.parts.head {
            Some(head) => head.forward(&self.kernels, hidden),
            None => self.kernels.linear(hidden, &self.parts.embedding),
        };
        let logits = scaled(logits, self.config.logits_scaling.recip());
        match self.config.final_logit_softcapping {
            Some(cap) => (logits / cap).tanh() * cap,
            None => logits,
        }
    }

    fn check(&self, ids: &[u32], rows: usize) -> Result<(), Error> {
        if ids.len() != rows || ids.is_empty() {
            return Err(Error::Rows { ids: ids.len(), rows });
        }
        self.check_ids(ids)
    }

    /// Whether the model has all of these tokens; [`Error::TokenId`] says which it has not.
    pub(crate) fn check_ids(&self, ids: &[u32]) -> Result<(), Error> {
        let vocab_size = self.config.vocab_size;
        match ids.iter().position(|id| *id as usize >= vocab_size) {
            Some(row) => Err(Error::TokenId { id: ids[row], row, vocab_size }),
            None => Ok(()),
        }
    }
}

impl<B: Backend, L: LinearKernels<B>> std::fmt::Debug for Model<B, L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The embeddings that differ, and which of them each layer has.
fn distinct_ropes(config: &ModelConfig) -> (Vec<Rope>, Vec<Option<usize>>) {
    let mut ropes: Vec<Rope> = Vec::new();
    let mut number = |rope: &Rope| {
        ropes.iter().position(|known| known == rope).unwrap_or_else(|| {
            ropes.push(rope.clone());
            ropes.len() - 1
        })
    };
    let rotation_of = config.layers.iter().map(|layer| layer.rope.as_ref().map(&mut number)).collect();
    (ropes, rotation_of)
}
