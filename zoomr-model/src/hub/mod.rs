//! Models by name: a directory, or a hub id (`org/name`, `org/name@revision`, `org/name:Q4_K_M`) fetched into Hugging Face's standard
//! cache.
//!
//! A revision is downloaded file by file and becomes the one that offline use finds only when all of it is there;
//! files that did not change since the last revision are not downloaded again, and a download that was cut goes on
//! where it stopped. Only what zoomr reads is fetched.
//!
//! A hub is not trusted: what it says becomes a path only after a check, the token goes to nobody else, nothing is
//! longer than was said, and whoever sends nothing is given up.
//!
//! | file | what it is about |
//! |---|---|
//! | `id` | names that become paths |
//! | `environment` | the variables that say where the cache is, and what to ask whom |
//! | `client` | questions over HTTP |
//! | `cache` | blobs, refs, snapshots and locks |
//! | `blob` | one file as it arrives |
//! | `download` | one revision, file by file |
//! | `files` | which files zoomr reads |
//!
//! Nothing is drawn here: whoever wants a progress bar implements [`Progress`].

mod blob;
mod cache;
mod client;
mod download;
mod environment;
mod error;
mod files;
mod id;
mod progress;

use std::path::{Path, PathBuf};

pub use error::{HubError, TransportError};
pub use id::ModelId;
pub use progress::Progress;

use self::{cache::Repository, client::Client, download::Download, environment::Environment};

/// The directory of a model: the one that `model` names, or a cached copy of the hub's model of that id.
///
/// # Errors
/// [`HubError`] where there is neither, or the model cannot be fetched.
pub fn resolve(model: &str, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
    let path = Path::new(model);
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if path.exists() {
        return Err(HubError::NotADirectory { path: path.to_owned() });
    }
    let id = ModelId::parse(model)?;
    Hub::from_env()?.fetch(&id, progress)
}

/// A hub and the cache in front of it.
pub struct Hub {
    environment: Environment,
}

impl Hub {
    /// The hub that the environment variables describe: those that Hugging Face's own tools know.
    ///
    /// # Errors
    /// [`HubError::NoHome`] where no variable and no home directory says where the cache is, [`HubError::Endpoint`] and
    /// [`HubError::Token`] where a variable is of no use.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// The hub that some variables describe; one that is empty counts as not set.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        Ok(Self { environment: Environment::read(var)? })
    }

    /// Where the models are kept.
    pub fn cache_dir(&self) -> &Path {
        &self.environment.cache
    }

    /// The directory of the revision that `id` asks for, or its file in GGUF, downloaded as far as it is not in the cache.
    ///
    /// Where the hub cannot be reached (or must not be: `HF_HUB_OFFLINE`), what the cache has of that name will do.
    ///
    /// # Errors
    /// [`HubError`] where the hub has no such model or refuses it, where zoomr cannot read its format, and
    /// where a download fails.
    pub fn fetch(&self, id: &ModelId, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
        let cached = Repository::new(self.cache_dir(), id);
        let cache = || self.cache_dir().to_owned();
        if self.environment.offline {
            let offline = || HubError::Offline { id: id.clone(), cache: cache() };
            return cached.complete(id).ok_or_else(offline);
        }
        let client = Client::new(&self.environment);
        let revision = match client.revision(id) {
            Ok(revision) => revision,
            Err(source) => {
                if let Some(refusal) = source.refusal(id) {
                    return Err(refusal);
                }
                let Some(snapshot) = cached.complete(id) else {
                    return Err(HubError::Unreachable {
                        id: id.clone(),
                        cache: cache(),
                        source: Box::new(source),
                    });
                };
                progress.using_cached(id, &source);
                return Ok(snapshot);
            }
        };
        let (environment, client) = (&self.environment, &client);
        let download = Download { id, environment, client, cached: &cached, revision: &revision, progress };
        let snapshot = download.all()?;
        // Only now, with all files there, does offline use find this revision.
        cached.refer(id, &revision.commit)?;
        Ok(snapshot)
    }
}
