//! A configuration as metadata, for what llama.cpp computes: what it fixes for an architecture must be so.

use super::{Metadata, WriteError};
use crate::{
    config::{Activation, Family, ModelConfig, Rope, RopeScaling},
    gguf::names::{Architecture, Heads},
    rope::divisors,
};

/// Every how many layers SmolLM3 has one without rotation, in llama.cpp.
const WITHOUT_ROPE: usize = 4;

/// The architecture of a model, and its numbers.
///
/// # Errors
/// [`WriteError::Unsayable`].
pub(super) fn described(config: &ModelConfig) -> Result<(Architecture, Metadata), WriteError> {
    check(config)?;
    let attention = &config.attention;
    let heads = Heads { query: attention.query_heads, key: attention.kv_heads };
    let family = if config.family == Family::Mistral { Family::Llama } else { config.family };
    let architecture = Architecture::written(family, heads);
    let mut metadata = Metadata::default();
    let key = |name: &str| format!("{}.{name}", architecture.name);
    metadata.put_text("general.architecture", architecture.name);
    for (name, number) in [
        ("context_length", config.context_length),
        ("embedding_length", config.hidden_size),
        ("block_count", config.layers.len()),
        ("feed_forward_length", config.mlp.intermediate_size),
        ("attention.head_count", attention.query_heads),
        ("attention.head_count_kv", attention.kv_heads),
        ("attention.key_length", attention.head_dim),
        ("attention.value_length", attention.head_dim),
        ("vocab_size", config.vocab_size),
    ] {
        let number =
            u32::try_from(number).map_err(|_| unsayable(format!("{name} is {number}, more than 32 bits")))?;
        metadata.put_u32(key(name), number);
    }
    metadata.put_f32(key("attention.layer_norm_rms_epsilon"), config.norm.eps);
    if let Some(rope) = widest(config) {
        put_rope(&mut metadata, &key, rope);
    }
    match config.family {
        Family::Granite => {
            metadata.put_f32(key("embedding_scale"), config.embedding_multiplier);
            metadata.put_f32(key("residual_scale"), config.residual_multiplier);
            metadata.put_f32(key("attention.scale"), attention.scale);
            metadata.put_f32(key("logit_scale"), config.logits_scaling);
        }
        Family::Gemma3 => {
            metadata.put_f32(key("attention.scale"), attention.scale);
            put_windows(&mut metadata, &key, config);
        }
        Family::Phi3 if config.layers.iter().all(|layer| layer.sliding_window.is_none()) => {
            metadata.put_u32(key("attention.sliding_window"), 0);
        }
        _ => {
            if let Some(window) = config.layers.first().and_then(|layer| layer.sliding_window) {
                metadata.put_u32(key("attention.sliding_window"), clamped(window.get()));
            }
        }
    }
    if let Some(cap) = config.final_logit_softcapping {
        metadata.put_f32(key("final_logit_softcapping"), cap);
    }
    Ok((architecture, metadata))
}

/// What the frequencies of a model are divided by, where a tensor is to say so.
pub(super) fn rope_factors(config: &ModelConfig) -> Option<Vec<f32>> {
    let rope = widest(config)?;
    let stretched = matches!(rope.scaling, RopeScaling::Llama3 { .. } | RopeScaling::Divided { .. });
    stretched.then(|| divisors(rope))
}

/// The rotation of layers that see everything, or else of those that there are.
fn widest(config: &ModelConfig) -> Option<&Rope> {
    let whole = config.layers.iter().filter(|layer| layer.sliding_window.is_none());
    whole.chain(&config.layers).find_map(|layer| layer.rope.as_ref())
}

fn unsayable(what: impl Into<String>) -> WriteError {
    WriteError::Unsayable(what.into())
}

fn clamped(tokens: usize) -> u32 {
    u32::try_from(tokens).unwrap_or(u32::MAX)
}

/// Refuses what llama.cpp would compute otherwise.
fn check(config: &ModelConfig) -> Result<(), WriteError> {
    let family = config.family;
    let is_gemma = family == Family::Gemma3;
    let expected = if is_gemma { Activation::GeluTanh } else { Activation::Silu };
    if config.mlp.activation != expected {
        return Err(unsayable(format!("llama.cpp knows no {family} with this activation")));
    }
    let layers = &config.layers;
    if !is_gemma && layers.iter().any(|layer| layer.sliding_window != layers[0].sliding_window) {
        return Err(unsayable(format!(
            "llama.cpp knows no {family} in which some layers slide and others do not"
        )));
    }
    let rotates = |nth: usize| family != Family::SmolLm3 || !nth.is_multiple_of(WITHOUT_ROPE);
    if (1..).zip(layers).any(|(nth, layer)| layer.rope.is_some() != rotates(nth)) {
        return Err(unsayable("llama.cpp knows SmolLM3 with every fourth layer without RoPE, and no other"));
    }
    let of = |slides: bool| {
        let kind = layers.iter().filter(move |layer| !is_gemma || layer.sliding_window.is_some() == slides);
        kind.filter_map(|layer| layer.rope.as_ref())
    };
    if [true, false].into_iter().any(|slides| of(slides).any(|rope| Some(rope) != of(slides).next())) {
        return Err(unsayable("GGUF has no words for rotations that differ from layer to layer"));
    }
    if of(true).any(|rope| is_gemma && rope.scaling != RopeScaling::Default) {
        return Err(unsayable("GGUF has no words for sliding layers with stretched frequencies"));
    }
    let partial = widest(config).is_some_and(|rope| rope.rotary_dim != config.attention.head_dim);
    if partial && !matches!(family, Family::Phi3 | Family::Qwen2 | Family::Qwen3) {
        return Err(unsayable(format!("llama.cpp knows no {family} in which heads rotate in part")));
    }
    Ok(())
}

fn put_rope(metadata: &mut Metadata, key: &impl Fn(&str) -> String, rope: &Rope) {
    metadata.put_f32(key("rope.freq_base"), rope.theta);
    metadata.put_u32(key("rope.dimension_count"), clamped(rope.rotary_dim));
    match rope.scaling {
        RopeScaling::Default | RopeScaling::Llama3 { .. } | RopeScaling::Divided { .. } => {}
        RopeScaling::Linear { factor } => {
            metadata.put_text(key("rope.scaling.type"), "linear");
            metadata.put_f32(key("rope.scaling.factor"), factor);
        }
        RopeScaling::Yarn { factor, attention_factor, beta_fast, beta_slow, original_context, .. } => {
            metadata.put_text(key("rope.scaling.type"), "yarn");
            metadata.put_f32(key("rope.scaling.factor"), factor);
            metadata.put_u32(key("rope.scaling.original_context_length"), clamped(original_context as usize));
            metadata.put_f32(key("rope.scaling.yarn_beta_fast"), beta_fast);
            metadata.put_f32(key("rope.scaling.yarn_beta_slow"), beta_slow);
            // llama.cpp multiplies by the usual one itself.
            let usual = if factor <= 1.0 { 1.0 } else { 0.1 * factor.ln() + 1.0 };
            if (attention_factor / usual - 1.0).abs() > 1e-6 {
                metadata.put_f32(key("rope.scaling.yarn_attn_factor"), attention_factor);
            }
        }
    }
}

/// Gemma's sliding layers.
fn put_windows(metadata: &mut Metadata, key: &impl Fn(&str) -> String, config: &ModelConfig) {
    let Some(layer) = config.layers.iter().find(|layer| layer.sliding_window.is_some()) else { return };
    metadata.put_u32(
        key("attention.sliding_window"),
        layer.sliding_window.map_or(0, |window| clamped(window.get())),
    );
    let slides = config.layers.iter().map(|layer| layer.sliding_window.is_some());
    metadata.put_flags(key("attention.sliding_window_pattern"), slides);
    if let Some(rope) = &layer.rope {
        metadata.put_f32(key("rope.freq_base_swa"), rope.theta);
    }
}
