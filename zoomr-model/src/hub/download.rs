//! One revision of one model, from the hub into the cache.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hf_hub::{
    CacheRepo, Repo, RepoType,
    api::sync::{Api, ApiError, ApiRepo},
};

use super::{
    HubError, ModelId, Progress, error,
    files::{CONFIG, INDEX, SMALL, WEIGHTS, shards},
    progress::Listener,
};

/// The download of a revision, file by file.
pub(super) struct Download<'a> {
    id: &'a ModelId,
    api: &'a Api,
    /// The repository at the revision, not at `main`, which may move while files arrive.
    revision: ApiRepo,
    cached: &'a CacheRepo,
    snapshot: PathBuf,
    progress: &'a mut dyn Progress,
}

impl<'a> Download<'a> {
    /// Prepares the download of the revision with commit hash `sha`.
    pub(super) fn new(
        id: &'a ModelId,
        api: &'a Api,
        sha: &str,
        cached: &'a CacheRepo,
        progress: &'a mut dyn Progress,
    ) -> Self {
        let revision = Repo::with_revision(id.to_string(), RepoType::Model, sha.to_owned());
        let snapshot = cached.pointer_path(sha);
        Self { id, api, revision: api.repo(revision), cached, snapshot, progress }
    }

    /// Fetches what zoomr reads of the files that the revision lists: the small ones first.
    pub(super) fn all(mut self, listed: &[&str]) -> Result<(), HubError> {
        let unusable =
            |missing: &str| HubError::NotLoadable { id: self.id.clone(), missing: missing.to_owned() };
        // Said before gigabytes are fetched in vain.
        if !listed.contains(&CONFIG) {
            return Err(unusable(CONFIG));
        }
        let weights = [WEIGHTS, INDEX].into_iter().find(|name| listed.contains(name));
        let weights = weights.ok_or_else(|| unusable("model.safetensors"))?;
        for file in SMALL.into_iter().filter(|name| listed.contains(name)) {
            self.file(file)?;
        }
        self.file(weights)?;
        if weights == INDEX {
            for shard in shards(&self.snapshot.join(INDEX))? {
                self.file(&shard)?;
            }
        }
        Ok(())
    }

    /// Fetches one file, if it is not there.
    fn file(&mut self, name: &str) -> Result<(), HubError> {
        let path = self.snapshot.join(name);
        if path.exists() {
            return Ok(());
        }
        let metadata =
            self.api.metadata(&self.revision.url(name)).map_err(|source| self.failed(name, source))?;
        let size = metadata.size() as u64;
        let blob = self.cached.blob_path(metadata.etag());
        if len(&blob) == Some(size) && second_name(&blob, &path).is_ok() {
            return Ok(());
        }
        discard_unresumable(&blob, size)?;
        let fetched = self
            .revision
            .download_with_progress(name, Listener::new(self.progress))
            .map_err(|source| self.failed(name, source))?;
        match len(&fetched) {
            Some(got) if got == size => Ok(()),
            got => Err(self.discard(name, [fetched, blob], got.unwrap_or(0), size)),
        }
    }

    /// Throws away a file of the wrong length.
    fn discard(&self, name: &str, paths: [PathBuf; 2], got: u64, size: u64) -> HubError {
        for path in paths {
            if let Err(source) = fs::remove_file(&path) {
                return HubError::Cache { path, source };
            }
        }
        HubError::Garbled { id: self.id.clone(), file: name.to_owned(), got, size }
    }

    fn failed(&self, file: &str, source: ApiError) -> HubError {
        error::refusal(self.id, &source).unwrap_or_else(|| HubError::Download {
            id: self.id.clone(),
            file: file.to_owned(),
            source: Box::new(source),
        })
    }
}

fn len(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|metadata| metadata.len())
}

/// Gives a file that an earlier revision brought its place in this one.
fn second_name(blob: &Path, path: &Path) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    fs::hard_link(blob, path)
}

/// Removes what hf-hub could not go on from: a partial file that is as long as the whole, or longer.
fn discard_unresumable(blob: &Path, size: u64) -> Result<(), HubError> {
    let part = blob.with_extension("part");
    if len(&part).is_some_and(|len| len >= size) {
        fs::remove_file(&part).map_err(|source| HubError::Cache { path: part, source })?;
    }
    Ok(())
}
