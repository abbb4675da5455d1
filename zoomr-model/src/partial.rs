//! Unfinished files: beside their place, to be moved there when finished.

use std::{ffi::OsStr, fs, io, path::Path};

use tempfile::{Builder, NamedTempFile};

/// What names of unfinished files end in, after the name of the finished one and some letters drawn at random.
const SUFFIX: &str = ".part";
/// How many letters.
const LETTERS: usize = 6;

/// An empty file in the directory of `path`, with a name like it that ends in `.part`; gone when dropped, unless it is
/// moved to its place before. Others may read it as they may any new file, by the umask.
///
/// # Errors
/// Where `path` names no file, or its directory cannot be written to.
pub(crate) fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let (dir, name) = place(path)?;
    let mut builder = Builder::new();
    builder.prefix(name).rand_bytes(LETTERS).suffix(SUFFIX);
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        // As for any new file: what the umask leaves of this.
        builder.permissions(Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}

/// Removes what processes that were killed have left [`beside`] the file `path`; no other may be writing it now.
///
/// # Errors
/// Where `path` names no file, or the system refuses.
pub(crate) fn sweep(path: &Path) -> io::Result<()> {
    let (dir, name) = place(path)?;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.file_name();
        let drawn = found.as_encoded_bytes().strip_prefix(name.as_encoded_bytes());
        let drawn = drawn.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
        if drawn
            .is_some_and(|letters| letters.len() == LETTERS && letters.iter().all(u8::is_ascii_alphanumeric))
        {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Directory and name of a file.
fn place(path: &Path) -> io::Result<(&Path, &OsStr)> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((dir, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_swept_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log.jsonl");
        let (_, left) = beside(&path).unwrap().keep().unwrap();
        let others = ["log.jsonl", "log.jsonl.part", "log.jsonl.mine.part", "xlog.jsonlabcdef.part"];
        others.iter().for_each(|name| fs::write(dir.path().join(name), "kept").unwrap());
        assert!(left.exists());
        sweep(&path).unwrap();
        assert!(!left.exists());
        assert!(others.iter().all(|name| dir.path().join(name).exists()));
    }
}
