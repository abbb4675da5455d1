//! The layout of an adapter's directory, and the configuration that training writes.
//!
//! Facts from PEFT's documentation of `LoraConfig` and of its checkpoint format: keys are those of the model after
//! `base_model.model.`, matrices end in `lora_A.weight` and `lora_B.weight`, and modules that are saved whole have
//! their own names.

#[cfg(feature = "train")]
use serde::Serialize;

#[cfg(feature = "train")]
use crate::atomic_file::{AtomicFileError, Existing, write_json};

/// The configuration's file name.
pub(crate) const CONFIG: &str = "adapter_config.json";
/// The weights' file name.
pub(crate) const WEIGHTS: &str = "adapter_model.safetensors";

/// What the two halves of the adapter of the matrix `name` (`....weight`) are called.
pub(crate) fn names(name: &str) -> [String; 2] {
    let module = name.strip_suffix(".weight").unwrap_or(name);
    [format!("{module}.lora_A.weight"), format!("{module}.lora_B.weight")]
}

/// An adapter's configuration, as it is written; what it leaves out has PEFT's defaults.
#[cfg(feature = "train")]
#[derive(Debug, Serialize)]
pub(crate) struct SavedConfig<'a> {
    peft_type: &'static str,
    task_type: &'static str,
    /// What the model is called.
    pub(crate) base_model_name_or_path: &'a str,
    /// Rows of `A`, columns of `B`.
    pub(crate) r: usize,
    /// `B A` is multiplied by `lora_alpha / r`.
    pub(crate) lora_alpha: f64,
    /// The last parts of the names of matrices that it is for.
    pub(crate) target_modules: Vec<&'a str>,
    /// The last parts of the names of modules that are saved whole.
    pub(crate) modules_to_save: Option<Vec<&'a str>>,
    bias: &'static str,
    inference_mode: bool,
}

#[cfg(feature = "train")]
impl<'a> SavedConfig<'a> {
    /// An adapter of rank `r` for the model `base`, for no matrix yet.
    pub(crate) fn new(base: &'a str, r: usize, lora_alpha: f64) -> Self {
        Self {
            peft_type: "LORA",
            task_type: "CAUSAL_LM",
            base_model_name_or_path: base,
            r,
            lora_alpha,
            target_modules: Vec::new(),
            modules_to_save: None,
            bias: "none",
            inference_mode: true,
        }
    }

    /// Writes it into `dir`.
    ///
    /// # Errors
    /// [`AtomicFileError`] where it cannot be written.
    pub(crate) fn write(&self, dir: &std::path::Path) -> Result<(), AtomicFileError> {
        write_json(&dir.join(CONFIG), self, Existing::Replace)
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn halves_are_called_after_their_matrix() {
        assert_eq!(names("a.q_proj.weight"), ["a.q_proj.lora_A.weight", "a.q_proj.lora_B.weight"]);
    }
}
