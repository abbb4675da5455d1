//! A model in Hugging Face's standard cache: `blobs` by their ETags, `refs` from revisions to commits, `snapshots` of
//! commits with links to blobs, and locks in `.locks` beside all models.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::{
    HubError, ModelId, files,
    id::{Commit, Etag},
};
use crate::atomic_file::{self, Existing, sync_dir};

/// A model's directories.
#[derive(Debug)]
pub(super) struct Repository {
    dir: PathBuf,
    locks: PathBuf,
}

/// What an error of the file system is about.
pub(super) fn cache_error(path: &Path) -> impl FnOnce(io::Error) -> HubError {
    let path = path.to_owned();
    |source| HubError::Cache { path, source }
}

impl Repository {
    /// The directories of the model `id` below `cache`; nothing is made yet.
    pub(super) fn new(cache: &Path, id: &ModelId) -> Self {
        Self { dir: cache.join(id.dir()), locks: cache.join(".locks").join(id.dir()) }
    }

    /// Where a blob is, or will be.
    pub(super) fn blob(&self, etag: &Etag) -> PathBuf {
        self.dir.join("blobs").join(etag.as_str())
    }

    /// Where a blob is while it arrives.
    pub(super) fn incomplete(&self, etag: &Etag) -> PathBuf {
        self.dir.join("blobs").join(format!("{}.incomplete", etag.as_str()))
    }

    /// Where the files of a commit are.
    pub(super) fn snapshot(&self, commit: &Commit) -> PathBuf {
        self.dir.join("snapshots").join(commit.as_str())
    }

    fn reference(&self, id: &ModelId) -> PathBuf {
        self.dir.join("refs").join(id.revision())
    }

    /// What `id` asks for, as far as the cache knows, if it has all that a model needs.
    pub(super) fn complete(&self, id: &ModelId) -> Option<PathBuf> {
        let commit = id.commit().or_else(|| {
            let text = fs::read_to_string(self.reference(id)).ok()?;
            Commit::parse(text.trim()).ok()
        })?;
        files::found(&self.snapshot(&commit), id)
    }

    /// Notes which commit the revision of `id` is.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn refer(&self, id: &ModelId, commit: &Commit) -> Result<(), HubError> {
        if id.commit().is_some() {
            return Ok(());
        }
        let path = self.reference(id);
        if fs::read_to_string(&path).is_ok_and(|known| known == commit.as_str()) {
            return Ok(());
        }
        make_parent(&path)?;
        atomic_file::write(&path, commit.as_str().as_bytes(), Existing::Replace)
            .map_err(|error| cache_error(&path)(error.into_io()))
    }

    /// Has the blob be the file `name` of a commit.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn link(&self, etag: &Etag, commit: &Commit, name: &str) -> Result<(), HubError> {
        let path = self.snapshot(commit).join(name);
        make_parent(&path)?;
        // What is there leads nowhere: it was looked at before.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(cache_error(&path)(error)),
            _ => {}
        }
        match link(&self.blob(etag), &path, etag) {
            // Another process was faster.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(cache_error(&path)(error)),
            _ => path.parent().map_or(Ok(()), sync_dir).map_err(cache_error(&path)),
        }
    }

    /// Takes a blob for this process, as long as the value lives; `waiting` is called where another has it. Where a file
    /// system has no locks, we do without.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn lock(&self, etag: &Etag, waiting: impl FnOnce()) -> Result<File, HubError> {
        let path = self.locks.join(format!("{}.lock", etag.as_str()));
        make_parent(&path)?;
        let file = File::options().create(true).append(true).open(&path).map_err(cache_error(&path))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            waiting();
            file.lock().map_err(cache_error(&path))?;
        }
        Ok(file)
    }
}

/// Makes the directory that a file is to be in.
pub(super) fn make_parent(path: &Path) -> Result<(), HubError> {
    let Some(dir) = path.parent() else { return Ok(()) };
    fs::create_dir_all(dir).map_err(cache_error(dir))
}

#[cfg(unix)]
fn link(_blob: &Path, path: &Path, etag: &Etag) -> io::Result<()> {
    // snapshots/COMMIT/NAME; relative, so that a cache can be moved.
    std::os::unix::fs::symlink(Path::new("../../blobs").join(etag.as_str()), path)
}

/// Links to files take rights that not everybody has there; a second name of the same file will do.
#[cfg(not(unix))]
fn link(blob: &Path, path: &Path, _etag: &Etag) -> io::Result<()> {
    fs::hard_link(blob, path)
}
