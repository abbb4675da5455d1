//! Weights and lists of shards: what opens has all its numbers, and nothing that the headers alone would refuse.

use std::{fs, path::Path};

use zoomr_model::{
    config::{ModelConfig, TensorSpec},
    weights::{Inventory, Weights},
};

use super::file::{framed, scratch};

/// What is opened with the weights, and with the shards: of two tokens and one layer.
const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 2, "hidden_size": 2, "intermediate_size": 1,
    "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}"#;

/// `model.safetensors`, as [`framed`] has it.
pub fn weights(bytes: &[u8]) -> bool {
    let dir = scratch("weights");
    fs::write(dir.join("model.safetensors"), framed(bytes)).unwrap();
    open(&dir)
}

/// `model.safetensors.index.json`, beside the shards `a.safetensors` and `b.safetensors`.
pub fn index(bytes: &[u8]) -> bool {
    let dir = scratch("index");
    let needed = ModelConfig::from_json(CONFIG).unwrap().tensors();
    for (name, specs) in [("a.safetensors", &needed[..1]), ("b.safetensors", &needed[1..])] {
        if !dir.join(name).exists() {
            fs::write(dir.join(name), made(specs)).unwrap();
        }
    }
    fs::write(dir.join("model.safetensors.index.json"), bytes).unwrap();
    open(&dir)
}

/// A file of small numbers.
pub(crate) fn made(specs: &[TensorSpec]) -> Vec<u8> {
    let number = |n: u64| ((n % 7) as f32 - 3.0) / 8.0;
    let bytes = |spec: &TensorSpec| (0..spec.elements()).flat_map(|n| number(n).to_le_bytes()).collect();
    let tensors: Vec<(&TensorSpec, Vec<u8>)> = specs.iter().map(|spec| (spec, bytes(spec))).collect();
    let views = tensors.iter().map(|(spec, bytes)| {
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, spec.shape.clone(), bytes);
        (&spec.name, view.unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

fn open(dir: &Path) -> bool {
    let needed = ModelConfig::from_json(CONFIG).unwrap().tensors();
    let opened = Weights::open(dir, &needed);
    let inventory = Inventory::read(dir, &needed);
    let Ok(weights) = opened else { return false };
    // Headers tell all but what numbers are.
    assert!(inventory.is_ok_and(|inventory| inventory.problems.is_empty()));
    for spec in &needed {
        let weight = weights.get(&spec.name).unwrap();
        let numbers = weight.to_f32(0..weight.rows());
        assert_eq!(numbers.len() as u64, spec.elements(), "{}", spec.name);
        assert!(numbers.iter().all(|number| number.is_finite()), "{}", spec.name);
    }
    true
}
