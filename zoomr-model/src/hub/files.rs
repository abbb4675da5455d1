//! Which files of a repository zoomr reads, and whether a directory has them.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;

use super::HubError;
use crate::{entries::Entries, text_file};

/// The one file that every model has.
pub(super) const CONFIG: &str = "config.json";
/// All weights in one file.
pub(super) const WEIGHTS: &str = "model.safetensors";
/// Which of several files each weight is in.
pub(super) const INDEX: &str = "model.safetensors.index.json";
/// What is fetched besides the weights, where the repository has it.
pub(super) const SMALL: [&str; 8] = [
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
    "zoomr.json",
];

/// The most bytes that one of these may have; a tokenizer of a million words has 60 MB.
pub(super) const LARGEST: u64 = 256 << 20;

#[derive(Deserialize)]
struct Index {
    weight_map: Entries<String>,
}

/// The names of the weight files that an index file speaks of.
///
/// # Errors
/// [`HubError::Index`] where it cannot be read, or names something other than a file beside it.
pub(super) fn shards(index: &Path) -> Result<BTreeSet<String>, HubError> {
    let bad = |reason: String| HubError::Index { path: index.to_owned(), reason };
    let json = text_file::read(index).map_err(|error| bad(error.to_string()))?;
    let parsed: Index = serde_json::from_str(&json).map_err(|error| bad(error.to_string()))?;
    let shards: BTreeSet<String> = parsed.weight_map.0.into_iter().map(|(_, shard)| shard).collect();
    // The names become paths in the cache: one that climbs out of it must not pass.
    match shards.iter().find(|name| Path::new(name).file_name() != Some(name.as_ref())) {
        Some(name) => Err(bad(format!("{name:?} is not a plain file name"))),
        None => Ok(shards),
    }
}

/// Whether a directory has a model's configuration and all of its weights.
pub(super) fn is_complete(dir: &Path) -> bool {
    let has = |name: &str| dir.join(name).exists();
    let has_shards = || shards(&dir.join(INDEX)).is_ok_and(|all| all.iter().all(|name| has(name)));
    has(CONFIG) && (has(WEIGHTS) || has_shards())
}
