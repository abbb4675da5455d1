//! The format of all data: one example is one JSON object.
//!
//! ```json
//! {"kind": "ledger", "question": "...", "thoughts": [{"detail": "...", "summary": "..."}], "answer": "..."}
//! ```
//!
//! `kind` may be left out; other fields are ignored. A [`Trace`] is reasoning that nobody has cut into thoughts
//! yet. How an example becomes a model's text is not said here: see [`render`](super::render).

use serde::{Deserialize, Serialize};

/// A question, the way to its answer in thoughts and summaries, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// What sort of problem it is; for synthetic ones, the name of a [`Kind`](super::synth::Kind).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the model is given.
    pub question: String,
    /// What it thinks, in order.
    pub thoughts: Vec<Thought>,
    /// What it should answer.
    pub answer: String,
}

/// A reasoning step, and the short text that stands for it afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thought {
    /// The step in full.
    pub detail: String,
    /// Its summary.
    pub summary: String,
}

/// Reasoning in one piece, as a teacher model wrote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// What was asked.
    pub question: String,
    /// The reasoning, without the answer.
    pub trace: String,
    /// What was answered.
    pub answer: String,
}
