//! Files that are changed byte by byte: whatever they become, they load or are refused, and nothing panics.
//!
//! Each property runs for a few seconds. What a file merely claims, no memory is taken for: a header's length is held
//! against the file's, and counts of layers, ranks and sizes against bounds, before anything is made of them.

use std::{fs, path::Path};

use proptest::{prelude::*, sample::Index};
use tempfile::TempDir;
use zoomr_model::{
    adapter::Adapter,
    config::{ModelConfig, TensorSpec},
    pretrained::Pretrained,
    weights::{Inventory, Weights},
};

use crate::support::golden;

/// A change of a few bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    /// A part again, at another place.
    Repeat(Index, usize, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let words = prop::sample::select(vec![
        "null",
        "{}",
        "[]",
        "\"\"",
        "-1",
        "1e999",
        "18446744073709551616",
        "4096",
        "{\"a\":",
        "[[",
        ",",
        "\\ud800",
        "\0",
    ]);
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (any::<Index>(), words).prop_map(|(at, word)| Change::Insert(at, word.as_bytes().to_vec())),
        1 => (any::<Index>(), 1usize..20).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), 1usize..90, any::<Index>()).prop_map(|(at, count, to)| Change::Repeat(at, count, to)),
    ]
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..4)
}

fn apply(bytes: &mut Vec<u8>, changes: &[Change]) {
    for change in changes {
        if bytes.is_empty() {
            return;
        }
        let part = |at: &Index, count: usize| {
            at.index(bytes.len())..(at.index(bytes.len()) + count).min(bytes.len())
        };
        match change {
            Change::Set(at, byte) => *at.get_mut(bytes) = *byte,
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(at, count) => drop(bytes.drain(part(at, *count))),
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Repeat(at, count, to) => {
                let again = bytes[part(at, *count)].to_vec();
                let to = to.index(bytes.len());
                bytes.splice(to..to, again);
            }
        }
    }
}

/// A model of a few hundred bytes, and what it needs.
fn tiny() -> (TempDir, Vec<TensorSpec>) {
    let config = r#"{"model_type": "llama", "vocab_size": 4, "hidden_size": 4, "intermediate_size": 4,
        "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}"#;
    let needed = ModelConfig::from_json(config).unwrap().tensors();
    let mut tensors = Vec::new();
    for spec in &needed {
        let bytes: Vec<u8> = (0..spec.elements()).flat_map(|n| (n as f32).to_le_bytes()).collect();
        tensors.push((spec.name.clone(), spec.shape.clone(), bytes));
    }
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap())
    });
    let dir = tempfile::tempdir().unwrap();
    safetensors::serialize_to_file(views, None, &dir.path().join("model.safetensors")).unwrap();
    fs::write(dir.path().join("config.json"), config).unwrap();
    (dir, needed)
}

fn open(dir: &Path, needed: &[TensorSpec]) {
    let opened = Weights::open(dir, needed);
    let inventory = Inventory::read(dir, needed);
    // Headers tell all but what numbers are.
    if opened.is_ok() {
        assert!(inventory.is_ok_and(|inventory| inventory.problems.is_empty()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn headers(changes in changes(), whole in any::<bool>()) {
        let (dir, needed) = tiny();
        let path = dir.path().join("model.safetensors");
        let mut bytes = fs::read(&path).unwrap();
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        if whole {
            apply(&mut bytes, &changes);
        } else {
            // With a length that is right, so that what is inside is read.
            let mut text = bytes[8..8 + header].to_vec();
            apply(&mut text, &changes);
            bytes = [&(text.len() as u64).to_le_bytes(), &text[..], &bytes[8 + header..]].concat();
        }
        fs::write(&path, bytes).unwrap();
        open(dir.path(), &needed);
    }

    #[test]
    fn indices(changes in changes()) {
        let (dir, needed) = tiny();
        fs::rename(dir.path().join("model.safetensors"), dir.path().join("a.safetensors")).unwrap();
        let entries = needed.iter().map(|spec| format!("{:?}: \"a.safetensors\"", spec.name));
        let entries: Vec<String> = entries.collect();
        let mut index = format!(r#"{{"metadata": {{}}, "weight_map": {{{}}}}}"#, entries.join(", ")).into_bytes();
        apply(&mut index, &changes);
        fs::write(dir.path().join("model.safetensors.index.json"), index).unwrap();
        open(dir.path(), &needed);
    }

    #[test]
    fn configurations(
        folder in prop::sample::select(vec!["llama_yarn", "qwen2", "smollm3", "phi3", "granite", "gemma3"]),
        changes in changes(),
    ) {
        let (dir, _) = tiny();
        let mut config = fs::read(golden(folder).join("config.json")).unwrap();
        apply(&mut config, &changes);
        fs::write(dir.path().join("config.json"), config).unwrap();
        let _ = Pretrained::open(dir.path(), None);
    }

    #[test]
    fn configurations_of_adapters(
        name in prop::sample::select(vec!["patterns", "layers"]),
        changes in changes(),
    ) {
        let from = golden("../adapters").join(name);
        let dir = tempfile::tempdir().unwrap();
        let mut config = fs::read(from.join("adapter_config.json")).unwrap();
        apply(&mut config, &changes);
        fs::write(dir.path().join("adapter_config.json"), config).unwrap();
        fs::copy(from.join("adapter_model.safetensors"), dir.path().join("adapter_model.safetensors")).unwrap();
        let base = ModelConfig::from_dir(&golden("llama")).unwrap();
        let _ = Adapter::open(dir.path(), &base);
    }
}
