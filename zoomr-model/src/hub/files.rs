//! Which files of a repository zoomr reads, and whether a directory has them.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::{HubError, ModelId};
use crate::{entries::Entries, gguf, text_file};

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

/// The files of the model in GGUF whose name ends in `ending`, of those that are `listed`; the first part comes first.
///
/// # Errors
/// The names of all models in GGUF there, where none ends so, or several do.
pub(super) fn of_gguf(ending: &str, listed: &[String]) -> Result<Vec<String>, Vec<String>> {
    // Names become paths in the cache: what lies in folders is left alone.
    let plain = |name: &&String| {
        Path::new(name.as_str()).file_name() == Some(name.as_ref()) && !name.starts_with('.')
    };
    let models: Vec<&String> = listed.iter().filter(plain).filter(|name| gguf::is_model_name(name)).collect();
    let fits = |name: &&&String| gguf::ends_in(name, ending);
    match &models.iter().filter(fits).collect::<Vec<_>>()[..] {
        [model] => Ok(gguf::part_names(model)),
        _ => Err(models.into_iter().cloned().collect()),
    }
}

/// What `id` asks for in a directory of its repository, if all of it is there: the directory, with a configuration and all
/// weights, or a file in GGUF.
pub(super) fn found(dir: &Path, id: &ModelId) -> Option<PathBuf> {
    let has = |name: &str| dir.join(name).exists();
    if let Some(ending) = id.ending() {
        let entries = fs::read_dir(dir).ok()?.flatten();
        let listed: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let parts = of_gguf(ending, &listed).ok()?;
        return parts.iter().all(|part| has(part)).then(|| dir.join(&parts[0]));
    }
    let has_shards = || shards(&dir.join(INDEX)).is_ok_and(|all| all.iter().all(|name| has(name)));
    (has(CONFIG) && (has(WEIGHTS) || has_shards())).then(|| dir.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_model_is_found_by_the_end_of_its_name() {
        let listed = [
            "README.md",
            "m-Q4_K_M.gguf",
            "m-Q4_K_S.gguf",
            "m.Q8_0.gguf",
            "mmproj-m-Q8_0.gguf",
            "m-F16-00001-of-00002.gguf",
            "m-F16-00002-of-00002.gguf",
            "IQ1/m-IQ1_S.gguf",
            "../m-evil.gguf",
        ]
        .map(str::to_owned);
        let found = |ending| of_gguf(ending, &listed);
        assert_eq!(found("q4_k_m").unwrap(), ["m-Q4_K_M.gguf"]);
        assert_eq!(found("Q8_0").unwrap(), ["m.Q8_0.gguf"]);
        assert_eq!(found("F16").unwrap(), ["m-F16-00001-of-00002.gguf", "m-F16-00002-of-00002.gguf"]);
        assert_eq!(found("m-Q4_K_S").unwrap(), ["m-Q4_K_S.gguf"]);
        for none in ["Q4", "K_M", "IQ1_S", "evil", "_0"] {
            assert_eq!(found(none).unwrap_err().len(), 4, "{none}");
        }
    }
}
