//! A directory for copies that are of no use to anybody once the process is over.

use std::{io, path::Path};

use super::unfinished::Unfinished;

/// A temporary directory. It goes when dropped; that of a process that was killed, when the next one is made.
#[derive(Debug)]
pub struct Scratch(Unfinished);

impl Scratch {
    /// Makes one.
    ///
    /// # Errors
    /// Where the system has no place for such.
    pub fn new() -> io::Result<Self> {
        Unfinished::dir().map(Self)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}
