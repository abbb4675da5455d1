//! `config.json` as Hugging Face writes it, in both spellings, not yet checked.
//!
//! Fields carry the file's names. Only what changes the computation is read; training-time fields (dropout,
//! initialisation) are not. Transformers 5 nests RoPE's numbers in `rope_parameters`; older files spread them
//! over `rope_theta`, `rope_scaling` and, in Gemma 3, `rope_local_base_freq`.
//!
//! A field that holds nothing (`null`, `{}`, `[]`, `""`) is one that is not there, as it is where Python asks
//! `a or b`: an empty `rope_scaling` says nothing against the numbers in `rope_parameters`.

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _},
};
use serde_json::{Map, Value};

/// The fields that decide what a decoder computes, but for `model_type`, which is read first.
#[derive(Debug, Deserialize)]
pub(super) struct RawConfig {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) max_position_embeddings: usize,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) tie_word_embeddings: Option<bool>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) eos_token_id: Option<TokenIds>,
    /// The element type of weights, in the new spelling and the old; other programs put other things there.
    pub(super) dtype: Option<Value>,
    pub(super) torch_dtype: Option<Value>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) quantization_config: Option<Map<String, Value>>,
    /// As MLX calls it.
    #[serde(default, deserialize_with = "filled")]
    pub(super) quantization: Option<Map<String, Value>>,

    // Projections and activation; Gemma 3 says `hidden_activation`.
    #[serde(default, deserialize_with = "filled")]
    pub(super) hidden_act: Option<String>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) hidden_activation: Option<String>,
    pub(super) attention_bias: Option<bool>,
    pub(super) mlp_bias: Option<bool>,

    // RoPE, and the layers that go without it (SmolLM3: 1 rotates, 0 does not).
    #[serde(default, deserialize_with = "filled")]
    pub(super) rope_parameters: Option<RawRopeParameters>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) rope_scaling: Option<RawRope>,
    pub(super) rope_theta: Option<f64>,
    pub(super) rope_local_base_freq: Option<f64>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) no_rope_layers: Option<Vec<u8>>,
    pub(super) no_rope_layer_interval: Option<usize>,

    // Sliding windows. Absent and null differ: Mistral without the field has a window of 4096 tokens.
    #[serde(default, deserialize_with = "explicit")]
    pub(super) sliding_window: Option<Option<usize>>,
    pub(super) use_sliding_window: Option<bool>,
    pub(super) max_window_layers: Option<usize>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) layer_types: Option<Vec<LayerType>>,
    pub(super) sliding_window_pattern: Option<usize>,
    /// The same, as transformers 5 writes it.
    #[serde(rename = "_sliding_window_pattern")]
    pub(super) kept_sliding_window_pattern: Option<usize>,

    // Granite's multipliers.
    pub(super) embedding_multiplier: Option<f64>,
    pub(super) residual_multiplier: Option<f64>,
    pub(super) attention_multiplier: Option<f64>,
    pub(super) logits_scaling: Option<f64>,

    // Gemma 3.
    pub(super) query_pre_attn_scalar: Option<f64>,
    pub(super) attn_logit_softcapping: Option<f64>,
    pub(super) final_logit_softcapping: Option<f64>,
    pub(super) use_bidirectional_attention: Option<bool>,
}

/// What a layer attends to, as `layer_types` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum LayerType {
    /// Everything before.
    #[serde(rename = "full_attention")]
    Full,
    /// The last `sliding_window` tokens.
    #[serde(rename = "sliding_attention")]
    Sliding,
}

/// One id or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum TokenIds {
    One(u32),
    Many(Vec<u32>),
}

/// Transformers 5's `rope_parameters`: one set for all layers, or one per layer type.
#[derive(Debug, Deserialize)]
pub(super) struct RawRopeParameters {
    #[serde(flatten)]
    pub(super) all: RawRope,
    #[serde(default, deserialize_with = "filled")]
    pub(super) full_attention: Option<RawRope>,
    #[serde(default, deserialize_with = "filled")]
    pub(super) sliding_attention: Option<RawRope>,
}

/// The numbers of one RoPE, in `rope_parameters` or in `rope_scaling` (there without `rope_theta`).
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct RawRope {
    #[serde(default, deserialize_with = "filled")]
    pub(super) rope_type: Option<String>,
    /// What `rope_type` was called at first.
    #[serde(default, rename = "type", deserialize_with = "filled")]
    pub(super) kind: Option<String>,
    pub(super) rope_theta: Option<f64>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    pub(super) low_freq_factor: Option<f64>,
    pub(super) high_freq_factor: Option<f64>,
    pub(super) attention_factor: Option<f64>,
    pub(super) beta_fast: Option<f64>,
    pub(super) beta_slow: Option<f64>,
    pub(super) mscale: Option<f64>,
    pub(super) mscale_all_dim: Option<f64>,
    pub(super) truncate: Option<bool>,
}

/// Keeps a null apart from an absent field: `Some(None)` against `None`.
fn explicit<'de, D: Deserializer<'de>>(field: D) -> Result<Option<Option<usize>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Takes a field that holds nothing for one that is not there.
fn filled<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: D) -> Result<Option<T>, D::Error> {
    let value = match Value::deserialize(field)? {
        Value::Null => return Ok(None),
        Value::Object(fields) if fields.is_empty() => return Ok(None),
        Value::Array(items) if items.is_empty() => return Ok(None),
        Value::String(text) if text.is_empty() => return Ok(None),
        value => value,
    };
    serde_json::from_value(value).map(Some).map_err(D::Error::custom)
}
