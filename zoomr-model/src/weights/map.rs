//! A file as bytes, without reading it: the only unsafe code of this crate.

use std::{fs::File, io, path::Path};

use memmap2::Mmap;

/// Maps a whole file, read-only.
///
/// # Errors
/// Whatever the system says on opening or mapping it; an empty file cannot be mapped.
#[expect(
    unsafe_code,
    reason = "mapping weights is what keeps them from being copied; a map is unsafe by nature"
)]
pub(super) fn map(path: &Path) -> io::Result<Mmap> {
    let file = File::open(path)?;
    // SAFETY: the map is read-only and private, and its bytes are only ever read as plain numbers, for which
    // every bit pattern is valid. What remains is another process cutting or rewriting the file while it is
    // mapped: that ends or spoils this process, as it does every program that maps its model. Downloads
    // replace files by renaming, which leaves an open map intact.
    unsafe { Mmap::map(&file) }
}
