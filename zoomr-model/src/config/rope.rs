//! The parameters of a rotary position embedding, from either spelling of the file.
//!
//! What is computed from them is [`crate::rope`]'s business.

use super::{
    check,
    error::ConfigError,
    family::Traits,
    raw::{LayerType, RawConfig, RawRope},
};

/// A thousand times the largest base of a model that people use; far above it, all but the first elements stand still.
const MAX_THETA: f64 = 1e13;

/// The rotary position embedding of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Rope {
    /// Base of the geometric series of frequencies.
    pub(crate) theta: f64,
    /// How many elements of each head rotate: the first ones; even, from 2 to the head's size.
    pub(crate) rotary_dim: usize,
    /// How the frequencies are stretched for contexts longer than the first training's.
    pub(crate) scaling: RopeScaling,
}

/// Ways of stretching RoPE's frequencies; `factor` is how many times longer the context becomes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RopeScaling {
    /// None.
    Default,
    /// Every frequency divided by `factor`.
    Linear { factor: f64 },
    /// The frequency of each pair divided by a factor of its own: Llama 3's, as GGUF has them.
    Divided { factors: Vec<f32> },
    /// Llama 3: low frequencies divided, high ones kept, a ramp between.
    Llama3 { factor: f64, low_freq_factor: f64, high_freq_factor: f64, original_context: f64 },
    /// YaRN: as Llama 3 with a ramp over dimensions, and cosines and sines multiplied by `attention_factor`.
    Yarn {
        factor: f64,
        attention_factor: f64,
        beta_fast: f64,
        beta_slow: f64,
        original_context: f64,
        truncate: bool,
    },
}

/// As people write it: `theta 10000, llama3 x8`.
impl std::fmt::Display for Rope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "theta {}", self.theta)?;
        match &self.scaling {
            RopeScaling::Default => Ok(()),
            RopeScaling::Linear { factor } => write!(f, ", linear x{factor}"),
            RopeScaling::Divided { factors } => {
                write!(f, ", divided by up to {}", factors.iter().copied().fold(1.0, f32::max))
            }
            RopeScaling::Llama3 { factor, .. } => write!(f, ", llama3 x{factor}"),
            RopeScaling::Yarn { factor, .. } => write!(f, ", yarn x{factor}"),
        }
    }
}

impl Rope {
    /// Divides the frequency of each pair by a factor of its own, which goes before any other scaling.
    ///
    /// # Errors
    /// Where a factor is not positive, or there is not one for each pair.
    pub(super) fn divide(&mut self, factors: &[f32]) -> Result<(), ConfigError> {
        if factors.len() != self.rotary_dim / 2 {
            let reason =
                format!("has {} factors for {} pairs that rotate", factors.len(), self.rotary_dim / 2);
            return Err(ConfigError::invalid("rope_freqs", reason));
        }
        factors.iter().try_for_each(|factor| check::factor("rope_freqs", f64::from(*factor)).map(drop))?;
        self.scaling = RopeScaling::Divided { factors: factors.to_vec() };
        Ok(())
    }
}

/// The embedding of the layers of one type.
pub(super) fn resolve(
    raw: &RawConfig,
    traits: &Traits,
    head_dim: usize,
    layer_type: LayerType,
) -> Result<Rope, ConfigError> {
    let (fields, theta) = fields(raw, traits, layer_type);
    let theta = check::positive("rope_theta", theta)?;
    if theta <= 1.0 || theta > MAX_THETA {
        let reason = format!("is {theta}; it must be above 1 and at most {MAX_THETA:e}");
        return Err(ConfigError::invalid("rope_theta", reason));
    }
    let rotary_dim = rotary_dim(raw, &fields, head_dim)?;
    let scaling = scaling(raw, &fields)?;
    Ok(Rope { theta, rotary_dim, scaling })
}

/// The numbers that count for a layer type, and its base.
fn fields(raw: &RawConfig, traits: &Traits, layer_type: LayerType) -> (RawRope, f64) {
    let nested = raw.rope_parameters.as_ref();
    let own = nested.and_then(|p| match layer_type {
        LayerType::Full => p.full_attention.clone(),
        LayerType::Sliding => p.sliding_attention.clone(),
    });
    match (layer_type, traits.local_rope_theta) {
        // Gemma 3's local layers: a base of their own, and never the older spelling's scaling.
        (LayerType::Sliding, Some(default)) => {
            let fields = own.unwrap_or_default();
            let theta = fields.rope_theta.or(raw.rope_local_base_freq).unwrap_or(default);
            (fields, theta)
        }
        _ => {
            let shared = nested.map(|p| p.all.clone());
            let fields = raw.rope_scaling.clone().or(own).or(shared).unwrap_or_default();
            let theta = fields.rope_theta.or(raw.rope_theta).unwrap_or(traits.rope_theta);
            (fields, theta)
        }
    }
}

fn rotary_dim(raw: &RawConfig, fields: &RawRope, head_dim: usize) -> Result<usize, ConfigError> {
    let factor = fields.partial_rotary_factor.or(raw.partial_rotary_factor).unwrap_or(1.0);
    let factor = check::positive("partial_rotary_factor", factor)?;
    // Rounded down, as Hugging Face does; the product is below the bound on `head_dim`, or refused here.
    let dim = (head_dim as f64 * factor) as usize;
    if dim < 2 || !dim.is_multiple_of(2) || dim > head_dim {
        return Err(ConfigError::invalid(
            "partial_rotary_factor",
            format!(
                "is {factor}, which rotates {dim} of a head's {head_dim} elements; an even number from 2 on is needed"
            ),
        ));
    }
    Ok(dim)
}

fn scaling(raw: &RawConfig, fields: &RawRope) -> Result<RopeScaling, ConfigError> {
    let rope_type = fields.rope_type.as_deref().or(fields.kind.as_deref()).unwrap_or("default");
    match rope_type {
        "default" => Ok(RopeScaling::Default),
        "linear" => Ok(RopeScaling::Linear { factor: required("factor", fields.factor)? }),
        "llama3" => llama3(raw, fields),
        "yarn" => yarn(raw, fields),
        "longrope" | "su" => Err(ConfigError::unsupported(
            "rope_type",
            rope_type,
            "its frequencies change with the length of the text, so keys cached before the change would be wrong; use the short-context checkpoint of the model",
        )),
        _ => Err(ConfigError::unsupported("rope_type", rope_type, "default, linear, llama3 and yarn are")),
    }
}

fn llama3(raw: &RawConfig, fields: &RawRope) -> Result<RopeScaling, ConfigError> {
    let low_freq_factor = required("low_freq_factor", fields.low_freq_factor)?;
    let high_freq_factor = required("high_freq_factor", fields.high_freq_factor)?;
    if high_freq_factor <= low_freq_factor {
        return Err(ConfigError::invalid(
            "high_freq_factor",
            format!("is {high_freq_factor}, not above low_freq_factor = {low_freq_factor}"),
        ));
    }
    Ok(RopeScaling::Llama3 {
        factor: required("factor", fields.factor)?,
        low_freq_factor,
        high_freq_factor,
        original_context: original_context(raw, fields)?,
    })
}

fn yarn(raw: &RawConfig, fields: &RawRope) -> Result<RopeScaling, ConfigError> {
    let original_context = original_context(raw, fields)?;
    let stretch = raw.max_position_embeddings as f64 / original_context;
    let factor = check::positive("factor", fields.factor.unwrap_or(stretch))?;
    let inferred = match (nonzero(fields.mscale), nonzero(fields.mscale_all_dim)) {
        (Some(mscale), Some(all_dim)) => magnitude(factor, mscale) / magnitude(factor, all_dim),
        _ => magnitude(factor, 1.0),
    };
    Ok(RopeScaling::Yarn {
        factor,
        attention_factor: check::positive("attention_factor", fields.attention_factor.unwrap_or(inferred))?,
        beta_fast: check::positive("beta_fast", nonzero(fields.beta_fast).unwrap_or(32.0))?,
        beta_slow: check::positive("beta_slow", nonzero(fields.beta_slow).unwrap_or(1.0))?,
        original_context,
        truncate: fields.truncate.unwrap_or(true),
    })
}

/// YaRN's correction of attention's temperature for a stretched context.
fn magnitude(factor: f64, mscale: f64) -> f64 {
    if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 }
}

/// Zero stands for "not given" in these fields.
fn nonzero(field: Option<f64>) -> Option<f64> {
    field.filter(|value| *value != 0.0)
}

/// The context of the first training; a field beside RoPE's own (Phi 3) goes first, as in Hugging Face.
fn original_context(raw: &RawConfig, fields: &RawRope) -> Result<f64, ConfigError> {
    let found = raw
        .original_max_position_embeddings
        .or(fields.original_max_position_embeddings)
        .unwrap_or(raw.max_position_embeddings as f64);
    check::positive("original_max_position_embeddings", found)
}

fn required(field: &'static str, value: Option<f64>) -> Result<f64, ConfigError> {
    let value = value.ok_or_else(|| ConfigError::invalid(field, "is missing; this rope_type needs it"))?;
    check::positive(field, value)
}
