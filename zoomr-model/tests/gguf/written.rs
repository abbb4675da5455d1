//! Every architecture through writer and reader.

use std::num::NonZeroUsize;

use zoomr_core::weight::Encoding;
use zoomr_model::{
    gguf::is_gguf,
    pretrained::{Pretrained, architecture},
    weights::{Inventory, Weights},
};

use crate::{
    support::golden,
    write::{try_write, written},
};

const ARCHITECTURES: [&str; 12] = [
    "gemma3",
    "granite",
    "llama",
    "llama3_rope",
    "llama_tied_theta",
    "llama_yarn",
    "mistral",
    "mistral_sw",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
];

/// The numbers of a tensor; Gemma's norms have one added in GGUF, where the configuration knows.
fn numbers(weights: &Weights, name: &str, offset: f32) -> Vec<f32> {
    let weight = weights.get(name).unwrap();
    let mut numbers = weight.to_f32(0..weight.rows());
    numbers.iter_mut().for_each(|number| *number += offset);
    numbers
}

#[test]
fn a_model_comes_back_as_it_was() {
    for name in ARCHITECTURES {
        let dir = golden(name);
        let (_place, path) = written(&dir, "f32");
        assert!(is_gguf(&path));
        let (config, read) = (architecture(&dir).unwrap(), architecture(&path).unwrap());
        assert_eq!(read.tensors(), config.tensors(), "{name}");
        assert_eq!(read.layer_specs(), config.layer_specs(), "{name}");
        assert_eq!(
            (read.context_length(), read.is_tied(), read.vocab_size()),
            (config.context_length(), config.is_tied(), config.vocab_size()),
            "{name}"
        );
        if name != "llama3_rope" {
            assert!(read.ropes().eq(config.ropes()), "{name}");
        }
        let one = Weights::open(&dir, &config.tensors()).unwrap();
        let other = Weights::open(&path, &read.tensors()).unwrap();
        for spec in config.tensors() {
            let is_shifted = name == "gemma3" && spec.name.ends_with("norm.weight");
            let offset = if is_shifted { 1.0 } else { 0.0 };
            assert!(
                numbers(&one, &spec.name, offset) == numbers(&other, &spec.name, 0.0),
                "{name}: {}",
                spec.name
            );
        }
        assert!(Inventory::read(&path, &read.tensors()).unwrap().problems.is_empty(), "{name}");
    }
}

/// Blocks that a file has, rows put back in order, are those that loading makes.
#[test]
fn blocks_are_the_same_from_a_file_and_at_loading() {
    for (name, precision, encoding) in [
        ("llama", "q8_0", Encoding::Q8_0),
        ("granite", "q4_0", Encoding::Q4_0),
        ("qwen3", "q4_K", Encoding::Q4K),
    ] {
        let dir = golden(name);
        let (_place, path) = written(&dir, precision);
        let tensors = architecture(&path).unwrap().tensors();
        let file = Weights::open(&path, &tensors).unwrap();
        let mut told = 0;
        let made = Weights::open(&dir, &tensors)
            .unwrap()
            .encoded(encoding, NonZeroUsize::MIN, &mut |_, _| told += 1)
            .unwrap();
        assert_eq!(told, tensors.len());
        for spec in &tensors {
            let (one, other) = (file.get(&spec.name).unwrap(), made.get(&spec.name).unwrap());
            assert_eq!((one.format(), one.bytes()), (other.format(), other.bytes()), "{name}: {}", spec.name);
            assert_eq!(one.format().is_float(), spec.shape.len() == 1, "{name}: {}", spec.name);
        }
        assert!(file.bytes() * 3 < Weights::open(&dir, &tensors).unwrap().bytes(), "{name}");
    }
}

#[test]
fn what_llama_cpp_would_compute_otherwise_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    for (name, field, value, says) in [
        ("llama", "hidden_act", "\"gelu_pytorch_tanh\"", "activation"),
        ("smollm3", "no_rope_layers", "[1, 0, 1, 1]", "fourth layer"),
    ] {
        let copy = dir.path().join(name);
        std::fs::create_dir(&copy).unwrap();
        std::fs::copy(golden(name).join("model.safetensors"), copy.join("model.safetensors")).unwrap();
        let text = std::fs::read_to_string(golden(name).join("config.json")).unwrap();
        let mut config: serde_json::Value = serde_json::from_str(&text).unwrap();
        config[field] = serde_json::from_str(value).unwrap();
        std::fs::write(copy.join("config.json"), config.to_string()).unwrap();
        let path = dir.path().join("out.gguf");
        let error = try_write(&copy, "f32", &path).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(!path.exists());
    }
}

#[test]
fn a_directory_with_one_model_is_that_model() {
    let (place, path) = written(&golden("llama"), "bf16");
    let pretrained = Pretrained::open(place.path(), None).unwrap();
    assert_eq!(pretrained.dir(), path);
    std::fs::copy(&path, place.path().join("other.gguf")).unwrap();
    let error = Pretrained::open(place.path(), None).unwrap_err().to_string();
    assert!(error.contains("holds models in GGUF"), "{error}");
}
