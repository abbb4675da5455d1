//! Unfinished files: beside their place, to be moved there when finished.

use std::{io, path::Path};

use tempfile::{Builder, NamedTempFile};

/// An empty file in the directory of `path`, with a name like it that ends in `.part`; gone when dropped, unless it is
/// moved to its place before. Others may read it as they may any new file, by the umask.
///
/// # Errors
/// Where `path` names no file, or its directory cannot be written to.
pub fn beside(path: &Path) -> io::Result<NamedTempFile> {
    let name =
        path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = Builder::new();
    builder.prefix(name).suffix(".part");
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};
        // As for any new file: what the umask leaves of this.
        builder.permissions(Permissions::from_mode(0o666));
    }
    builder.tempfile_in(dir)
}
