//! `adapter_config.json` as PEFT writes it, not yet checked; what it leaves out has PEFT's defaults.
//!
//! Fields carry the file's names. Those that say how an adapter was trained are not read.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::entries::Entries;

/// The fields that decide what an adapter computes.
#[derive(Debug, Deserialize)]
pub(super) struct RawLora {
    pub(super) peft_type: Option<String>,
    pub(super) r: Option<usize>,
    pub(super) lora_alpha: Option<f64>,
    pub(super) use_rslora: Option<bool>,
    /// Of several patterns that fit, the first counts.
    pub(super) rank_pattern: Option<Entries<usize>>,
    pub(super) alpha_pattern: Option<Entries<f64>>,

    // Which modules it stands beside, and which it replaces.
    pub(super) target_modules: Option<OneOrMany<String>>,
    pub(super) exclude_modules: Option<OneOrMany<String>>,
    pub(super) layers_to_transform: Option<OneOrMany<usize>>,
    pub(super) layers_pattern: Option<OneOrMany<String>>,
    pub(super) modules_to_save: Option<Vec<String>>,
    pub(super) ensure_weight_tying: Option<bool>,

    /// What else there is: how it was trained, and variants that compute something else.
    #[serde(flatten)]
    pub(super) others: Map<String, Value>,
}

/// One value or a list of them.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    pub(super) fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(value) => vec![value],
            Self::Many(values) => values,
        }
    }
}
