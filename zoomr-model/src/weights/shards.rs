//! Which files a directory's weights lie in: one, or the shards of an index.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use super::error::WeightsError;
use crate::{entries::Entries, text_file};

const SINGLE: &str = "model.safetensors";
const INDEX: &str = "model.safetensors.index.json";

/// `model.safetensors.index.json`: tensor name to shard.
#[derive(Deserialize)]
struct Index {
    weight_map: Entries<String>,
}

/// The files, sorted; a single file goes before an index, as in Hugging Face.
pub(super) fn paths(dir: &Path) -> Result<Vec<PathBuf>, WeightsError> {
    let single = dir.join(SINGLE);
    if single.is_file() {
        return Ok(vec![single]);
    }
    let index = dir.join(INDEX);
    if !index.is_file() {
        return Err(WeightsError::NoWeights { dir: dir.to_owned() });
    }
    shards(dir, index)
}

fn shards(dir: &Path, index: PathBuf) -> Result<Vec<PathBuf>, WeightsError> {
    let json = match text_file::read(&index) {
        Ok(json) => json,
        Err(error) => return Err(WeightsError::Read { path: index, error }),
    };
    let parsed: Index = match serde_json::from_str(&json) {
        Ok(parsed) => parsed,
        Err(problem) => return Err(WeightsError::Index { path: index, problem: problem.to_string() }),
    };
    let names: BTreeSet<String> = parsed.weight_map.0.into_iter().map(|(_, shard)| shard).collect();
    let shard = |name: String| {
        let path = dir.join(&name);
        // An index comes from the network: it may name files beside it, and no others.
        if path.file_name().is_none_or(|file| file != name.as_str()) {
            let problem = format!("shard `{name}` is not a plain file name");
            return Err(WeightsError::Index { path: index.clone(), problem });
        }
        if !path.is_file() {
            return Err(WeightsError::NoShard { index: index.clone(), shard: name });
        }
        Ok(path)
    };
    names.into_iter().map(shard).collect()
}
