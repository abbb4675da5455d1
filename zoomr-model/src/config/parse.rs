//! From the raw file to the validated value: one function per part of the model.

use serde::Deserialize;
use serde_json::{Map, Value};
use zoomr_core::weight::WeightFormat;

use super::{
    Activation, AttentionConfig, InputProjections, MlpConfig, ModelConfig, NormConfig, check,
    error::ConfigError,
    family::{Family, Projections, Scale, Traits},
    layers,
    raw::{RawConfig, TokenIds},
};

/// Far above any model's sizes, and low enough that no product of sizes overflows 64 bits.
const MAX_WIDTH: usize = 1 << 20;
const MAX_HEADS: usize = 1 << 12;
const MAX_VOCABULARY: usize = 1 << 26;
const MAX_CONTEXT: usize = 1 << 40;

/// The only field that every model's file has: read first, so that an unknown model is not reported as a
/// missing field of a known one.
#[derive(Deserialize)]
struct Named {
    model_type: String,
}

/// Parses and checks a `config.json`.
pub(super) fn parse(json: &str) -> Result<ModelConfig, ConfigError> {
    let family = family(&serde_json::from_str::<Named>(json)?.model_type)?;
    let raw: RawConfig = serde_json::from_str(json)?;
    let traits = family.traits();
    refuse_unsupported(&raw)?;

    let hidden_size = check::size("hidden_size", raw.hidden_size, MAX_WIDTH)?;
    let attention = attention(&raw, &traits, hidden_size)?;
    let multiplier = |field, value: Option<f64>| match value.filter(|_| traits.multipliers) {
        Some(value) => check::factor(field, value),
        None => Ok(1.0),
    };
    Ok(ModelConfig {
        family,
        vocab_size: check::size("vocab_size", raw.vocab_size, MAX_VOCABULARY)?,
        hidden_size,
        context_length: check::size("max_position_embeddings", raw.max_position_embeddings, MAX_CONTEXT)?,
        layers: layers::resolve(&raw, &traits, attention.head_dim)?,
        attention,
        mlp: mlp(&raw, &traits)?,
        norm: norm(&raw, &traits)?,
        tied: raw.tie_word_embeddings.unwrap_or(traits.tied),
        embedding_multiplier: if traits.gemma_norms {
            (hidden_size as f64).sqrt()
        } else {
            multiplier("embedding_multiplier", raw.embedding_multiplier)?
        },
        residual_multiplier: multiplier("residual_multiplier", raw.residual_multiplier)?,
        logits_scaling: multiplier("logits_scaling", raw.logits_scaling)?,
        final_logit_softcapping: raw
            .final_logit_softcapping
            .filter(|_| traits.gemma_norms)
            .map(|cap| check::factor("final_logit_softcapping", cap))
            .transpose()?,
        eos_token_ids: match raw.eos_token_id {
            None => Vec::new(),
            Some(TokenIds::One(id)) => vec![id],
            Some(TokenIds::Many(ids)) => ids,
        },
        weight_dtype: match raw.dtype.or(raw.torch_dtype).as_ref().and_then(Value::as_str) {
            Some("bfloat16") => WeightFormat::Bf16,
            Some("float16") => WeightFormat::F16,
            _ => WeightFormat::F32,
        },
    })
}

fn family(model_type: &str) -> Result<Family, ConfigError> {
    let found = Family::ALL.into_iter().find(|family| family.model_type() == model_type);
    found.ok_or_else(|| ConfigError::UnknownModelType {
        found: model_type.to_owned(),
        known: Family::ALL.map(Family::model_type).join(", "),
    })
}

/// Fields that would change the result, and are not implemented.
fn refuse_unsupported(raw: &RawConfig) -> Result<(), ConfigError> {
    let quantized = raw.quantization_config.as_ref().map(|fields| ("quantization_config", method(fields)));
    let quantized = quantized.or(raw.quantization.as_ref().map(|_| ("quantization", "mlx")));
    if let Some((field, method)) = quantized {
        return Err(ConfigError::unsupported(
            field,
            method,
            "its weights are quantized, and zoomr reads f32, f16 and bf16; use the checkpoint that this one was \
             quantized from, which its model card names",
        ));
    }
    if let Some(cap) = raw.attn_logit_softcapping {
        return Err(ConfigError::unsupported(
            "attn_logit_softcapping",
            &cap,
            "attention scores are never capped here; only models where it is null can run",
        ));
    }
    if raw.use_bidirectional_attention == Some(true) {
        return Err(ConfigError::unsupported(
            "use_bidirectional_attention",
            &true,
            "only causal models, which generate text, can run",
        ));
    }
    Ok(())
}

/// Whose quantization it is: `gptq`, `awq`, `bitsandbytes` and others.
fn method(quantization: &Map<String, Value>) -> &str {
    quantization.get("quant_method").and_then(Value::as_str).unwrap_or("{...}")
}

fn attention(raw: &RawConfig, traits: &Traits, hidden_size: usize) -> Result<AttentionConfig, ConfigError> {
    let query_heads = check::size("num_attention_heads", raw.num_attention_heads, MAX_HEADS)?;
    let kv_heads = raw.num_key_value_heads.unwrap_or(query_heads);
    let kv_heads = check::size("num_key_value_heads", kv_heads, MAX_HEADS)?;
    if !query_heads.is_multiple_of(kv_heads) {
        return Err(ConfigError::invalid(
            "num_key_value_heads",
            format!("is {kv_heads}, which does not divide num_attention_heads = {query_heads}"),
        ));
    }
    let head_dim = head_dim(raw, traits, hidden_size, query_heads)?;
    let configured = raw.attention_bias.unwrap_or(false);
    let (inputs, output_bias) = match traits.projections {
        Projections::Plain => (InputProjections::Separate { bias: false }, false),
        Projections::QkvBias => (InputProjections::Separate { bias: true }, false),
        Projections::ConfiguredBias => (InputProjections::Separate { bias: configured }, configured),
        Projections::Fused => (InputProjections::Fused, false),
    };
    Ok(AttentionConfig {
        query_heads,
        kv_heads,
        head_dim,
        scale: scale(raw, traits, head_dim)?,
        inputs,
        output_bias,
        qk_norm: traits.qk_norm,
    })
}

fn head_dim(
    raw: &RawConfig,
    traits: &Traits,
    hidden_size: usize,
    query_heads: usize,
) -> Result<usize, ConfigError> {
    match raw.head_dim.or(traits.head_dim) {
        Some(head_dim) => check::size("head_dim", head_dim, MAX_HEADS),
        None if hidden_size.is_multiple_of(query_heads) => Ok(hidden_size / query_heads),
        None => Err(ConfigError::invalid(
            "head_dim",
            format!(
                "is missing, and num_attention_heads = {query_heads} does not divide hidden_size = {hidden_size}"
            ),
        )),
    }
}

fn scale(raw: &RawConfig, traits: &Traits, head_dim: usize) -> Result<f64, ConfigError> {
    match traits.scale {
        Scale::HeadDim => Ok((head_dim as f64).sqrt().recip()),
        Scale::AttentionMultiplier => {
            check::factor("attention_multiplier", raw.attention_multiplier.unwrap_or(1.0))
        }
        Scale::QueryPreAttnScalar => {
            let scalar = raw.query_pre_attn_scalar.unwrap_or(256.0);
            Ok(check::factor("query_pre_attn_scalar", scalar)?.sqrt().recip())
        }
    }
}

fn mlp(raw: &RawConfig, traits: &Traits) -> Result<MlpConfig, ConfigError> {
    let bias = traits.mlp_bias && raw.mlp_bias.unwrap_or(false);
    Ok(MlpConfig {
        intermediate_size: check::size("intermediate_size", raw.intermediate_size, MAX_WIDTH)?,
        activation: activation(raw, traits)?,
        inputs: match traits.projections {
            Projections::Fused => InputProjections::Fused,
            _ => InputProjections::Separate { bias },
        },
        output_bias: bias,
    })
}

/// Gemma's class reads `hidden_activation`; every other one `hidden_act`.
fn activation(raw: &RawConfig, traits: &Traits) -> Result<Activation, ConfigError> {
    let (field, name, default) = match traits.gemma_norms {
        true => ("hidden_activation", &raw.hidden_activation, "gelu_pytorch_tanh"),
        false => ("hidden_act", &raw.hidden_act, "silu"),
    };
    match name.as_deref().unwrap_or(default) {
        "silu" | "swish" => Ok(Activation::Silu),
        "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
        other => Err(ConfigError::unsupported(field, other, "silu and gelu_pytorch_tanh are")),
    }
}

fn norm(raw: &RawConfig, traits: &Traits) -> Result<NormConfig, ConfigError> {
    Ok(NormConfig {
        eps: check::epsilon("rms_norm_eps", raw.rms_norm_eps.unwrap_or(traits.rms_norm_eps))?,
        unit_offset: traits.gemma_norms,
        sandwich: traits.gemma_norms,
    })
}
