//! What a file holds against what `config.json` says of it: heads that are stored, and tensors by other names.

use zoomr_core::portable::Portable;
use zoomr_model::{
    Model,
    config::ModelConfig,
    pretrained::architecture,
    weights::{Inventory, Weights},
};

use crate::{
    checkpoint::{EMBEDDING, HEAD, Tensors, model, sound},
    support::{Cpu, DenseCache, golden, load},
};

const TOKENS: [u32; 4] = [46, 210, 305, 283];

fn logits(model: &Model<Cpu, Portable>) -> Vec<f32> {
    let mut cache = DenseCache::new(model.config().layer_specs());
    let logits = model.forward(&TOKENS, cache.step(TOKENS.len())).expect("a sound step");
    logits.into_data().to_vec().expect("f32 logits")
}

/// Those of a directory with these tensors, whose `config.json` says that embedding and head are one.
fn of(tensors: &Tensors) -> Vec<f32> {
    let dir = model(tensors);
    logits(&load(dir.path(), architecture(dir.path()).expect("a supported architecture")))
}

fn usual() -> Vec<f32> {
    let dir = golden("llama_tied_theta");
    logits(&load(&dir, ModelConfig::from_dir(&dir).expect("a supported architecture")))
}

/// The sound checkpoint with a head that is its embedding upside down.
fn with_own_head() -> Tensors {
    let (_, mut tensors) = sound();
    let (dtype, shape, bytes) = tensors[EMBEDDING].clone();
    let rows: Vec<&[u8]> = bytes.chunks(4 * shape[1]).rev().collect();
    tensors.insert(HEAD.into(), (dtype, shape, rows.concat()));
    tensors
}

#[test]
fn a_stored_head_counts_where_it_differs() {
    let tensors = with_own_head();
    let (found, usual) = (of(&tensors), usual());
    let vocab = found.len() / TOKENS.len();
    // Upside down, so that each token has the logit of its opposite.
    for (found, usual) in found.chunks(vocab).zip(usual.chunks(vocab)) {
        for (found, usual) in found.iter().zip(usual.iter().rev()) {
            assert!((found - usual).abs() < 1e-5);
        }
    }
    let dir = model(&tensors);
    let config = architecture(dir.path()).unwrap();
    assert!(!config.is_tied());
    assert!(Inventory::read(dir.path(), &config.tensors()).unwrap().problems.is_empty());
}

#[test]
fn a_stored_head_is_never_dropped_without_a_word() {
    let dir = model(&with_own_head());
    let config = ModelConfig::from_dir(dir.path()).unwrap();
    assert!(config.is_tied());
    let message = Weights::open(dir.path(), &config.tensors()).unwrap_err().to_string();
    assert!(message.contains("unexpected tensors: `lm_head.weight`"), "{message}");
}

#[test]
fn a_stored_head_that_is_the_embedding_changes_nothing() {
    let (_, mut tensors) = sound();
    tensors.insert(HEAD.into(), tensors[EMBEDDING].clone());
    assert_eq!(of(&tensors), usual());
    assert!(architecture(model(&tensors).path()).unwrap().is_tied());
}

#[test]
fn the_one_matrix_may_be_stored_as_the_head() {
    let (_, mut tensors) = sound();
    let matrix = tensors.remove(EMBEDDING).unwrap();
    tensors.insert(HEAD.into(), matrix);
    assert_eq!(of(&tensors), usual());
}

#[test]
fn a_head_of_another_size_is_refused() {
    let mut tensors = with_own_head();
    tensors.entry(HEAD.into()).and_modify(|(_, shape, bytes)| {
        shape[0] -= 1;
        bytes.truncate(shape[0] * shape[1] * 4);
    });
    let dir = model(&tensors);
    let config = architecture(dir.path()).unwrap();
    let message = Weights::open(dir.path(), &config.tensors()).unwrap_err().to_string();
    assert!(message.contains(HEAD) && message.contains("[306, 72]"), "{message}");
}

#[test]
fn tensors_load_by_all_the_names_that_transformers_knows() {
    let usual = usual();
    for prefix in ["", "language_model.", "language_model.model.", "model.language_model."] {
        let named = |(name, tensor): (String, _)| (name.replacen("model.", prefix, 1), tensor);
        let tensors: Tensors = sound().1.into_iter().map(named).collect();
        assert_eq!(of(&tensors), usual, "{prefix}");
    }
}
