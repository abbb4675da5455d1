//! Files and directories that are being made, under names that say so, and what killed processes have left of them.
//!
//! Whoever makes one holds a lock on it. So what nobody has locked was left, and goes when the next one is made in that
//! directory. Where a file system has no locks, nothing goes.

use std::{
    collections::BTreeSet,
    env, fs,
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use tempfile::Builder;

use super::{Existing, sync_dir};

/// What their names end in, after a part of the finished one's name and some letters drawn at random; nobody else's do.
const SUFFIX: &str = ".zoomr.part";
/// How much of the finished one's name, in characters: all of it might be too long with what is added.
const SHOWN: usize = 32;

/// Those of this process.
static OURS: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn ours() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Something that is being made; it goes when dropped.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
    /// Locked; a system on which a directory cannot be opened has no lock for it.
    _lock: Option<File>,
}

impl Unfinished {
    /// An empty file in the directory of `path`, with a name like it, open for writing. Others may read it as they may
    /// any new file, by the umask.
    ///
    /// # Errors
    /// Where `path` names no file, or its directory cannot be written to.
    pub(super) fn file(path: &Path) -> io::Result<(File, Self)> {
        let name = path
            .file_name()
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
        let dir = parent(path);
        sweep(dir);
        let shown: String = name.to_string_lossy().chars().take(SHOWN).collect();
        loop {
            let made = builder(&format!("{shown}.")).make_in(dir, |path| File::create_new(path))?;
            let (file, path) = made.keep().map_err(|error| error.error)?;
            if let Some(unfinished) = Self::claim(path, Some(file.try_clone()?)) {
                return Ok((file, unfinished));
            }
        }
    }

    /// An empty directory in the system's place for such.
    ///
    /// # Errors
    /// Where there is none.
    pub(super) fn dir() -> io::Result<Self> {
        sweep(&env::temp_dir());
        loop {
            let path = builder("zoomr.").tempdir()?.keep();
            let lock = File::open(&path).ok();
            if let Some(unfinished) = Self::claim(path, lock) {
                return Ok(unfinished);
            }
        }
    }

    /// Takes what was just made for this process; `None` where another took it for a left one before that.
    fn claim(path: PathBuf, lock: Option<File>) -> Option<Self> {
        if lock.as_ref().is_some_and(|lock| !is_ours(lock)) || !path.exists() {
            return None;
        }
        ours().insert(path.clone());
        Some(Self { path, _lock: lock })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Moves a file to its place, for good.
    ///
    /// # Errors
    /// Of kind `AlreadyExists` where there is a file that is not to be replaced.
    pub(super) fn move_to(self, path: &Path, existing: Existing) -> io::Result<()> {
        match existing {
            Existing::Replace => fs::rename(&self.path, path)?,
            Existing::Refuse => tempfile::TempPath::try_from_path(&self.path)?
                .persist_noclobber(path)
                .map_err(|error| error.error)?,
        }
        sync_dir(parent(path))
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        remove(&self.path);
        ours().remove(&self.path);
    }
}

/// Removes what this process has not finished: for whoever ends it at once.
pub fn remove_all() {
    ours().iter().for_each(|path| remove(path));
}

/// Removes what processes that were killed have left in a directory.
pub(crate) fn sweep(dir: &Path) {
    let Ok(entries) = fs::read_dir(dir) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_named = path.as_os_str().as_encoded_bytes().ends_with(SUFFIX.as_bytes());
        // Opening anything else, as a pipe, might wait for ever.
        let is_made = |kind: fs::Metadata| kind.is_file() || kind.is_dir();
        if !is_named || !path.symlink_metadata().is_ok_and(is_made) {
            continue;
        }
        // The lock is held until it is gone.
        let Ok(lock) = File::open(&path) else { continue };
        if lock.try_lock().is_ok() {
            remove(&path);
        }
    }
}

/// Takes a file for this process as long as it is open, unless another has it. Where a file system has no locks, we do
/// without.
pub(crate) fn is_ours(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Removes a file or directory; one that stays does no harm.
fn remove(path: &Path) {
    let _ = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
}

fn builder(prefix: &str) -> Builder<'_, 'static> {
    let mut builder = Builder::new();
    builder.prefix(prefix).suffix(SUFFIX);
    builder
}

/// The directory of a file.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let left = ["log.jsonl.abcdef.zoomr.part", "x.zoomr.part"].map(|name| dir.path().join(name));
        fs::write(&left[0], "half").unwrap();
        fs::create_dir(&left[1]).unwrap();
        fs::write(left[1].join("config.json"), "{}").unwrap();
        let others = ["log.jsonl", "film.part", "log.jsonlabcdef.part"].map(|name| dir.path().join(name));
        others.iter().for_each(|path| fs::write(path, "kept").unwrap());
        let (_file, live) = Unfinished::file(&dir.path().join("other")).unwrap();
        let (_file, also_live) = Unfinished::file(&dir.path().join("log.jsonl")).unwrap();
        assert!(left.iter().all(|path| !path.exists()));
        assert!(others.iter().chain([&live.path, &also_live.path]).all(|path| path.exists()));
    }

    #[test]
    fn directories_go_with_their_value_and_are_nobody_elses() {
        let live = Unfinished::dir().unwrap();
        let path = live.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(Unfinished::dir().unwrap());
        assert!(path.join("file").exists());
        drop(live);
        assert!(!path.exists());
    }
}
