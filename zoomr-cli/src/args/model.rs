//! Which model, on which backend.

use std::{
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Args;
use zoomr_model::atomic_file::Scratch;

use crate::{builtin, output::status::Status, provider::Choice};

/// The model to run.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    base: BaseArgs,

    /// An adapter for the model (LoRA, in PEFT's layout), as `zoomr train --keep-adapter` writes one.
    #[arg(long, value_name = "DIR", requires = "model")]
    pub(crate) adapter: Option<PathBuf>,
}

impl Deref for ModelArgs {
    type Target = BaseArgs;

    fn deref(&self) -> &BaseArgs {
        &self.base
    }
}

/// The model, as it is without an adapter.
#[derive(Debug, Args)]
pub(crate) struct BaseArgs {
    /// A Hugging Face model directory, or a hub id (`org/name`), fetched into the standard cache [default: the model
    /// inside of this program, which solves the problems of `zoomr data synth`].
    #[arg(long, short, value_name = "DIR|ID")]
    model: Option<String>,

    #[command(flatten)]
    backend: BackendArgs,
}

impl BaseArgs {
    /// The backend to compute on.
    pub(crate) fn backend(&self) -> Choice {
        self.backend.choice()
    }

    /// Whether it is the model inside of the program.
    pub(crate) fn is_builtin(&self) -> bool {
        self.model.is_none()
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(builtin::NAME)
    }

    /// Finds, fetches or unpacks it.
    ///
    /// # Errors
    /// Where there is no such model.
    pub(crate) fn locate(&self, status: &Status) -> Result<ModelDir> {
        match &self.model {
            Some(model) => find(model, status).map(ModelDir::Found),
            None => builtin::unpack().map(ModelDir::Unpacked),
        }
    }
}

/// The directory that `model` names, or a cached copy of the hub's model of that id.
///
/// # Errors
/// Where there is neither, or the model cannot be fetched.
#[cfg(feature = "hub")]
pub(crate) fn find(model: &str, status: &Status) -> Result<PathBuf> {
    Ok(zoomr_model::hub::resolve(model, &mut status.download())?)
}

/// The directory that `model` names; nothing is fetched without the Cargo feature `hub`.
///
/// # Errors
/// Where there is none.
#[cfg(not(feature = "hub"))]
pub(crate) fn find(model: &str, _: &Status) -> Result<PathBuf> {
    let path = PathBuf::from(model);
    anyhow::ensure!(
        path.is_dir(),
        "no directory {model:?}; fetching models by their hub id takes a zoomr with the Cargo feature `hub` (on by \
         default)"
    );
    Ok(path)
}

/// A model's directory.
#[derive(Debug)]
pub(crate) enum ModelDir {
    /// It is there to stay.
    Found(PathBuf),
    /// It goes with this value.
    Unpacked(Scratch),
}

impl Deref for ModelDir {
    type Target = Path;

    fn deref(&self) -> &Path {
        match self {
            Self::Found(path) => path,
            Self::Unpacked(dir) => dir.path(),
        }
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
