//! Why a `config.json` cannot be used: always the field, what it held and what would be right.

use std::fmt::Display;

/// A model configuration that this crate cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not JSON, a field missing, or a field of the wrong type.
    #[error("not a model configuration: {0}")]
    Json(#[from] serde_json::Error),
    /// The architecture is not one of those that the decoder covers.
    #[error("unknown model_type `{found}`; the known ones are {known}")]
    UnknownModelType {
        /// What the file says.
        found: String,
        /// The supported names, separated by commas.
        known: String,
    },
    /// The architecture is known, but a field asks for something that is not implemented.
    #[error("`{field}` = {found} is not supported: {reason}")]
    Unsupported {
        /// The field, in the file's spelling.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What is missing, and what would work.
        reason: &'static str,
    },
    /// A field is out of its range or contradicts another one.
    #[error("`{field}` {reason}")]
    Invalid {
        /// The field, in the file's spelling.
        field: &'static str,
        /// What is wrong and what would be right.
        reason: String,
    },
}

impl ConfigError {
    /// A field out of its range.
    pub(super) fn invalid(field: &'static str, reason: impl Into<String>) -> Self {
        Self::Invalid { field, reason: reason.into() }
    }

    /// A feature that is not implemented.
    pub(super) fn unsupported(
        field: &'static str,
        found: &(impl Display + ?Sized),
        reason: &'static str,
    ) -> Self {
        Self::Unsupported { field, found: found.to_string(), reason }
    }
}
