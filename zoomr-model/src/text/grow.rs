//! A tokenizer with more special tokens than it had.

use std::{fs, path::Path};

use tokenizers::AddedToken;

use super::{FileError, checked, tokenizer::TokenizerError};
use crate::atomic_file::{self, Existing};

/// Writes the tokenizer of the model directory `from` to the directory `to`, with the special tokens `words`, each
/// where it is missing. New tokens have the ids after the last.
///
/// # Errors
/// [`TokenizerError`], naming the file, where the tokenizer is missing or of no use, or cannot be written.
pub fn add_special(from: &Path, words: &[&str], to: &Path) -> Result<(), TokenizerError> {
    let path = from.join("tokenizer.json");
    let bytes = fs::read(&path).map_err(|source| FileError::Read { path: path.clone(), source })?;
    let corrupt = |source| TokenizerError::Corrupt { path: path.clone(), source };
    let mut tokenizer = checked::load(&bytes).map_err(|fault| TokenizerError::loading(&path, fault))?;
    let missing: Vec<AddedToken> = words
        .iter()
        .filter(|word| tokenizer.token_to_id(word).is_none())
        .map(|word| AddedToken::from(*word, true))
        .collect();
    let text = match missing.is_empty() {
        true => bytes,
        false => {
            tokenizer.add_special_tokens(&missing);
            tokenizer.to_string(false).map_err(corrupt)?.into_bytes()
        }
    };
    let path = to.join("tokenizer.json");
    let written = atomic_file::write(&path, &text, Existing::Replace);
    Ok(written.map_err(|error| FileError::Write { path, source: error.into_io() })?)
}
