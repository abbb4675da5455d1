//! What came of one run: one problem, one setting, one text.

use serde::{Deserialize, Serialize};
use zoomr_core::stats::{RunStats, TierBytes};

use crate::engine::Stop;

/// What came of a run; a line of JSON in a [`Record`](super::Record). Bytes are of KV memory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The problem's number, counted from 0.
    pub problem: usize,
    /// Which of the texts to this problem under this setting it is, counted from 0.
    pub sample: usize,
    /// Its kind.
    pub kind: String,
    /// The setting's name.
    pub setting: String,
    /// What the model answered; `None` where it never came to an answer.
    pub answer: Option<String>,
    /// Whether that is right.
    pub correct: bool,
    /// Why the text ended.
    pub stop: Stop,
    /// Tokens of the question.
    pub prompt_tokens: usize,
    /// Tokens that the model wrote.
    pub output_tokens: usize,
    /// The time that the question took.
    pub prompt_seconds: f64,
    /// The time that the output took.
    pub output_seconds: f64,
    /// What a full cache of all these tokens takes.
    pub full_bytes: u64,
    /// Where the bytes are at the end.
    pub bytes: TierBytes,
    /// Everything that is counted step by step: peak, area, hits, misses, bytes moved.
    pub run: RunStats,
    /// The share of attention, 0 to 1, that went to tokens which the policy did not show, had it shown them; `None`
    /// where it was not measured. See [`Plan::mass`](super::Plan::mass).
    pub missed_mass: Option<f64>,
}
