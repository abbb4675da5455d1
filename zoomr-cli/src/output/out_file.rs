//! Files that commands write, under the flag that named them; what they are is `zoomr_model::atomic_file`'s.

use std::path::Path;

use anyhow::{Context, Result};
use zoomr_model::atomic_file::{AtomicFile, Existing};

/// A file under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub(crate) struct OutFile {
    file: AtomicFile,
    /// The flag that named it.
    flag: &'static str,
}

impl OutFile {
    /// Makes sure that `path` can be written, and starts beside it; what is there is replaced.
    ///
    /// # Errors
    /// Where it cannot be; names `flag` and `path`.
    pub(crate) fn create(flag: &'static str, path: &Path) -> Result<Self> {
        Ok(Self { file: AtomicFile::create(path, Existing::Replace).context(flag)?, flag })
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// Where the medium is full or fails.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write(bytes).context(self.flag)
    }

    /// Puts the file in its place, over what was there.
    ///
    /// # Errors
    /// Where that fails; what was there then still is.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.finish().context(self.flag)
    }
}
