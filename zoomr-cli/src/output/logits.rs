//! Logits as a safetensors file with one tensor, `logits`, `[tokens, vocab]` in f32, written row by row.
//!
//! The format: the header's length in 8 little-endian bytes, the header (JSON, padded with spaces to a
//! multiple of 8), then the numbers. All sizes are known before the first row, so no row is kept.

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use super::OutFile;

/// The file under construction.
#[derive(Debug)]
pub(crate) struct LogitsFile {
    file: OutFile,
}

impl LogitsFile {
    /// Begins the file.
    ///
    /// # Errors
    /// Where `path` cannot be written.
    pub(crate) fn create(path: &Path) -> Result<Self> {
        Ok(Self { file: OutFile::create("--logits", path)? })
    }

    /// Writes the header: `tokens` rows of `vocab` logits will follow.
    ///
    /// # Errors
    /// Where the medium is full or fails.
    pub(crate) fn begin(&mut self, tokens: usize, vocab: usize) -> Result<()> {
        let bytes = tokens * vocab * size_of::<f32>();
        let logits = json!({"dtype": "F32", "shape": [tokens, vocab], "data_offsets": [0, bytes]});
        let mut header = json!({ "logits": logits }).to_string();
        header.push_str(&" ".repeat(header.len().next_multiple_of(8) - header.len()));
        self.file.write(&(header.len() as u64).to_le_bytes())?;
        self.file.write(header.as_bytes())
    }

    /// Adds rows.
    ///
    /// # Errors
    /// Where the medium is full or fails.
    pub(crate) fn rows(&mut self, logits: &[f32]) -> Result<()> {
        let bytes: Vec<u8> = logits.iter().flat_map(|logit| logit.to_le_bytes()).collect();
        self.file.write(&bytes)
    }

    /// Puts the file in its place; all rows announced are in it.
    ///
    /// # Errors
    /// Where that fails.
    pub(crate) fn finish(self) -> Result<()> {
        self.file.finish()
    }
}
