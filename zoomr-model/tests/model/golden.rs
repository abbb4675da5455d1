//! Every architecture against Hugging Face transformers, with both spellings of its configuration.

use std::path::Path;

use serde::Deserialize;
use zoomr_model::config::ModelConfig;

use crate::support::{Cpu, DenseCache, golden, json, load};

/// Largest difference of a logit; f32 and f64 in transformers itself differ by up to 3e-5.
const TOLERANCE: f32 = 2e-4;

#[derive(Deserialize)]
struct Expected {
    prompt: Vec<u32>,
    prefill_logits: Vec<Vec<f32>>,
    greedy_continuation: Vec<u32>,
}

fn check(architecture: &str) {
    let dir = golden(architecture);
    for spelling in ["config.json", "config.v4.json"] {
        check_spelling(&dir, spelling);
    }
}

fn check_spelling(dir: &Path, spelling: &str) {
    let expected: Expected = json(&dir.join("expected.json"));
    let text = std::fs::read_to_string(dir.join(spelling)).expect("a fixture of this repository");
    let config = ModelConfig::from_json(&text).expect("a supported architecture");
    let model = load(dir, config);
    let mut cache = DenseCache::<Cpu>::new(model.config().layer_specs());

    let prompt = model.forward(&expected.prompt, cache.step(expected.prompt.len())).expect("prefill");
    let logits: Vec<f32> = prompt.into_data().to_vec().expect("f32 logits");
    let wanted = expected.prefill_logits.concat();
    assert_eq!(logits.len(), wanted.len());
    let distance = logits.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(distance <= TOLERANCE, "{spelling}: logits differ by up to {distance}");

    let mut last = logits[logits.len() - model.config().vocab_size()..].to_vec();
    for (step, wanted) in expected.greedy_continuation.iter().enumerate() {
        let token = best(&last);
        assert_eq!(token, *wanted, "{spelling}: greedy token {step}");
        let next = model.forward(&[token], cache.step(1)).expect("decode");
        last = next.into_data().to_vec().expect("f32 logits");
    }
}

fn best(logits: &[f32]) -> u32 {
    let better = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).reduce(better).expect("a vocabulary") as u32
}

#[test]
fn llama() {
    check("llama");
}

#[test]
fn llama_tied_theta() {
    check("llama_tied_theta");
}

#[test]
fn llama3_rope() {
    check("llama3_rope");
}

#[test]
fn llama_yarn() {
    check("llama_yarn");
}

#[test]
fn mistral() {
    check("mistral");
}

#[test]
fn mistral_sw() {
    check("mistral_sw");
}

#[test]
fn qwen2() {
    check("qwen2");
}

#[test]
fn qwen3() {
    check("qwen3");
}

#[test]
fn smollm3() {
    check("smollm3");
}

#[test]
fn phi3() {
    check("phi3");
}

#[test]
fn granite() {
    check("granite");
}

#[test]
fn gemma3() {
    check("gemma3");
}
