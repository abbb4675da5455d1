//! `zoomr inspect`: what a model is, and what zoomr cannot do with it.

use std::fs;

use serde_json::{Value, json};

use crate::{
    shared::real_model,
    support::{Ran, copy, golden, run, with_config},
};

/// Asserts that a table has a line with this name and text.
fn assert_line(table: &str, name: &str, text: &str) {
    let found = table.lines().any(|line| line.starts_with(name) && line.contains(text));
    assert!(found, "no line `{name}  ..{text}..` in\n{table}");
}

/// Asserts a report that says why the model cannot be run.
fn assert_unsupported(ran: &Ran, says: &[&str]) {
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("error: zoomr cannot run this model"), "{}", ran.stderr);
    for part in says {
        assert_line(&ran.stdout, "unsupported", part);
    }
}

#[test]
fn a_table_says_what_the_model_is() {
    let table = run("inspect", &golden("llama"), "").succeeded();
    for (name, text) in [
        ("architecture", "llama"),
        ("parameters", "168768"),
        ("layers", "3, each with 4 query heads and 2 KV heads of 16"),
        ("vocabulary", "307 tokens; the output head is a matrix of its own"),
        ("context", "512 tokens"),
        ("rope", "theta 10000 in every layer"),
        ("sliding window", "none in every layer"),
        ("KV per token", "768 bytes in f32, 384 bytes in f16"),
        ("KV of a full context", "384.00 KiB in f32, 192.00 KiB in f16"),
        ("weights", "F32 in 1 file"),
        ("note", "no tokenizer.json: only token ids"),
        ("unsupported", "nothing"),
    ] {
        assert_line(&table, name, text);
    }
}

#[test]
fn layers_that_differ_are_told_apart() {
    let config: Value =
        serde_json::from_slice(&fs::read(golden("gemma3").join("config.json")).unwrap()).unwrap();
    let report = run("inspect", &golden("gemma3"), "--json").report();
    let architecture = &report["architecture"];
    let window = &config["sliding_window"];
    let expected: Vec<Value> = config["layer_types"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| if kind == "sliding_attention" { window.clone() } else { Value::Null })
        .collect();
    assert!(expected.contains(&Value::Null) && expected.contains(window));
    assert_eq!(architecture["sliding_windows"], Value::from(expected));
    let whole = architecture["kv_bytes_per_token"]["f32"].as_u64().unwrap();
    let context = architecture["context"].as_u64().unwrap();
    assert!(architecture["kv_bytes_full_context"]["f32"].as_u64().unwrap() < whole * context);

    let skips = run("inspect", &golden("smollm3"), "--json").report();
    assert!(skips["architecture"]["rope"].as_array().unwrap().contains(&Value::Null));
}

#[test]
fn a_model_whose_layers_all_slide_is_noted() {
    let table = run("inspect", &golden("mistral_sw"), "").succeeded();
    assert_line(&table, "note", "ZoomR acts in none");
}

#[test]
fn a_configuration_alone_will_do() {
    let dir = tempfile::tempdir().unwrap();
    fs::copy(golden("llama").join("config.json"), dir.path().join("config.json")).unwrap();
    let report = run("inspect", dir.path(), "--json").report();
    assert_eq!(report["weights"], Value::Null);
    assert_eq!(report["architecture"]["parameters"], 168_768);
    assert!(report["notes"][0].as_str().unwrap().contains("no weights here"));

    let file = dir.path().join("some-model.json");
    fs::rename(dir.path().join("config.json"), &file).unwrap();
    let report = run("inspect", &file, "--json").report();
    assert_eq!(report["architecture"]["parameters"], 168_768);
    assert!(report["notes"][0].as_str().unwrap().contains("a configuration alone"));
}

#[test]
fn what_cannot_be_run_is_listed() {
    let unknown = with_config("llama", "model_type", json!("mamba"));
    assert_unsupported(&run("inspect", unknown.path(), ""), &["unknown model_type `mamba`", "qwen3"]);
    let quantized = with_config("llama", "quantization_config", json!({ "bits": 4 }));
    assert_unsupported(&run("inspect", quantized.path(), ""), &["`quantization_config`"]);
    let wider = with_config("llama", "intermediate_size", json!(161));
    assert_unsupported(&run("inspect", wider.path(), ""), &["mlp.up_proj.weight", "mlp.down_proj.weight"]);

    let ran = run("inspect", unknown.path(), "--json");
    let report: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, &report["architecture"]), (Some(1), &Value::Null));
}

#[test]
fn damaged_models_are_errors() {
    let nowhere = tempfile::tempdir().unwrap();
    run("inspect", nowhere.path(), "").refused(&["config.json", "is this a model directory?"]);
    let absurd = with_config("llama", "num_hidden_layers", json!(0));
    run("inspect", absurd.path(), "").refused(&["config.json", "num_hidden_layers"]);
    let cut = copy("llama");
    fs::write(cut.path().join("model.safetensors"), [0; 20]).unwrap();
    run("inspect", cut.path(), "").refused(&["model.safetensors", "truncated or damaged"]);
}

#[test]
fn a_real_model_has_text_and_chat() {
    let Some(model) = real_model() else { return };
    let report = run("inspect", &model, "--json").report();
    assert_eq!(report["architecture"]["parameters"], 134_515_008);
    assert_eq!(report["weights"]["bytes_by_type"], json!({ "BF16": 269_030_016 }));
    assert_eq!(report["tokenizer_tokens"], 49_152);
    assert_eq!(report["chat_template"], true);
    assert_eq!(report["unsupported"], json!([]));
}
