//! `zoomr quantize`, and the commands on what it writes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, generate, golden, json, run};

/// Writes a model as `model.gguf` in a directory of its own.
fn quantize(model: &Path, weights: &str) -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("model.gguf");
    let ran = run("quantize", model, &format!("--to {} --weights {weights}", path.display()));
    assert!(ran.stderr.contains("model.gguf: "), "{}", ran.stderr);
    assert_eq!(ran.succeeded(), "");
    (dir, path)
}

fn tokens(ran: Ran) -> Vec<Value> {
    ran.report()["tokens"].as_array().unwrap().clone()
}

#[test]
fn every_command_takes_the_file() {
    let model = golden("llama");
    let (dir, path) = quantize(&model, "f32");
    let expected = json(&model.join("expected.json"));
    let ids: Vec<String> = expected["prompt"].as_array().unwrap().iter().map(Value::to_string).collect();
    let greedy = format!("--tokens {} --temperature 0 --policy full --max-tokens 32 --json", ids.join(","));
    for place in [path.as_path(), dir.path()] {
        let generated = Value::from(tokens(run("generate", place, &greedy)));
        assert_eq!(generated, expected["greedy_continuation"], "{}", place.display());
    }

    let score =
        |place: &Path| run("score", place, "--tokens 46,210,305,283,259 --policy full --json").report();
    let nats = |report: &Value| report["mean_nll"].as_f64().unwrap();
    assert_eq!(nats(&score(&path)), nats(&score(&model)));
    let plan = run("plan", &path, "--tokens 100 --json").report();
    assert_eq!(plan["memory"]["weight_dtype"], "F32");
    let table = run("inspect", &path, "").succeeded();
    for part in ["168768", "F32 in 1 file", "unsupported"] {
        assert!(table.contains(part), "{table}");
    }
    let ids: Vec<String> = (1..60).map(|id: u32| id.to_string()).collect();
    run("verify", &path, &format!("--tokens {} --max-tokens 64", ids.join(","))).succeeded();
}

/// Blocks from a file are the blocks that `--weights` makes.
#[test]
fn blocks_of_a_file_and_of_loading_decode_alike() {
    let model = golden("granite");
    let (_dir, path) = quantize(&model, "Q8_0");
    let greedy = "--policy full --max-tokens 16 --json";
    let loaded = tokens(generate(&model, &format!("{greedy} --weights q8_0")));
    assert_eq!(tokens(generate(&path, greedy)), loaded);
    let inventory = run("inspect", &path, "--json").report();
    assert!(inventory["weights"]["bytes_by_type"]["Q8_0"].as_u64().unwrap() > 0, "{inventory}");
    run("generate", &model, "--tokens 1,2 --weights q3_K").refused(&["q3_K", "q8_0, q4_0, q4_K"]);
}

#[test]
fn nothing_is_lost_by_writing() {
    let (dir, path) = quantize(&golden("llama"), "bf16");
    let before = fs::read(&path).unwrap();
    let to = format!("--to {}", path.display());
    run("quantize", &golden("llama"), &to).refused(&["model.gguf exists", "--overwrite"]);
    assert!(fs::read(&path).unwrap() == before);
    run("quantize", &golden("llama"), &format!("{to} --overwrite")).succeeded();
    assert!(fs::read(&path).unwrap() != before);
    let again = format!("--to {}", dir.path().join("again.gguf").display());
    run("quantize", &path, &again).refused(&["in GGUF already", "the checkpoint"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[cfg(feature = "train")]
#[test]
fn training_starts_elsewhere() {
    let (dir, path) = quantize(&golden("llama"), "f32");
    let ran: Ran = Command::new(env!("CARGO_BIN_EXE_zoomr"))
        .args(["train", "--model"])
        .arg(&path)
        .arg("--out")
        .arg(dir.path().join("out"))
        .args(["--synth", "ledger", "--steps", "1"])
        .output()
        .unwrap()
        .into();
    ran.refused(&["in GGUF", "safetensors"]);
}
