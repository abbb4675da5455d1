//! What each `model_type` implies beyond the fields of its file: the whole difference between the families.
//!
//! Defaults are those of Hugging Face's configuration classes, which leave a field out of the file, or left it
//! out once, when it holds its default.

/// The supported architectures, by Hugging Face's `model_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// `llama`: also SmolLM2, TinyLlama and many others.
    Llama,
    /// `mistral`: a sliding window in every layer, or in none.
    Mistral,
    /// `qwen2`: biases on queries, keys and values.
    Qwen2,
    /// `qwen3`: queries and keys normalised per head.
    Qwen3,
    /// `smollm3`: every fourth layer without RoPE.
    SmolLm3,
    /// `phi3`: fused projections.
    Phi3,
    /// `granite`: multipliers on embedding, residual, attention and logits.
    Granite,
    /// `gemma3_text`: norms around each sub-layer, local and global layers.
    Gemma3,
}

impl Family {
    /// Every supported architecture.
    pub const ALL: [Self; 8] = [
        Self::Llama,
        Self::Mistral,
        Self::Qwen2,
        Self::Qwen3,
        Self::SmolLm3,
        Self::Phi3,
        Self::Granite,
        Self::Gemma3,
    ];

    /// The name in `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
            Self::SmolLm3 => "smollm3",
            Self::Phi3 => "phi3",
            Self::Granite => "granite",
            Self::Gemma3 => "gemma3_text",
        }
    }

    /// What the architecture fixes.
    pub(super) fn traits(self) -> Traits {
        match self {
            Self::Llama => LLAMA,
            Self::Mistral => Traits {
                projections: Projections::Plain,
                mlp_bias: false,
                windows: Windows::Every,
                default_window: Some(4096),
                ..LLAMA
            },
            Self::Qwen2 => Traits {
                projections: Projections::QkvBias,
                mlp_bias: false,
                windows: Windows::FromLayer,
                default_window: Some(4096),
                ..LLAMA
            },
            Self::Qwen3 => Traits {
                mlp_bias: false,
                qk_norm: true,
                head_dim: Some(128),
                windows: Windows::FromLayer,
                default_window: Some(4096),
                ..LLAMA
            },
            Self::SmolLm3 => Traits {
                rope_theta: 2_000_000.0,
                skips_rope: true,
                windows: Windows::WhereRopeIsSkipped,
                tied: true,
                ..LLAMA
            },
            Self::Phi3 => Traits {
                projections: Projections::Fused,
                mlp_bias: false,
                windows: Windows::Every,
                rms_norm_eps: 1e-5,
                ..LLAMA
            },
            Self::Granite => Traits { scale: Scale::AttentionMultiplier, multipliers: true, ..LLAMA },
            Self::Gemma3 => Traits {
                mlp_bias: false,
                qk_norm: true,
                gemma_norms: true,
                scale: Scale::QueryPreAttnScalar,
                head_dim: Some(256),
                windows: Windows::ByPattern,
                default_window: Some(4096),
                rope_theta: 1_000_000.0,
                local_rope_theta: Some(10_000.0),
                tied: true,
                ..LLAMA
            },
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.model_type())
    }
}

/// What an architecture fixes, whatever its file says, and its defaults for what the file leaves out.
#[derive(Clone, Copy)]
pub(super) struct Traits {
    pub(super) projections: Projections,
    /// Whether the field `mlp_bias` counts; never with fused projections.
    pub(super) mlp_bias: bool,
    /// Queries and keys pass an RMS norm per head.
    pub(super) qk_norm: bool,
    /// Norms multiply by `1 + w`, stand before and after each sub-layer, and the embedding is multiplied by
    /// `sqrt(hidden_size)`.
    pub(super) gemma_norms: bool,
    /// Whether Granite's multipliers count.
    pub(super) multipliers: bool,
    pub(super) scale: Scale,
    pub(super) windows: Windows,
    /// The sliding window where the field is absent (a null means none).
    pub(super) default_window: Option<usize>,
    /// Whether `no_rope_layers` counts.
    pub(super) skips_rope: bool,
    pub(super) rope_theta: f64,
    /// RoPE's base in sliding layers, where it is another one.
    pub(super) local_rope_theta: Option<f64>,
    /// `hidden_size / num_attention_heads` where none.
    pub(super) head_dim: Option<usize>,
    pub(super) rms_norm_eps: f64,
    /// Whether embedding and output head are one matrix.
    pub(super) tied: bool,
}

/// How the file holds the sub-layers' projections, and which of attention's have biases.
#[derive(Clone, Copy)]
pub(super) enum Projections {
    /// A matrix each, without biases.
    Plain,
    /// A matrix each; queries, keys and values have biases, the output has none.
    QkvBias,
    /// A matrix each; all four of attention's have biases where `attention_bias` says so.
    ConfiguredBias,
    /// `qkv_proj` and `gate_up_proj`, without biases.
    Fused,
}

/// What query-key products are multiplied by.
#[derive(Clone, Copy)]
pub(super) enum Scale {
    /// `1 / sqrt(head_dim)`.
    HeadDim,
    /// The field `attention_multiplier`.
    AttentionMultiplier,
    /// `1 / sqrt(query_pre_attn_scalar)`.
    QueryPreAttnScalar,
}

/// Which layers slide, where `layer_types` does not say.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Windows {
    /// None, and `layer_types` is not consulted.
    Never,
    /// All, and `layer_types` is not consulted.
    Every,
    /// Those from `max_window_layers` on, if `use_sliding_window`.
    FromLayer,
    /// Those without RoPE, if `use_sliding_window`.
    WhereRopeIsSkipped,
    /// All but every `sliding_window_pattern`-th.
    ByPattern,
}

const LLAMA: Traits = Traits {
    projections: Projections::ConfiguredBias,
    mlp_bias: true,
    qk_norm: false,
    gemma_norms: false,
    multipliers: false,
    scale: Scale::HeadDim,
    windows: Windows::Never,
    default_window: None,
    skips_rope: false,
    rope_theta: 10_000.0,
    local_rope_theta: None,
    head_dim: None,
    rms_norm_eps: 1e-6,
    tied: false,
};
