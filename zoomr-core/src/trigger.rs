//! When a summary is due, and how it comes about.

use serde::{Deserialize, Serialize};

/// How thoughts get the vector that stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// The model opens its summaries itself (the paper). A thought that gets none is indexed by its own keys.
    ModelEmitted,
    /// At a boundary the engine opens a summary, lets the model write it, and closes it (ours).
    Forced,
    /// No summary text: the index vector is the mean key of the thought itself (ours).
    Pooled,
    /// As [`Trigger::Forced`], but only at boundaries where resident KV memory has passed a limit; until
    /// then the thought stays open and is attended in full (ours).
    Pressure {
        /// The limit in bytes.
        limit: u64,
    },
}

impl Trigger {
    /// Whether the engine writes the summaries' opening.
    pub fn asks_the_engine(self) -> bool {
        matches!(self, Self::Forced | Self::Pressure { .. })
    }

    /// Whether a thought may close at a boundary while `resident` bytes of KV memory are in use.
    pub fn accepts_boundary(self, resident: u64) -> bool {
        match self {
            Self::Pressure { limit } => resident > limit,
            Self::ModelEmitted | Self::Forced | Self::Pooled => true,
        }
    }
}
