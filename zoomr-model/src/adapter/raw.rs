//! `adapter_config.json` as PEFT writes it, not yet checked; what it leaves out has PEFT's defaults.
//!
//! Fields carry the file's names. Those that say how an adapter was trained are not read.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Map, Value};

/// The fields that decide what an adapter computes.
#[derive(Debug, Deserialize)]
pub(super) struct RawLora {
    pub(super) peft_type: Option<String>,
    pub(super) r: Option<usize>,
    pub(super) lora_alpha: Option<f64>,
    pub(super) use_rslora: Option<bool>,
    pub(super) rank_pattern: Option<Ordered<usize>>,
    pub(super) alpha_pattern: Option<Ordered<f64>>,

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

/// The entries of an object in the order of the file: of several patterns that fit, the first counts.
#[derive(Clone, Debug)]
pub(super) struct Ordered<T>(pub(super) Vec<(String, T)>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Ordered<T> {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        object.deserialize_map(Entries(PhantomData))
    }
}

/// Reads [`Ordered`].
struct Entries<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
    type Value = Ordered<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of patterns")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Ordered<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = object.next_entry()? {
            entries.push(entry);
        }
        Ok(Ordered(entries))
    }
}
