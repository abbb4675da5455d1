//! What a run learns from, in sixteen bytes: a run goes on only from a checkpoint that learnt from the same.

use std::{fmt, str::FromStr};

use burn::tensor::backend::Backend;
use xxhash_rust::xxh3::Xxh3Default;

use super::{parameters::Parameters, sequence::Sequence};
use crate::config::ModelConfig;

/// The hash (XXH3, 128 bits) of a model, or of texts. Tells mistakes, not attacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(u128);

impl Fingerprint {
    /// A model's: architecture and weights.
    pub(super) fn of_model<B: Backend>(config: &ModelConfig, parameters: &Parameters<B>) -> Self {
        let mut hash = Xxh3Default::new();
        // Every field, also those to come.
        hash.update(format!("{config:?}").as_bytes());
        for (name, tensor) in parameters.iter() {
            hash.update(name.as_bytes());
            tensor.to_data().iter::<f32>().for_each(|x| hash.update(&x.to_le_bytes()));
        }
        Self(hash.digest128())
    }

    /// That of texts, in their order.
    pub(super) fn of_texts<'a>(texts: impl Iterator<Item = &'a Sequence>) -> Self {
        let mut hash = Xxh3Default::new();
        for text in texts {
            // Lengths stand first: else the end of one text could as well begin the next.
            let [given, written] = text.parts();
            for part in [given, written] {
                hash.update(&part.len().to_le_bytes());
                part.iter().for_each(|id| hash.update(&id.to_le_bytes()));
            }
        }
        Self(hash.digest128())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(text, 16).map(Self)
    }
}
