//! Adapters: kept beside a model or added to it, the result is the same; new markers; and what is refused.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, json, run};

/// Steps that change a tiny model enough to be seen.
const STEPS: &str = "--steps 3 --warm-up 1 --learning-rate 0.02 --dtype f32";
const SYNTH: &str = "--synth ledger --tokens 200..300 --step-tokens 300";

fn zoomr(dir: &Path, args: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(args.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// A directory with a model that has learnt next to nothing, in f32.
fn place() -> TempDir {
    place_of("phi3", false)
}

/// One of an architecture, whose embedding is its head as well where it is `tied`.
fn place_of(model_type: &str, tied: bool) -> TempDir {
    let dir = TempDir::new().unwrap();
    let words = zoomr_model::data::synth::vocabulary::words().len();
    let config = serde_json::json!({
        "model_type": model_type, "vocab_size": words, "hidden_size": 16, "intermediate_size": 24,
        "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "tie_word_embeddings": tied,
        "hidden_act": "silu", "rope_theta": 10000.0, "eos_token_id": 1, "pad_token_id": 0,
        "original_max_position_embeddings": 4096,
    });
    fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
    zoomr(dir.path(), &format!("train --config config.json --out base {SYNTH} {STEPS}")).succeeded();
    dir
}

fn logprobs(ran: Ran) -> Vec<f64> {
    let report = ran.report();
    let logprobs = report["logprobs"].as_array().unwrap();
    logprobs.iter().filter_map(Value::as_f64).collect()
}

fn furthest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn kept_or_added_an_adapter_does_the_same() {
    let dir = place();
    let train =
        |more: &str| zoomr(dir.path(), &format!("train --model base {SYNTH} {STEPS} --lora 2 {more}"));
    train("--out merged").succeeded();
    train("--out kept --keep-adapter").succeeded();
    let kept = dir.path().join("kept");
    assert!(!kept.join("config.json").exists() && !kept.join("model.safetensors").exists());
    let config = json(&kept.join("adapter_config.json"));
    assert_eq!((&config["peft_type"], &config["r"]), (&"LORA".into(), &2.into()));
    assert_eq!(config["base_model_name_or_path"], "base");
    let score =
        |model: &str| logprobs(zoomr(dir.path(), &format!("score --model {model} --file text.txt --json")));
    fs::write(dir.path().join("text.txt"), "ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; Bob t6 3 1 8").unwrap();
    let (base, merged) = (score("base"), score("merged"));
    let kept = score("base --adapter kept");
    assert!(furthest(&base, &merged) > 1e-2, "the adapter has learnt something");
    assert!(furthest(&merged, &kept) < 1e-4, "{}", furthest(&merged, &kept));
}

/// Renames the markers of thoughts and summaries in a tokenizer, so that it has none.
fn without_markers(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let text = ["thought", "summary"].iter().fold(text, |text, name| text.replace(name, &format!("{name}s")));
    fs::write(path, text).unwrap();
}

#[test]
fn a_model_is_trained_further_with_the_head_that_its_files_hold() {
    let dir = place();
    let (path, text) = (dir.path().join("base/config.json"), dir.path().join("text.txt"));
    fs::write(text, "ledger : Ann t6 4 5 2 - 3 5 + 5 0 ; Bob t6 3 1 8").unwrap();
    let score =
        |model: &str| logprobs(zoomr(dir.path(), &format!("score --model {model} --file text.txt --json")));
    let own = score("base");
    let mut config = json(&path);
    config["tie_word_embeddings"] = true.into();
    fs::write(&path, config.to_string()).unwrap();
    assert_eq!(score("base"), own);

    let still = "--steps 1 --warm-up 1 --learning-rate 1e-9 --dtype f32";
    zoomr(dir.path(), &format!("train --model base {SYNTH} {still} --out further")).succeeded();
    assert_eq!(json(&dir.path().join("further/config.json"))["tie_word_embeddings"], false);
    assert!(furthest(&score("further"), &own) < 1e-4);
}

#[test]
fn new_markers_get_rows_of_their_own() {
    let config = new_markers(&place());
    assert_eq!(config["modules_to_save"], serde_json::json!(["embed_tokens", "lm_head"]));
}

#[test]
fn new_markers_of_a_tied_model_have_one_row_each() {
    // PEFT takes a module that is saved for a copy, and would leave the head without the new rows.
    assert_eq!(new_markers(&place_of("llama", true))["modules_to_save"], Value::Null);
}

/// Trains the model in a place on markers that it does not have; returns the configuration of the adapter.
fn new_markers(dir: &TempDir) -> Value {
    without_markers(&dir.path().join("base/tokenizer.json"));
    fs::remove_file(dir.path().join("base/zoomr.json")).unwrap();
    let line = r#"{"question": "ledger : find Ann", "thoughts": [{"detail": "Ann 3", "summary": "3"}], "answer": "3"}"#;
    fs::write(dir.path().join("data.jsonl"), line).unwrap();
    let train = |more: &str| {
        zoomr(dir.path(), &format!("train --model base --data data.jsonl {STEPS} --step-tokens 40 {more}"))
    };
    train("--out all").succeeded();
    train("--out merged --lora 2").succeeded();
    train("--out kept --lora 2 --keep-adapter").succeeded();
    let tokens =
        |name: &str| json(&dir.path().join(name).join("config.json"))["vocab_size"].as_u64().unwrap();
    assert_eq!([tokens("all"), tokens("merged")], [tokens("base") + 4; 2]);
    let format = json(&dir.path().join("kept/zoomr.json"));
    assert_eq!(format["markers"]["thought"][0], "<thought>\n");
    assert_eq!(format["markers"]["end"], "<eos>");
    fs::write(dir.path().join("text.txt"), "ledger : find Ann <thought> Ann 3 </thought> <summary> 3")
        .unwrap();
    let score =
        |model: &str| logprobs(zoomr(dir.path(), &format!("score --model {model} --file text.txt --json")));
    let (merged, kept) = (score("merged"), score("base --adapter kept"));
    assert!(furthest(&merged, &kept) < 1e-4, "{}", furthest(&merged, &kept));
    json(&dir.path().join("kept/adapter_config.json"))
}

#[test]
fn a_recipe_says_which_matrices_get_adapters() {
    let dir = place();
    let recipe = r#"{"lora": {"rank": 3, "alpha": 5, "targets": ["down_proj"]}, "warm-up": 1, "phases": [
        {"steps": 1, "step-tokens": 300, "synth": {"kinds": ["ledger"], "tokens": {"start": 200, "end": 250}}}
    ]}"#;
    fs::write(dir.path().join("recipe.json"), recipe).unwrap();
    let said = |out: &str, flags: &str| {
        let train = format!("train --model base --recipe recipe.json --keep-adapter --out {out} {flags}");
        zoomr(dir.path(), &train).succeeded();
        let config = json(&dir.path().join(out).join("adapter_config.json"));
        assert_eq!(config["target_modules"], serde_json::json!(["down_proj"]));
        [config["r"].as_f64().unwrap(), config["lora_alpha"].as_f64().unwrap()]
    };
    assert_eq!(said("recipe", ""), [3.0, 5.0]);
    assert_eq!(said("bare", "--lora"), [3.0, 5.0]);
    assert_eq!(said("rank", "--lora 2"), [2.0, 4.0]);
    assert_eq!(said("alpha", "--lora 2 --lora-alpha 7"), [2.0, 7.0]);
    zoomr(dir.path(), &format!("train --model base {SYNTH} {STEPS} --keep-adapter --out none"))
        .refused(&["--keep-adapter", "--lora"]);
}

#[test]
fn adapters_of_no_use_are_refused() {
    let dir = place();
    let train = format!("train --model base {SYNTH} {STEPS} --lora 2 --keep-adapter --out kept");
    zoomr(dir.path(), &train).succeeded();
    let base = dir.path().join("base");
    let refused = |says: &[&str]| {
        let adapter = dir.path().join("kept").display().to_string();
        run("generate", &base, &format!("ledger --adapter {adapter}")).refused(says);
    };
    let (config, weights) =
        (dir.path().join("kept/adapter_config.json"), dir.path().join("kept/adapter_model.safetensors"));
    let (good, bytes) = (fs::read_to_string(&config).unwrap(), fs::read(&weights).unwrap());
    fs::write(&config, good.replace("\"r\": 2", "\"r\": 2, \"use_dora\": true")).unwrap();
    refused(&["adapter_config.json", "use_dora"]);
    fs::write(&config, good.replace("\"r\": 2", "\"r\": 3")).unwrap();
    refused(&["adapter_model.safetensors", "lora_A", "[3, "]);
    fs::write(&config, &good).unwrap();
    fs::write(&weights, &bytes[..bytes.len() - 7]).unwrap();
    refused(&["adapter_model.safetensors", "damaged"]);
    fs::remove_file(&weights).unwrap();
    refused(&["adapter_model.safetensors"]);
    fs::remove_file(&config).unwrap();
    refused(&["no adapter_config.json", "--keep-adapter"]);
    zoomr(dir.path(), "generate --adapter kept").refused(&["--model"]);
}
