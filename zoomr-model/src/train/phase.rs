//! A part of a training run: how many steps, and what texts they learn from.

use std::{ops::RangeInclusive, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::synth::Kind;

/// Steps that learn from the same kind of texts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phase {
    /// How many steps.
    pub steps: usize,
    /// Tokens per step, at least; the last text is not cut.
    pub step_tokens: usize,
    /// The share of sequences trained under the zoomed mask, where this phase has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zoomed: Option<f64>,
    /// What the index loss counts, where this phase has its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_loss: Option<f64>,
    /// Where the texts come from.
    #[serde(flatten)]
    pub data: Data,
}

/// Where texts come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case", deny_unknown_fields)]
pub enum Data {
    /// Problems of these kinds, all equally likely.
    Synth {
        /// The kinds.
        kinds: Vec<Kind>,
        /// Tokens per problem; lengths are drawn so that each doubling is equally likely.
        tokens: RangeInclusive<usize>,
        /// Uses only so many labels; all of them where none is given.
        #[serde(default)]
        labels: Option<usize>,
        /// How many values a problem may ask for besides its own ([`synth::ask`](crate::data::synth::ask)); each number of them is equally likely.
        /// It is longer for it, by up to five tokens each.
        #[serde(default)]
        more_finds: usize,
    },
    /// A file of examples, a line of JSON each.
    File(PathBuf),
}
