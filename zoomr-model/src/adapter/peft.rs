//! PEFT's `adapter_config.json`, as far as it says how to compute, and PEFT's names of tensors.
//!
//! Facts from PEFT's documentation of `LoraConfig` and of its checkpoint format: keys are those of the model after
//! `base_model.model.`, matrices end in `lora_A.weight` and `lora_B.weight`, and modules that are saved whole have
//! their own names.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::AdapterError;
use crate::text::read_optional;

/// The configuration's file name.
pub(crate) const CONFIG: &str = "adapter_config.json";
/// The weights' file name.
pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";
/// What stands before the model's own names.
pub(crate) const PREFIX: &str = "base_model.model.";

/// The fields that matter; others are ignored where they are read, and have PEFT's defaults where they are written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    peft_type: String,
    #[serde(default)]
    task_type: Option<String>,
    #[serde(default)]
    base_model_name_or_path: Option<String>,
    r: usize,
    lora_alpha: f64,
    target_modules: Vec<String>,
    #[serde(default)]
    modules_to_save: Option<Vec<String>>,
    #[serde(default = "no_bias")]
    bias: String,
    #[serde(default)]
    fan_in_fan_out: bool,
    #[serde(default)]
    use_rslora: bool,
    #[serde(default)]
    use_dora: bool,
    #[serde(default)]
    rank_pattern: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    alpha_pattern: serde_json::Map<String, serde_json::Value>,
}

fn no_bias() -> String {
    "none".to_owned()
}

impl LoraConfig {
    /// An adapter of rank `r` for matrices whose names end in `targets`, scaled by `alpha / r`, with the modules
    /// `whole` saved as a whole.
    #[cfg(feature = "train")]
    pub(crate) fn new(base: &str, r: usize, alpha: f64, targets: &[String], whole: &[String]) -> Self {
        Self {
            peft_type: "LORA".to_owned(),
            task_type: Some("CAUSAL_LM".to_owned()),
            base_model_name_or_path: Some(base.to_owned()),
            r,
            lora_alpha: alpha,
            target_modules: targets.to_vec(),
            modules_to_save: (!whole.is_empty()).then(|| whole.to_vec()),
            bias: no_bias(),
            fan_in_fan_out: false,
            use_rslora: false,
            use_dora: false,
            rank_pattern: serde_json::Map::new(),
            alpha_pattern: serde_json::Map::new(),
        }
    }

    /// Reads the configuration in `dir`.
    ///
    /// # Errors
    /// [`AdapterError`] where there is none, or it asks for what zoomr does not compute.
    pub(super) fn from_dir(dir: &Path) -> Result<Self, AdapterError> {
        let path = dir.join(CONFIG);
        let missing = || AdapterError::Missing { dir: dir.to_owned() };
        let config: Self = read_optional(&path)?.ok_or_else(missing)?;
        match config.unsupported() {
            Some(problem) => Err(AdapterError::Unsupported { path, problem }),
            None => Ok(config),
        }
    }

    /// Writes the configuration into `dir`.
    ///
    /// # Errors
    /// [`AtomicFileError`](crate::atomic_file::AtomicFileError) where it cannot be written.
    #[cfg(feature = "train")]
    pub(crate) fn write(&self, dir: &Path) -> Result<(), crate::atomic_file::AtomicFileError> {
        use crate::atomic_file::{Existing, write_json};
        write_json(&dir.join(CONFIG), self, Existing::Replace)
    }

    fn unsupported(&self) -> Option<String> {
        let field = |name: &str| Some(format!("`{name}` is not supported; train the adapter without it"));
        match self {
            Self { peft_type, .. } if peft_type != "LORA" => {
                Some(format!("an adapter of type {peft_type}; supported is LORA"))
            }
            Self { r: 0, .. } => Some("a rank `r` of 0; give at least 1".to_owned()),
            Self { lora_alpha, .. } if !lora_alpha.is_finite() => {
                Some("`lora_alpha` is no number".to_owned())
            }
            Self { bias, .. } if bias != "none" => field("bias"),
            Self { fan_in_fan_out: true, .. } => field("fan_in_fan_out"),
            Self { use_dora: true, .. } => field("use_dora"),
            Self { rank_pattern, .. } if !rank_pattern.is_empty() => field("rank_pattern"),
            Self { alpha_pattern, .. } if !alpha_pattern.is_empty() => field("alpha_pattern"),
            _ => None,
        }
    }

    /// Rows of `A`, columns of `B`.
    pub(super) fn rank(&self) -> usize {
        self.r
    }

    /// What `B A` is multiplied by: `alpha / r`, or `alpha / sqrt(r)` where the adapter is rank-stabilised.
    pub(super) fn scale(&self) -> f64 {
        let rank = self.r as f64;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// The ends of names that it is for.
    pub(super) fn targets(&self) -> &[String] {
        &self.target_modules
    }

    /// Whether it stands beside the matrix `name` (`....weight`).
    pub(super) fn is_target(&self, name: &str) -> bool {
        let Some(module) = name.strip_suffix(".weight") else { return false };
        let ends = |target: &String| {
            module.strip_suffix(target.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        self.target_modules.iter().any(ends)
    }
}

/// What the two halves of the adapter of the matrix `name` are called.
pub(crate) fn names(name: &str) -> [String; 2] {
    let module = name.strip_suffix(".weight").unwrap_or(name);
    [format!("{module}.lora_A.weight"), format!("{module}.lora_B.weight")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> LoraConfig {
        serde_json::from_str(json).unwrap()
    }

    const PLAIN: &str = r#""peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"]"#;

    #[test]
    fn targets_are_whole_parts_of_names() {
        let config = config(&format!("{{{PLAIN}}}"));
        assert!(config.is_target("model.layers.0.self_attn.q_proj.weight"));
        assert!(!config.is_target("model.layers.0.self_attn.my_q_proj.weight"));
        assert!(!config.is_target("model.layers.0.self_attn.q_proj.bias"));
        assert_eq!(config.scale(), 2.0);
        assert_eq!(names("a.q_proj.weight"), ["a.q_proj.lora_A.weight", "a.q_proj.lora_B.weight"]);
    }

    #[test]
    fn what_is_not_computed_is_refused() {
        for (field, says) in [
            (r#""use_dora": true"#, "use_dora"),
            (r#""bias": "all""#, "bias"),
            (r#""rank_pattern": {"q_proj": 8}"#, "rank_pattern"),
        ] {
            let problem = config(&format!("{{{PLAIN}, {field}}}")).unsupported().unwrap();
            assert!(problem.contains(says), "{problem}");
        }
        assert_eq!(config(&format!(r#"{{{PLAIN}, "use_rslora": true, "other": 1}}"#)).scale(), 4.0);
        let other = format!("{{{}}}", PLAIN.replace("LORA", "IA3"));
        assert!(config(&other).unsupported().is_some_and(|problem| problem.contains("IA3")));
    }
}
