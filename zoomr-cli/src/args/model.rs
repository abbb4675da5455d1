//! Which model, on which backend.

use std::{
    num::NonZeroUsize,
    ops::Deref,
    path::{Path, PathBuf},
};

use anyhow::Result;
use clap::Args;
use zoomr_core::weight::Encoding;
use zoomr_model::{
    atomic_file::Scratch,
    config::ModelConfig,
    gguf::{is_gguf, located},
    pretrained::{Foreign, architecture},
    weights::Precision,
};

use super::parse::{precision, thread_count};
use crate::{builtin, output::status::Status, provider::BackendName, threads};

/// The model to run.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    #[command(flatten)]
    base: BaseArgs,

    #[command(flatten)]
    compute: ComputeArgs,

    /// An adapter for the model (LoRA, in PEFT's layout), as `zoomr train --keep-adapter` writes one.
    #[arg(long, value_name = "DIR", requires = "model")]
    pub(crate) adapter: Option<PathBuf>,

    /// Put matrices of floats into blocks of fewer bits when they are loaded; those that a GGUF file has in blocks stay as
    /// they are. Embedding and output head have 8 bits at least.
    #[arg(long, value_name = "FORMAT", value_parser = precision(&BLOCKS), ignore_case = true)]
    weights: Option<Precision>,
}

/// The formats that matrices can be put into.
const BLOCKS: [Precision; 3] =
    [Precision::Blocks(Encoding::Q8_0), Precision::Blocks(Encoding::Q4_0), Precision::Blocks(Encoding::Q4K)];

impl Deref for ModelArgs {
    type Target = BaseArgs;

    fn deref(&self) -> &BaseArgs {
        &self.base
    }
}

/// The model, as it is without an adapter.
#[derive(Debug, Args)]
pub(crate) struct BaseArgs {
    /// A Hugging Face model directory, a GGUF file, or a hub id (`org/name`; `org/name:Q4_K_M` for a GGUF file of a
    /// repository), fetched into the standard cache [default: the model inside of this program, which solves the
    /// problems of `zoomr data synth`].
    #[arg(long, short, value_name = "DIR|FILE|ID")]
    model: Option<String>,
}

impl ModelArgs {
    /// What matrices are to be put into.
    pub(crate) fn encoding(&self) -> Option<Encoding> {
        match self.weights? {
            Precision::Blocks(encoding) => Some(encoding),
            Precision::F32 | Precision::F16 | Precision::Bf16 => None,
        }
    }

    /// As [`ComputeArgs::start`].
    ///
    /// # Errors
    /// As there.
    pub(crate) fn start(&self) -> Result<BackendName> {
        self.compute.start()
    }
}

impl BaseArgs {
    /// Whether it is the model inside of the program.
    pub(crate) fn is_builtin(&self) -> bool {
        self.model.is_none()
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> &str {
        self.model.as_deref().unwrap_or(builtin::NAME)
    }

    /// As [`locate`](Self::locate), where sizes are all that is wanted: then its `config.json` will do.
    ///
    /// # Errors
    /// As [`locate`](Self::locate).
    pub(crate) fn describe(&self, status: &Status) -> Result<Described> {
        match self.model.as_ref().map(PathBuf::from).filter(|path| path.is_file() && !is_gguf(path)) {
            Some(path) => match Foreign::at(&path) {
                Some(foreign) => Err(foreign.into()),
                None => Ok(Described::Config(path)),
            },
            None => self.locate(status).map(Described::Dir),
        }
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

/// A model as far as its sizes go.
#[derive(Debug)]
pub(crate) enum Described {
    /// Its directory.
    Dir(ModelDir),
    /// Its `config.json` alone.
    Config(PathBuf),
}

impl Described {
    /// The directory, if there is one.
    pub(crate) fn dir(&self) -> Option<&Path> {
        match self {
            Self::Dir(dir) => Some(dir),
            Self::Config(_) => None,
        }
    }

    /// The architecture.
    ///
    /// # Errors
    /// Where the configuration cannot be read, or describes no model that zoomr runs.
    pub(crate) fn config(&self) -> Result<ModelConfig, zoomr_model::Error> {
        match self {
            Self::Dir(dir) => architecture(dir),
            Self::Config(path) => ModelConfig::from_file(path),
        }
    }
}

/// The directory or GGUF file that `model` names, or a cached copy of the hub's model of that id.
///
/// # Errors
/// Where there is neither, the model cannot be fetched, or it is of a format that zoomr does not read.
pub(crate) fn find(model: &str, status: &Status) -> Result<PathBuf> {
    if let Some(foreign) = Foreign::at(Path::new(model)) {
        return Err(foreign.into());
    }
    let place = located(Path::new(model));
    if is_gguf(&place) { Ok(place) } else { resolve(model, status) }
}

#[cfg(feature = "hub")]
fn resolve(model: &str, status: &Status) -> Result<PathBuf> {
    Ok(zoomr_model::hub::resolve(model, &mut status.download())?)
}

/// Nothing is fetched without the Cargo feature `hub`.
#[cfg(not(feature = "hub"))]
fn resolve(model: &str, _: &Status) -> Result<PathBuf> {
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

/// How to compute.
#[derive(Debug, Args)]
pub(crate) struct ComputeArgs {
    #[command(flatten)]
    backend: BackendArgs,

    /// Threads to compute on [default: one for each processor].
    #[arg(long, short, value_name = "N", value_parser = thread_count)]
    threads: Option<NonZeroUsize>,
}

impl ComputeArgs {
    /// Starts the threads; the backend to compute on.
    ///
    /// # Errors
    /// Where none can be started.
    pub(crate) fn start(&self) -> Result<BackendName> {
        threads::start(self.threads)?;
        Ok(self.backend.backend())
    }
}

/// What to compute on.
#[derive(Debug, Args)]
pub(crate) struct BackendArgs {
    /// What to compute on.
    #[cfg(all(feature = "cpu", feature = "cuda"))]
    #[arg(long, value_enum, default_value = "cpu")]
    backend: BackendName,
}

impl BackendArgs {
    /// The backend built in, or the one asked for.
    pub(crate) fn backend(&self) -> BackendName {
        #[cfg(all(feature = "cpu", feature = "cuda"))]
        return self.backend;
        #[cfg(not(all(feature = "cpu", feature = "cuda")))]
        return BackendName::ONLY;
    }
}
