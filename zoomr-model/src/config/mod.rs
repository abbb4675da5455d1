//! A model's architecture, parsed from Hugging Face's `config.json` into a value that cannot be invalid.
//!
//! * `raw`: the file as it is, both spellings.
//! * [`family`](Family): what each `model_type` implies beyond its fields.
//! * `parse`, `layers`, `rope`, `check`: from the one to the other, field by field.
//! * [`tensors`](TensorSpec): the weights that such a model has, by name and shape.
//!
//! Everything that depends on the architecture alone is answered here, without weights: parameters, bytes of
//! KV cache, context length. The decoder reads the parsed value only, and never asks for a model's name.

mod check;
mod error;
mod family;
mod layers;
mod parse;
mod raw;
mod rope;
mod tensors;

use std::{num::NonZeroUsize, path::Path};

use zoomr_core::{layer::LayerSpec, weight::WeightFormat};

pub(crate) use self::rope::RopeScaling;
pub use self::{error::ConfigError, family::Family, rope::Rope, tensors::TensorSpec};
use crate::{Error, gguf::Gguf, text_file};

/// A decoder of the Llama family.
///
/// ```
/// use zoomr_model::config::ModelConfig;
/// let config = ModelConfig::from_json(
///     r#"{"model_type": "llama", "vocab_size": 100, "hidden_size": 8, "intermediate_size": 16,
///         "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
///         "max_position_embeddings": 64}"#,
/// )?;
/// assert_eq!(config.head_dim(), 2);
/// assert_eq!(config.kv_bytes_per_token(4), 2 * 2 * 2 * 2 * 4);
/// # Ok::<(), zoomr_model::config::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub(crate) family: Family,
    pub(crate) vocab_size: usize,
    pub(crate) hidden_size: usize,
    pub(crate) context_length: usize,
    pub(crate) eos_token_ids: Vec<u32>,
    pub(crate) layers: Vec<LayerConfig>,
    pub(crate) attention: AttentionConfig,
    pub(crate) mlp: MlpConfig,
    pub(crate) norm: NormConfig,
    /// Whether the output head is the embedding's matrix.
    pub(crate) tied: bool,
    /// Multiplies the embedding's rows.
    pub(crate) embedding_multiplier: f64,
    /// Multiplies each sub-layer's output before it is added to the residual stream.
    pub(crate) residual_multiplier: f64,
    /// Divides the logits.
    pub(crate) logits_scaling: f64,
    /// Squashes the logits `x` to `cap * tanh(x / cap)`.
    pub(crate) final_logit_softcapping: Option<f64>,
    /// What the file says that the weights are stored as.
    pub(crate) weight_dtype: WeightFormat,
}

/// What differs from layer to layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LayerConfig {
    pub(crate) rope: Option<Rope>,
    pub(crate) sliding_window: Option<NonZeroUsize>,
}

/// The attention sub-layer, the same in every layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AttentionConfig {
    /// A multiple of `kv_heads`.
    pub(crate) query_heads: usize,
    pub(crate) kv_heads: usize,
    pub(crate) head_dim: usize,
    /// What query-key products are multiplied by.
    pub(crate) scale: f64,
    pub(crate) inputs: InputProjections,
    pub(crate) output_bias: bool,
    /// Queries and keys pass an RMS norm per head, before RoPE.
    pub(crate) qk_norm: bool,
}

/// The gated feed-forward sub-layer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MlpConfig {
    pub(crate) intermediate_size: usize,
    pub(crate) activation: Activation,
    pub(crate) inputs: InputProjections,
    pub(crate) output_bias: bool,
}

/// How the file holds the projections that a sub-layer begins with: queries, keys and values, or gate and up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum InputProjections {
    /// A matrix for each, with or without biases.
    Separate { bias: bool },
    /// One matrix, in this order of rows, without a bias.
    Fused,
}

/// The gate's non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// GELU in its tanh approximation.
    GeluTanh,
}

/// The RMS norms.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NormConfig {
    pub(crate) eps: f64,
    /// The file holds `w - 1`.
    pub(crate) unit_offset: bool,
    /// Norms stand after each sub-layer too, before its output joins the residual stream.
    pub(crate) sandwich: bool,
}

impl ModelConfig {
    /// Reads `config.json` in `dir`, or the metadata of a GGUF file.
    ///
    /// # Errors
    /// [`Error::Config`], naming the file, where it cannot be read or describes no model that the decoder runs.
    pub fn from_dir(dir: &Path) -> Result<Self, Error> {
        if let Some(gguf) = Gguf::at(dir)? {
            return gguf.config();
        }
        Self::from_file(&dir.join("config.json"))
    }

    /// Reads a `config.json`, whatever it is called.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir).
    pub fn from_file(path: &Path) -> Result<Self, Error> {
        let path = path.to_owned();
        let json = match text_file::read(&path) {
            Ok(json) => json,
            Err(error) => return Err(Error::Read { path, error }),
        };
        Self::from_json(&json).map_err(|problem| Error::Config { path, problem })
    }

    /// Parses the text of a `config.json`, in either spelling.
    ///
    /// # Errors
    /// [`ConfigError`], naming the field.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        parse::parse(json)
    }

    /// The architecture.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Tokens in the vocabulary; ids are below it.
    pub fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    /// The same model with another number of tokens.
    pub(crate) fn with_vocabulary(self, vocab_size: usize) -> Self {
        Self { vocab_size, ..self }
    }

    /// The same model with an output head that is not the embedding.
    pub(crate) fn with_own_head(self) -> Self {
        Self { tied: false, ..self }
    }

    /// The same model with norms whose weights are stored as they are.
    pub(crate) fn with_plain_norms(self) -> Self {
        Self { norm: NormConfig { unit_offset: false, ..self.norm }, ..self }
    }

    /// The same model with other tokens that end a text.
    pub(crate) fn with_eos(self, eos_token_ids: Vec<u32>) -> Self {
        Self { eos_token_ids, ..self }
    }

    /// The same model with the frequencies of its rotations divided, pair by pair.
    ///
    /// # Errors
    /// Where a factor is not positive, or there is not one for each pair of a layer that rotates.
    pub(crate) fn with_rope_factors(mut self, factors: &[f32]) -> Result<Self, ConfigError> {
        for rope in self.layers.iter_mut().filter_map(|layer| layer.rope.as_mut()) {
            rope.divide(factors)?;
        }
        Ok(self)
    }

    /// Width of the residual stream.
    pub fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// Width of the feed-forward sub-layer.
    pub fn intermediate_size(&self) -> usize {
        self.mlp.intermediate_size
    }

    /// Whether the output head is the embedding's matrix.
    pub fn is_tied(&self) -> bool {
        self.tied
    }

    /// Tokens that the model was made for (`max_position_embeddings`).
    pub fn context_length(&self) -> usize {
        self.context_length
    }

    /// Tokens that end a text, where the file names any.
    pub fn eos_token_ids(&self) -> &[u32] {
        &self.eos_token_ids
    }

    /// The element type that the file says the weights have; f32 where it names none that zoomr reads. What is stored
    /// may differ.
    pub fn weight_dtype(&self) -> WeightFormat {
        self.weight_dtype
    }

    /// Elements per attention head.
    pub fn head_dim(&self) -> usize {
        self.attention.head_dim
    }

    /// The attention layers as the core sees them, in order.
    pub fn layer_specs(&self) -> Vec<LayerSpec> {
        let attention = &self.attention;
        self.layers
            .iter()
            .map(|layer| LayerSpec {
                query_heads: attention.query_heads,
                kv_heads: attention.kv_heads,
                head_dim: attention.head_dim,
                scale: attention.scale as f32,
                sliding_window: layer.sliding_window,
            })
            .collect()
    }

    /// Each layer's rotary position embedding, in order; `None` where a layer has none.
    pub fn ropes(&self) -> impl Iterator<Item = Option<&Rope>> {
        self.layers.iter().map(|layer| layer.rope.as_ref())
    }

    /// What a norm's weight is in the file where the norm multiplies by one.
    #[cfg(feature = "train")]
    pub(crate) fn norm_identity(&self) -> f32 {
        if self.norm.unit_offset { 0.0 } else { 1.0 }
    }

    /// Weights in all; a matrix shared by embedding and output head counts once.
    pub fn parameter_count(&self) -> u64 {
        self.tensors().iter().map(TensorSpec::elements).sum()
    }

    /// How many numbers a pass over `rows` tokens holds at once, about, besides weights and KV memory: the residual stream
    /// and its norm with what the wider of the two sub-layers makes of them (its inputs, and what comes of those), or
    /// the logits of the last row, once as the backend has them and once for the sampler.
    pub fn activation_numbers(&self, rows: usize) -> u64 {
        let AttentionConfig { query_heads, kv_heads, head_dim, .. } = self.attention;
        // Queries, keys and values, before and after they are split into heads; gate, up, and their product.
        let attention = 2 * (query_heads + 2 * kv_heads) * head_dim;
        let row = 2 * self.hidden_size + attention.max(3 * self.mlp.intermediate_size);
        (rows as u64 * row as u64).max(2 * self.vocab_size as u64)
    }

    /// Bytes of keys and values that one token adds to a full cache, over all layers, with `element` bytes per
    /// number; sliding layers keep theirs only for the length of their window.
    pub fn kv_bytes_per_token(&self, element: usize) -> u64 {
        let numbers = 2 * self.layers.len() * self.attention.kv_heads * self.attention.head_dim;
        numbers as u64 * element as u64
    }
}
