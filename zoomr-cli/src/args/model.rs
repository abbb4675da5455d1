//! Which model, on which backend.

use clap::Args;

use crate::provider::Choice;

/// The model to run.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// A Hugging Face model directory, or a hub id (`org/name`), fetched into the standard cache.
    #[arg(long, short, value_name = "DIR|ID")]
    pub(crate) model: String,

    #[command(flatten)]
    backend: BackendArgs,
}

impl ModelArgs {
    /// The backend to compute on.
    pub(crate) fn backend(&self) -> Choice {
        self.backend.choice()
    }
}

/// What to compute on.
#[derive(Debug, Args)]
pub(crate) struct BackendArgs {
    /// What to compute on.
    #[cfg(all(feature = "cpu", feature = "cuda"))]
    #[arg(long, value_enum, default_value = "cpu")]
    backend: Choice,
}

impl BackendArgs {
    /// The backend built in, or the one asked for.
    pub(crate) fn choice(&self) -> Choice {
        #[cfg(all(feature = "cpu", feature = "cuda"))]
        return self.backend;
        #[cfg(not(all(feature = "cpu", feature = "cuda")))]
        return Choice::ONLY;
    }
}
