//! From named tensors to the decoder's parts: which tensor goes where.
//!
//! Names and shapes are those of [`ModelConfig::tensors`], so a shape needs no second look here. Where the
//! tensors come from is the [`Source`]'s business: a checkpoint that decodes, or parameters that are trained.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use zoomr_core::{
    kernels::{LinearKernels, RmsNorm},
    weight::StoredWeight,
};

use crate::{
    adapter::Adapter,
    attention::{Attention, HeadNorms},
    block::{Block, SubLayerNorms},
    config::{InputProjections, ModelConfig},
    linear::{Linear, LowRank},
    mlp::Mlp,
    weights::{Weights, WeightsError},
};

/// Where a model's tensors come from.
pub(crate) trait Source<B: Backend, L: LinearKernels<B>> {
    /// The matrix `name`, or some of its rows.
    fn matrix(&self, name: &str, rows: Option<Range<usize>>) -> Result<L::Matrix, WeightsError>;

    /// The vector `name`.
    fn vector(&self, name: &str) -> Result<Tensor<B, 1>, WeightsError>;

    /// What stands beside the matrix `name`, or beside some of its rows, if anything does.
    fn low_rank(
        &self,
        name: &str,
        rows: Option<Range<usize>>,
    ) -> Result<Option<LowRank<L::Matrix>>, WeightsError>;
}

/// A checkpoint, whose matrices a provider takes in, and an adapter beside it.
pub(crate) struct Checkpoint<'a, B: Backend, L: LinearKernels<B>> {
    pub(crate) weights: &'a Weights,
    pub(crate) adapter: Option<&'a Adapter>,
    pub(crate) kernels: &'a L,
    pub(crate) device: &'a Device<B>,
}

impl<B: Backend, L: LinearKernels<B>> Checkpoint<'_, B, L> {
    fn tensor(&self, name: &str) -> Result<StoredWeight, WeightsError> {
        match self.adapter {
            Some(adapter) => adapter.tensor(name, self.weights),
            None => self.weights.get(name),
        }
    }

    fn upload(&self, whole: &StoredWeight, rows: Option<Range<usize>>) -> L::Matrix {
        let weight = rows.map_or(whole.clone(), |rows| whole.slice_rows(rows));
        self.kernels.matrix(weight, self.device)
    }
}

impl<B: Backend, L: LinearKernels<B>> Source<B, L> for Checkpoint<'_, B, L> {
    fn matrix(&self, name: &str, rows: Option<Range<usize>>) -> Result<L::Matrix, WeightsError> {
        Ok(self.upload(&self.tensor(name)?, rows))
    }

    fn low_rank(
        &self,
        name: &str,
        rows: Option<Range<usize>>,
    ) -> Result<Option<LowRank<L::Matrix>>, WeightsError> {
        let Some(adapter) = self.adapter else { return Ok(None) };
        let Some(found) = adapter.low_rank(name)? else { return Ok(None) };
        let (down, up) = (self.upload(&found.down, None), self.upload(&found.up, rows));
        Ok(Some(LowRank { down, up, scale: found.scale }))
    }

    fn vector(&self, name: &str) -> Result<Tensor<B, 1>, WeightsError> {
        let values = self.tensor(name)?.to_f32(0..1);
        let len = values.len();
        Ok(Tensor::from_data(TensorData::new(values, [len]), self.device))
    }
}

/// Makes parts of one model.
pub(crate) struct Loader<'a, B: Backend, L: LinearKernels<B>> {
    pub(crate) config: &'a ModelConfig,
    pub(crate) source: &'a dyn Source<B, L>,
}

impl<B: Backend, L: LinearKernels<B>> Loader<'_, B, L> {
    /// Layer `layer`, which rotates by the model's rotation `rotation`.
    pub(crate) fn block(&self, layer: usize, rotation: Option<usize>) -> Result<Block<B, L>, WeightsError> {
        let prefix = format!("model.layers.{layer}");
        // Llama calls the norm before the feed-forward "post-attention"; Gemma has one that is.
        let norm = |name: &str| self.norm(&format!("{prefix}.{name}"));
        let sandwich = self.config.norm.sandwich;
        let attention_after = sandwich.then(|| norm("post_attention_layernorm"));
        let mlp_before = if sandwich { "pre_feedforward_layernorm" } else { "post_attention_layernorm" };
        let mlp_after = sandwich.then(|| norm("post_feedforward_layernorm"));
        Ok(Block {
            attention: self.attention(layer, &format!("{prefix}.self_attn"))?,
            attention_norms: SubLayerNorms {
                before: norm("input_layernorm")?,
                after: attention_after.transpose()?,
            },
            mlp: self.mlp(&format!("{prefix}.mlp"))?,
            mlp_norms: SubLayerNorms { before: norm(mlp_before)?, after: mlp_after.transpose()? },
            residual_multiplier: self.config.residual_multiplier,
            rotation,
        })
    }

    fn attention(&self, layer: usize, prefix: &str) -> Result<Attention<B, L>, WeightsError> {
        let config = &self.config.attention;
        let queries = config.query_heads * config.head_dim;
        let keys = config.kv_heads * config.head_dim;
        let project = |name: &str, rows: Range<usize>| match config.inputs {
            InputProjections::Fused => self.linear_rows(&format!("{prefix}.qkv_proj"), rows),
            InputProjections::Separate { bias } => self.linear(&format!("{prefix}.{name}"), bias),
        };
        let head_norms = config.qk_norm.then(|| -> Result<_, WeightsError> {
            let query = self.norm(&format!("{prefix}.q_norm"))?;
            let key = self.norm(&format!("{prefix}.k_norm"))?;
            Ok(HeadNorms { query, key })
        });
        Ok(Attention {
            layer,
            query: project("q_proj", 0..queries)?,
            key: project("k_proj", queries..queries + keys)?,
            value: project("v_proj", queries + keys..queries + 2 * keys)?,
            output: self.linear(&format!("{prefix}.o_proj"), config.output_bias)?,
            head_norms: head_norms.transpose()?,
            head_dim: config.head_dim,
        })
    }

    fn mlp(&self, prefix: &str) -> Result<Mlp<B, L>, WeightsError> {
        let config = &self.config.mlp;
        let inner = config.intermediate_size;
        let project = |name: &str, rows: Range<usize>| match config.inputs {
            InputProjections::Fused => self.linear_rows(&format!("{prefix}.gate_up_proj"), rows),
            InputProjections::Separate { bias } => self.linear(&format!("{prefix}.{name}"), bias),
        };
        Ok(Mlp {
            gate: project("gate_proj", 0..inner)?,
            up: project("up_proj", inner..2 * inner)?,
            down: self.linear(&format!("{prefix}.down_proj"), config.output_bias)?,
            activation: config.activation,
        })
    }

    /// The matrix `{prefix}.weight`.
    pub(crate) fn matrix(&self, prefix: &str) -> Result<L::Matrix, WeightsError> {
        self.source.matrix(&format!("{prefix}.weight"), None)
    }

    /// The norm with weight `{prefix}.weight`; where the file holds `w - 1` (Gemma), one is added.
    pub(crate) fn norm(&self, prefix: &str) -> Result<RmsNorm<B>, WeightsError> {
        let weight = self.source.vector(&format!("{prefix}.weight"))?;
        let offset = if self.config.norm.unit_offset { 1.0 } else { 0.0 };
        Ok(RmsNorm { weight: weight + offset, eps: self.config.norm.eps })
    }

    /// The layer with the matrix `{prefix}.weight`, and what stands beside it.
    pub(crate) fn linear(&self, prefix: &str, bias: bool) -> Result<Linear<B, L>, WeightsError> {
        let bias = bias.then(|| self.source.vector(&format!("{prefix}.bias"))).transpose()?;
        let adapter = self.source.low_rank(&format!("{prefix}.weight"), None)?;
        Ok(Linear { weight: self.matrix(prefix)?, bias, adapter })
    }

    /// Some of the outputs of a layer that the file holds fused with others.
    fn linear_rows(&self, prefix: &str, rows: Range<usize>) -> Result<Linear<B, L>, WeightsError> {
        let name = format!("{prefix}.weight");
        let adapter = self.source.low_rank(&name, Some(rows.clone()))?;
        Ok(Linear { weight: self.source.matrix(&name, Some(rows))?, bias: None, adapter })
    }
}
