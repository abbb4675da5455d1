//! How a model's makers would have its tokens chosen: the sampling fields of `generation_config.json`.

use std::path::Path;

use serde::Deserialize;

use super::{
    sample::SamplingOptions,
    sidecar::{FileError, read_optional},
};

/// What transformers uses where a sampling model's file names no `top_k`.
const TOP_K: usize = 50;

/// The file's fields, where it has them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SamplingDefaults {
    do_sample: Option<bool>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
}

impl SamplingDefaults {
    /// Reads `generation_config.json` of a model directory, which need not have one.
    ///
    /// # Errors
    /// [`FileError`], naming the file, where it is of no use.
    pub fn from_dir(dir: &Path) -> Result<Self, FileError> {
        Ok(read_optional(&dir.join("generation_config.json"))?.unwrap_or_default())
    }

    /// The sampling to use where a person asks for nothing else.
    ///
    /// As recommended, where the makers say that the model samples (`do_sample`); else temperature 0.7 among the
    /// tokens that make up 95%, none of them less than a twentieth as probable as the best: small models then
    /// neither repeat themselves nor ramble.
    pub fn options(&self) -> SamplingOptions {
        let general = SamplingOptions {
            repetition_penalty: self.repetition_penalty.unwrap_or(1.0),
            ..SamplingOptions::default()
        };
        if self.do_sample != Some(true) {
            return SamplingOptions { temperature: 0.7, top_p: 0.95, min_p: 0.05, ..general };
        }
        SamplingOptions {
            temperature: self.temperature.unwrap_or(1.0),
            // 0 turns it off, in transformers' spelling.
            top_k: Some(self.top_k.unwrap_or(TOP_K)).filter(|k| *k > 0),
            top_p: self.top_p.unwrap_or(1.0),
            min_p: self.min_p.unwrap_or(0.0),
            ..general
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> SamplingOptions {
        serde_json::from_str::<SamplingDefaults>(json).unwrap().options()
    }

    #[test]
    fn recommendations_are_followed() {
        let qwen = options(r#"{"do_sample": true, "temperature": 0.6, "top_k": 20, "top_p": 0.95}"#);
        let expected =
            SamplingOptions { temperature: 0.6, top_k: Some(20), top_p: 0.95, ..SamplingOptions::default() };
        assert_eq!(qwen, expected);
        assert_eq!(options(r#"{"do_sample": true}"#).top_k, Some(50));
        assert_eq!(options(r#"{"do_sample": true, "top_k": 0}"#).top_k, None);
    }

    #[test]
    fn without_a_recommendation_there_is_a_default() {
        assert_eq!(options("{}"), options(r#"{"do_sample": false, "eos_token_id": 2}"#));
        assert_eq!(options("{}").temperature, 0.7);
        assert_eq!(options(r#"{"repetition_penalty": 1.1}"#).repetition_penalty, 1.1);
    }
}
