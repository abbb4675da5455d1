//! A summary, and how long one may be.

use serde::{Deserialize, Serialize};

use super::measure::Measure;

/// The text that stands for a thought: one line, never empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The text.
    #[serde(rename = "summary")]
    pub text: String,
    /// Whether its end was cut off, to keep to the limit.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// How long a summary may be.
#[derive(Clone, Copy, Debug)]
pub struct Limit<'m> {
    /// What is counted.
    pub measure: &'m Measure,
    /// The most of it.
    pub most: usize,
}

/// A text with single spaces for all its white space: a summary must not look like several paragraphs.
pub(super) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
