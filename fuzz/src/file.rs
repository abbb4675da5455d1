//! Bytes as files: where they are put, and how a fuzzer writes safetensors.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

thread_local! {
    /// One for each thread: tests run side by side, a fuzz target in one.
    static SCRATCH: TempDir = tempfile::tempdir().unwrap();
}

/// A folder of this thread's own, with what the last call has left in it.
pub(crate) fn scratch(name: &str) -> PathBuf {
    let dir = SCRATCH.with(|scratch| scratch.path().join(name));
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// A safetensors file. Bytes that begin as its header, `{`, lack the header's length: it is put before them, and the
/// header ends at the first line break, which is left out. So changes of the header leave it a header. Other bytes are
/// the whole file.
pub(crate) fn framed(bytes: &[u8]) -> Vec<u8> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) if bytes.starts_with(b"{") => {
            [&(end as u64).to_le_bytes(), &bytes[..end], &bytes[end + 1..]].concat()
        }
        _ => bytes.to_vec(),
    }
}
