//! Models by name: a directory, or a hub id (`org/name`) fetched into Hugging Face's standard cache.
//!
//! The transport is `hf-hub`'s, synchronous. A revision is downloaded file by file and becomes the one that
//! offline use finds only when all of it is there; files that did not change since the last revision are not
//! downloaded again, and a download that was cut goes on where it stopped. Only what zoomr reads is fetched
//! (`files.rs`).
//!
//! These environment variables count, as they do for Hugging Face's own tools: `HF_HOME`, `HF_HUB_CACHE`,
//! `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE`, `XDG_CACHE_HOME`.
//!
//! Nothing is drawn here: whoever wants a progress bar implements [`Progress`].

mod download;
mod error;
mod files;
mod progress;

use std::path::{Path, PathBuf};

use hf_hub::{
    Cache, CacheRepo, Repo,
    api::{
        RepoInfo,
        sync::{Api, ApiBuilder, ApiError},
    },
};

pub use error::HubError;
pub use progress::Progress;

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

/// The id of a model on the hub: `org/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelId(String);

impl ModelId {
    /// Takes a hub id apart from what cannot be one.
    ///
    /// # Errors
    /// [`HubError::NotAModel`] for anything but two names of letters, digits, `-`, `_` and `.`, the first of
    /// which is no dot.
    pub fn parse(text: &str) -> Result<Self, HubError> {
        let is_name = |name: &str| {
            let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            !name.is_empty() && !name.starts_with('.') && name.chars().all(known)
        };
        match text.split_once('/') {
            Some((org, name)) if is_name(org) && is_name(name) => Ok(Self(text.to_owned())),
            _ => Err(HubError::NotAModel { model: text.to_owned() }),
        }
    }
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A hub and the cache in front of it.
pub struct Hub {
    cache: Cache,
    /// Without one, hf-hub's default.
    endpoint: Option<String>,
    token: Option<String>,
    offline: bool,
}

impl Hub {
    /// The hub that the environment variables describe.
    ///
    /// # Errors
    /// [`HubError::NoHome`] where no variable and no home directory says where the cache is.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// The hub that some variables describe; one that is empty counts as not set.
    ///
    /// # Errors
    /// As for [`from_env`](Self::from_env).
    pub fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let var = |name: &str| var(name).filter(|value| !value.is_empty());
        let home = var("HF_HOME").map(PathBuf::from).or_else(|| {
            let caches = var("XDG_CACHE_HOME").map(PathBuf::from);
            let caches = caches.or_else(|| Some(std::env::home_dir()?.join(".cache")));
            caches.map(|dir| dir.join("huggingface"))
        });
        let own = home.map(|home| Cache::new(home.join("hub")));
        let cache = var("HF_HUB_CACHE").map(|dir| Cache::new(dir.into()));
        let offline = var("HF_HUB_OFFLINE").map(|value| value.to_uppercase());
        Ok(Self {
            // The token that a login left lies beside the cache's usual place, wherever the cache is.
            token: var("HF_TOKEN").or_else(|| own.as_ref()?.token()),
            cache: cache.or(own).ok_or(HubError::NoHome)?,
            endpoint: var("HF_ENDPOINT").map(|url| url.trim_end_matches('/').to_owned()),
            offline: matches!(offline.as_deref(), Some("1" | "ON" | "YES" | "TRUE")),
        })
    }

    /// Where the models are kept.
    pub fn cache_dir(&self) -> &Path {
        self.cache.path()
    }

    /// The directory of a model's newest revision, downloaded as far as it is not in the cache.
    ///
    /// Where the hub cannot be reached (or must not be: `HF_HUB_OFFLINE`), the last revision fetched will do.
    ///
    /// # Errors
    /// [`HubError`] where the hub has no such model or refuses it, where zoomr cannot read its format, and
    /// where a download fails.
    pub fn fetch(&self, id: &ModelId, progress: &mut dyn Progress) -> Result<PathBuf, HubError> {
        if self.offline {
            return self.cached(id).ok_or_else(|| self.not_cached(id));
        }
        let unreachable = |source| HubError::Unreachable {
            id: id.clone(),
            cache: self.cache_dir().to_owned(),
            source: Box::new(source),
        };
        let api = self.api().map_err(unreachable)?;
        match api.repo(Repo::model(id.to_string())).info() {
            Ok(info) => self.download(id, &api, &info, progress),
            Err(source) => {
                let error = error::refusal(id, &source).unwrap_or_else(|| unreachable(source));
                match self.cached(id) {
                    Some(path) if matches!(error, HubError::Unreachable { .. }) => {
                        progress.using_cached(&error);
                        Ok(path)
                    }
                    _ => Err(error),
                }
            }
        }
    }

    fn api(&self) -> Result<Api, ApiError> {
        let builder = ApiBuilder::from_cache(self.cache.clone());
        let builder = builder.with_token(self.token.clone()).with_progress(false);
        match &self.endpoint {
            Some(endpoint) => builder.with_endpoint(endpoint.clone()).build(),
            None => builder.build(),
        }
    }

    fn download(
        &self,
        id: &ModelId,
        api: &Api,
        info: &RepoInfo,
        progress: &mut dyn Progress,
    ) -> Result<PathBuf, HubError> {
        let cached = self.repo(id);
        let snapshot = cached.pointer_path(&info.sha);
        let listed: Vec<&str> = info.siblings.iter().map(|file| file.rfilename.as_str()).collect();
        download::Download::new(id, api, &info.sha, &cached, progress).all(&listed)?;
        // Only now, with all files there, does offline use find this revision.
        cached.create_ref(&info.sha).map_err(|source| HubError::Cache { path: snapshot.clone(), source })?;
        Ok(snapshot)
    }

    /// The revision that was fetched last, if all of it is there.
    fn cached(&self, id: &ModelId) -> Option<PathBuf> {
        let config = self.repo(id).get(files::CONFIG)?;
        let snapshot = config.parent()?;
        files::is_complete(snapshot).then(|| snapshot.to_owned())
    }

    fn not_cached(&self, id: &ModelId) -> HubError {
        HubError::Offline { id: id.clone(), cache: self.cache_dir().to_owned() }
    }

    fn repo(&self, id: &ModelId) -> CacheRepo {
        self.cache.repo(Repo::model(id.to_string()))
    }
}
