//! Metadata as `config.json`: the numbers of an architecture under the names that they have in Hugging Face's files.
//!
//! What `config.json` would be, the parser of configurations takes, so that bounds and defaults are written down once. Three
//! things have no name there and are set afterwards: norms that the file holds as they are (Gemma's have one added by the
//! converter), frequencies divided by what a tensor says (Llama 3), and what ends a text, which the vocabulary knows.

use std::io::{Read, Seek, SeekFrom};

use serde_json::{Map, Value, json};
use zoomr_core::weight::{WeightFormat, decode};

use super::{
    Gguf, GgufError, GgufProblem,
    metadata::Number,
    names::{LONG_ROPE, ROPE_FREQS},
};
use crate::{
    Error,
    config::{Family, ModelConfig},
};

/// The layers of Gemma 3's 27B, whose scale llama.cpp knows by their number.
const GEMMA_27B: u64 = 62;
/// The most numbers of a tensor that is a part of the configuration.
const MOST: usize = 1 << 16;

impl Gguf {
    /// The architecture of the model.
    ///
    /// # Errors
    /// Where metadata lacks something, or describes no model that the decoder runs.
    pub(crate) fn config(&self) -> Result<ModelConfig, Error> {
        let json = self.config_json().map_err(|problem| self.wrong(problem))?;
        let config = ModelConfig::from_json(&json.to_string())
            .map_err(|problem| Error::Config { path: self.path().to_owned(), problem })?;
        let factors = self.rope_factors().map_err(|problem| self.wrong(problem))?;
        let config =
            config.with_plain_norms().with_eos(self.end_ids().map_err(|problem| self.wrong(problem))?);
        match factors {
            None => Ok(config),
            Some(factors) => config
                .with_rope_factors(&factors)
                .map_err(|problem| Error::Config { path: self.path().to_owned(), problem }),
        }
    }

    fn wrong(&self, problem: GgufProblem) -> GgufError {
        problem.of(self.path())
    }

    /// The name of one of the architecture's numbers.
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.architecture.name)
    }

    fn count(&self, name: &str) -> Result<Option<u64>, GgufProblem> {
        self.metadata().count(&self.key(name))
    }

    fn real(&self, name: &str) -> Result<Option<f64>, GgufProblem> {
        self.metadata().real(&self.key(name))
    }

    fn required(&self, name: &str) -> Result<u64, GgufProblem> {
        self.count(name)?.ok_or_else(|| GgufProblem::field(&self.key(name), "is missing"))
    }

    /// What `config.json` would say.
    fn config_json(&self) -> Result<Value, GgufProblem> {
        self.refuse_unsupported()?;
        let (width, heads) = (self.required("embedding_length")?, self.required("attention.head_count")?);
        let layers = self.required("block_count")?;
        let head_dim =
            self.count("attention.key_length")?.or_else(|| width.checked_div(heads)).unwrap_or_default();
        let mut json = json!({
            "model_type": self.family().model_type(),
            "vocab_size": self.vocabulary_rows()?,
            "hidden_size": width,
            "intermediate_size": self.required("feed_forward_length")?,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": self.count("attention.head_count_kv")?.unwrap_or(heads),
            "head_dim": head_dim,
            "max_position_embeddings": self.required("context_length")?,
            "rms_norm_eps": self.real("attention.layer_norm_rms_epsilon")?,
            "tie_word_embeddings": self.tensor("output.weight").is_none(),
            "attention_bias": self.tensor("blk.0.attn_q.bias").is_some(),
            "mlp_bias": self.tensor("blk.0.ffn_down.bias").is_some(),
            "torch_dtype": self.dtype(),
            "sliding_window": null_if_zero(self.count("attention.sliding_window")?),
        });
        if let Value::Object(fields) = &mut json {
            self.rope(fields, head_dim)?;
            self.multipliers(fields)?;
            if self.family() == Family::Gemma3 {
                self.gemma(fields, layers, width.checked_div(heads).unwrap_or_default(), head_dim)?;
            }
        }
        Ok(json)
    }

    /// Mistral's models are `llama`, and only their window tells.
    fn family(&self) -> Family {
        let slides = self.count("attention.sliding_window").ok().flatten().is_some_and(|window| window > 0);
        match self.architecture.family {
            Family::Llama if slides => Family::Mistral,
            family => family,
        }
    }

    fn refuse_unsupported(&self) -> Result<(), GgufProblem> {
        let refuse = |what: &str| Err(GgufProblem::Unsupported(what.to_owned()));
        if self.count("expert_count")?.is_some_and(|experts| experts > 0) {
            return refuse("is a mixture of experts, which zoomr does not run; take a dense model");
        }
        if self.tensor(LONG_ROPE).is_some() {
            return refuse(
                "stretches its frequencies by LongRoPE, which changes them with the length of the text, so that keys cached \
                 before the change would be wrong; use the short-context version of the model",
            );
        }
        let (keys, values) = (self.count("attention.key_length")?, self.count("attention.value_length")?);
        match keys.zip(values) {
            Some((keys, values)) if keys != values => {
                refuse("has keys and values of different lengths, which zoomr does not run")
            }
            _ => Ok(()),
        }
    }

    /// Rows of the embedding, which tokens may be fewer than.
    fn vocabulary_rows(&self) -> Result<u64, GgufProblem> {
        match self.tensor("token_embd.weight") {
            Some((_, tensor)) => Ok(tensor.shape.first().map_or(0, |rows| *rows as u64)),
            None => self.required("vocab_size"),
        }
    }

    /// The float format of most weights; blocks count as single precision, which they are computed in.
    fn dtype(&self) -> &'static str {
        match self.tensor("token_embd.weight").map(|(_, tensor)| &tensor.format) {
            Some(Ok(WeightFormat::Bf16)) => "bfloat16",
            Some(Ok(WeightFormat::F16)) => "float16",
            _ => "float32",
        }
    }

    fn rope(&self, fields: &mut Map<String, Value>, head_dim: u64) -> Result<(), GgufProblem> {
        if let Some(theta) = self.real("rope.freq_base")? {
            fields.insert("rope_theta".to_owned(), json!(theta));
        }
        if let Some(rotated) = self.count("rope.dimension_count")?.filter(|rotated| *rotated != head_dim) {
            // The product with the head's size is rounded down: half an element more leaves it the same.
            fields.insert(
                "partial_rotary_factor".to_owned(),
                json!((rotated as f64 + 0.5) / head_dim.max(1) as f64),
            );
        }
        let key = self.key("rope.scaling.type");
        let kind = self.metadata().text(&key)?.unwrap_or("none");
        // Before there were types, a factor meant a linear one.
        let old = self.real("rope.scale_linear")?;
        let factor = self.real("rope.scaling.factor")?.or(old);
        let scaling = match (kind, factor) {
            ("none", None) => return Ok(()),
            ("none", Some(1.0)) | ("linear", None) => return Ok(()),
            ("none" | "linear", Some(factor)) => json!({"rope_type": "linear", "factor": factor}),
            ("yarn", _) => json!({
                "rope_type": "yarn",
                "factor": factor,
                "original_max_position_embeddings": self.real("rope.scaling.original_context_length")?,
                "attention_factor": self.real("rope.scaling.yarn_attn_factor")?,
                "beta_fast": self.real("rope.scaling.yarn_beta_fast")?,
                "beta_slow": self.real("rope.scaling.yarn_beta_slow")?,
            }),
            (other, _) => json!({"rope_type": other}),
        };
        fields.insert("rope_scaling".to_owned(), scaling);
        Ok(())
    }

    fn multipliers(&self, fields: &mut Map<String, Value>) -> Result<(), GgufProblem> {
        for (own, name) in [
            ("embedding_scale", "embedding_multiplier"),
            ("residual_scale", "residual_multiplier"),
            ("attention.scale", "attention_multiplier"),
            ("logit_scale", "logits_scaling"),
            ("attn_logit_softcapping", "attn_logit_softcapping"),
            ("final_logit_softcapping", "final_logit_softcapping"),
        ] {
            // Nothing is multiplied by zero: it stands for "not given".
            if let Some(value) = self.real(own)?.filter(|value| *value != 0.0) {
                fields.insert(name.to_owned(), json!(value));
            }
        }
        Ok(())
    }

    /// Gemma 3's scale, and which of its layers slide.
    fn gemma(
        &self,
        fields: &mut Map<String, Value>,
        layers: u64,
        width_per_head: u64,
        head_dim: u64,
    ) -> Result<(), GgufProblem> {
        let usual = if layers == GEMMA_27B { width_per_head } else { head_dim };
        let scale = self.real("attention.scale")?.filter(|scale| *scale != 0.0);
        let scalar = scale.map_or(usual as f64, |scale| (scale * scale).recip());
        fields.insert("query_pre_attn_scalar".to_owned(), json!(scalar));
        if let Some(theta) = self.real("rope.freq_base_swa")? {
            fields.insert("rope_local_base_freq".to_owned(), json!(theta));
        }
        if fields["sliding_window"].is_null() {
            fields.insert(
                "layer_types".to_owned(),
                json!(vec!["full_attention"; layers.min(1 << 13) as usize]),
            );
            return Ok(());
        }
        let slides =
            self.metadata().numbers(&self.key("attention.sliding_window_pattern"))?.unwrap_or_default();
        match &slides[..] {
            [] => {}
            [Number::Whole(period)] => {
                fields.insert("sliding_window_pattern".to_owned(), json!(*period as i64));
            }
            flags => {
                let name = |number: &Number| match number {
                    Number::Flag(false) | Number::Whole(0) => "full_attention",
                    _ => "sliding_attention",
                };
                fields.insert("layer_types".to_owned(), flags.iter().map(name).collect());
            }
        }
        Ok(())
    }

    /// What each pair's frequency is divided by, where a tensor says so.
    fn rope_factors(&self) -> Result<Option<Vec<f32>>, GgufProblem> {
        let Some((part, tensor)) = self.tensor(ROPE_FREQS) else { return Ok(None) };
        let elements = tensor.shape.iter().product::<usize>();
        if tensor.format != Ok(WeightFormat::F32) || elements > MOST {
            return Err(GgufProblem::damaged(format!("tensor `{ROPE_FREQS}` is no short list of F32")));
        }
        let mut bytes = vec![0; tensor.bytes.len()];
        let mut file = &part.file;
        file.seek(SeekFrom::Start(tensor.bytes.start as u64))?;
        file.read_exact(&mut bytes)?;
        Ok(Some(decode(WeightFormat::F32, &bytes)))
    }
}

fn null_if_zero(window: Option<u64>) -> Value {
    window.filter(|tokens| *tokens > 0).map_or(Value::Null, Value::from)
}
