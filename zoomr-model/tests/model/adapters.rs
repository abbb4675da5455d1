//! Adapters that PEFT has made, and one that zoomr has trained, against the logits that PEFT computes with them.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use safetensors::SafeTensors;
use zoomr_core::portable::Portable;
use zoomr_model::{Model, adapter::Adapter, config::ModelConfig, weights::Weights};

use crate::support::{Cpu, DenseCache, golden};

/// Largest difference of a logit; adapters in bf16 are computed with in f32 on both sides.
const TOLERANCE: f32 = 2e-4;

/// A folder of `tests/adapters`.
fn adapter(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapters").join(name)
}

/// The logits of the tokens that `adapter` has expectations for, `[tokens, vocab]`, over the model `base`.
fn logits(base: &str, adapter: &Path, tokens: &[u32]) -> Vec<f32> {
    let config = ModelConfig::from_dir(&golden(base)).expect("a supported architecture");
    let adapter = Adapter::open(adapter, &config).unwrap_or_else(|error| panic!("{error}"));
    let weights = Weights::open(&golden(base), &config.tensors()).expect("sound weights");
    let adapted = adapter.adapted().clone();
    let mut cache = DenseCache::<Cpu>::new(adapted.layer_specs());
    let model =
        Model::<Cpu, _>::load_adapted(adapted, &weights, Some(&adapter), Portable, &Default::default());
    let logits = model.expect("an adapter that fits").forward(tokens, cache.step(tokens.len()));
    logits.expect("a sound step").into_data().to_vec().expect("f32 logits")
}

/// The folder of an adapter computes what PEFT computes.
fn check(base: &str, name: &str) {
    let dir = adapter(name);
    let expected = fs::read(dir.join("expected.safetensors")).expect("a fixture of this repository");
    let expected = SafeTensors::deserialize(&expected).expect("a sound fixture");
    let numbers = |name: &str| expected.tensor(name).expect("a field of the fixture").data();
    let tokens: Vec<u32> =
        numbers("tokens").chunks(8).map(|id| i64::from_le_bytes(id.try_into().unwrap()) as u32).collect();
    let wanted = numbers("logits").chunks(4).map(|logit| f32::from_le_bytes(logit.try_into().unwrap()));
    let found = logits(base, &dir, &tokens);
    assert_eq!(found.len(), wanted.len(), "{name}");
    let distance = found.iter().zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(distance <= TOLERANCE, "{name}: logits differ by up to {distance}");
}

#[test]
fn a_saved_half_of_a_tied_pair_leaves_the_other_as_it_was() {
    check("llama_tied_theta", "tied_embedding");
    check("llama_tied_theta", "tied_head");
}

#[test]
fn a_pair_that_is_to_stay_tied_does() {
    check("llama_tied_theta", "tied_ensured");
}

#[test]
fn an_adapter_beside_the_head_is_not_beside_the_embedding() {
    check("llama_tied_theta", "tied_head_beside");
}

#[test]
fn both_matrices_of_a_tied_pair_may_come_with_more_tokens() {
    check("llama_tied_theta", "tied_grown");
}

#[test]
fn modules_by_patterns_each_with_its_rank_and_scale() {
    check("llama", "patterns");
}

#[test]
fn modules_of_some_layers() {
    check("llama", "layers");
}

#[test]
fn every_matrix_of_fused_layers_and_all_norms() {
    check("phi3", "all_linear");
}

#[test]
fn biases() {
    check("qwen2", "biases");
}

#[test]
fn what_zoomr_trains_on_a_tied_model_peft_reads_alike() {
    check("../adapters/kept/base", "kept");
}

/// A copy of a golden adapter with some fields of its configuration set.
fn with(name: &str, fields: serde_json::Value) -> tempfile::TempDir {
    let (from, dir) = (adapter(name), tempfile::tempdir().unwrap());
    fs::copy(from.join("adapter_model.safetensors"), dir.path().join("adapter_model.safetensors")).unwrap();
    let text = fs::read_to_string(from.join("adapter_config.json")).unwrap();
    let mut config: BTreeMap<String, serde_json::Value> = serde_json::from_str(&text).unwrap();
    config.extend(serde_json::from_value::<BTreeMap<_, _>>(fields).unwrap());
    fs::write(dir.path().join("adapter_config.json"), serde_json::to_string(&config).unwrap()).unwrap();
    dir
}

fn refusal(name: &str, fields: serde_json::Value) -> String {
    let config = ModelConfig::from_dir(&golden("llama_tied_theta")).unwrap();
    Adapter::open(with(name, fields).path(), &config).unwrap_err().to_string()
}

#[test]
fn refusals_say_what_is_wrong_and_never_that_the_file_is_damaged() {
    for (name, fields, says) in [
        ("tied_head", serde_json::json!({"use_dora": true}), "`use_dora` is not supported (DoRA"),
        ("tied_head", serde_json::json!({"r": "four"}), "expected usize"),
        ("tied_head", serde_json::json!({"target_modules": ["embed_tokens"]}), "LoRA on `embed_tokens`"),
        ("tied_head", serde_json::json!({"target_modules": ["c_attn"]}), "matrices called c_attn"),
        ("tied_head", serde_json::json!({"target_modules": "(q"}), "no pattern that zoomr can read"),
    ] {
        let message = refusal(name, fields);
        assert!(message.contains(says), "{message:?} does not say {says:?}");
        assert!(!message.contains("damaged") && !message.contains("incomplete"), "{message}");
    }
}

#[test]
fn a_pattern_has_one_rank() {
    let dir = with("tied_head", serde_json::json!({"rank_pattern": {"q_proj": 2}}));
    let path = dir.path().join("adapter_config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen(r#"{"q_proj":2}"#, r#"{"q_proj":2,"q_proj":4}"#, 1)).unwrap();
    let config = ModelConfig::from_dir(&golden("llama_tied_theta")).unwrap();
    let message = Adapter::open(dir.path(), &config).unwrap_err().to_string();
    assert!(message.contains("`q_proj` is there twice"), "{message}");
}

#[test]
fn a_file_is_no_directory() {
    let dir = with("tied_head", serde_json::json!({}));
    let config = ModelConfig::from_dir(&golden("llama_tied_theta")).unwrap();
    let message = Adapter::open(&dir.path().join("adapter_config.json"), &config).unwrap_err().to_string();
    assert!(message.contains("is a file; --adapter takes the directory"), "{message}");
}

#[test]
fn a_pickle_is_called_one() {
    let dir = with("tied_head", serde_json::json!({}));
    fs::rename(dir.path().join("adapter_model.safetensors"), dir.path().join("adapter_model.bin")).unwrap();
    let config = ModelConfig::from_dir(&golden("llama_tied_theta")).unwrap();
    let message = Adapter::open(dir.path(), &config).unwrap_err().to_string();
    assert!(message.contains("adapter_model.bin, a pickle"), "{message}");
}
