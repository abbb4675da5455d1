//! Models in GGUF: what opens has a configuration, all its numbers, and a tokenizer whose ids have their bytes.

use std::fs;

use zoomr_model::{
    pretrained::Pretrained,
    weights::{Inventory, Weights},
};

use super::{file::scratch, template::renders, tokenizer::encodes};

/// A model of one file.
pub fn gguf(bytes: &[u8]) -> bool {
    let path = scratch("gguf").join("model.gguf");
    fs::write(&path, bytes).unwrap();
    let Ok(pretrained) = Pretrained::open(&path, None) else { return false };
    let config = pretrained.config();
    assert!(config.kv_bytes_per_token(4) > 0 && config.activation_numbers(1) > 0);
    assert_eq!(config.layer_specs().len(), config.ropes().count());
    encodes(&path);
    let _ = pretrained.chat_template().map(|chat| renders(&chat));
    let needed = config.tensors();
    let inventory = Inventory::read(&path, &needed);
    let Ok(weights) = Weights::open(&path, &needed) else { return false };
    assert!(inventory.is_ok_and(|inventory| inventory.problems.is_empty()));
    for spec in &needed {
        let weight = weights.get(&spec.name).unwrap();
        let numbers = weight.to_f32(0..weight.rows());
        assert_eq!(numbers.len() as u64, spec.elements(), "{}", spec.name);
        assert!(numbers.iter().all(|number| number.is_finite()), "{}", spec.name);
    }
    true
}
