//! A file as bytes, without reading it: the only unsafe code of this crate.

use std::{fs::File, io};

use memmap2::Mmap;

/// Maps a whole file, read-only.
///
/// What another program does to the file while it is mapped shows here. Numbers that it writes are computed with: any
/// bit pattern is a number, so that the result is wrong, but nothing else. If it cuts the file, the system ends this
/// process at the next look at what is gone (SIGBUS on Unix), as it ends every program that maps its model. Who
/// replaces a file by renaming another one onto it, as downloads and `zoomr train` do, leaves an open map as it is.
///
/// # Errors
/// Whatever the system says on mapping it; an empty file cannot be mapped.
#[expect(
    unsafe_code,
    reason = "mapping weights is what keeps them from being copied; a map is unsafe by nature"
)]
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the map is read-only and private, and its bytes are only ever read as plain numbers, for which every bit
    // pattern is valid: `header` copies what is parsed as text before it looks at it. What remains is another process
    // that cuts or rewrites the file, as said above.
    unsafe { Mmap::map(file) }
}
