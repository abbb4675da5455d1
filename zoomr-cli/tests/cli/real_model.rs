//! SmolLM2-135M-Instruct against Hugging Face transformers, through the binary.
//!
//! Arithmetic is f32 on bf16 weights, as the reference's is; the order of summation differs.

use std::{
    fs,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    shared::real_model,
    support::{Ran, command, golden, run, trace},
};

/// How far two f32 implementations' logits may be apart; a greedy choice with a smaller margin is a toss-up.
const LOGIT_ERROR: f64 = 2e-3;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    text: String,
    ids: Vec<u32>,
    prompt_nll: f64,
    greedy: Vec<u32>,
    greedy_text: String,
    margins: Vec<f64>,
}

fn cases() -> Vec<Case> {
    let bytes = fs::read(golden("smollm2-135m-instruct.json")).unwrap();
    serde_json::from_slice::<Reference>(&bytes).unwrap().cases
}

#[test]
fn greedy_texts_are_those_of_transformers() {
    let Some(model) = real_model() else { return };
    for case in cases() {
        let mut command = command("generate", &model);
        command.args(["--policy", "full", "--temperature", "0", "--max-tokens", "64", "--json"]);
        if case.kind == "chat" {
            command.arg("--chat");
        }
        let report = Ran::from(command.arg(&case.text).output().unwrap()).report();
        assert_eq!(report["stats"]["prompt_tokens"], case.ids.len(), "{}", case.text);
        let tokens: Vec<u32> = serde_json::from_value(report["tokens"].clone()).unwrap();
        let sure = case.margins.iter().take_while(|margin| **margin > LOGIT_ERROR).count();
        assert_eq!(tokens[..sure], case.greedy[..sure], "{}", case.text);
        if sure == case.greedy.len() {
            assert_eq!(report["text"], case.greedy_text);
        }
    }
}

#[test]
fn prompts_cost_what_they_cost_in_transformers() {
    let Some(model) = real_model() else { return };
    for case in cases() {
        let ids: Vec<String> = case.ids.iter().map(u32::to_string).collect();
        let args = format!("--policy full --json --tokens {}", ids.join(","));
        let nll = run("score", &model, &args).report()["nll"].as_f64().unwrap();
        assert!((nll / case.prompt_nll - 1.0).abs() < 1e-3, "{nll} for {}", case.prompt_nll);
    }
}

#[test]
fn forced_summaries_stand_in_the_text() {
    let Some(model) = real_model() else { return };
    let mut command = command("generate", &model);
    command.args(["--chat", "Why is the sky blue?", "--temperature", "0", "--ignore-eos", "--json"]);
    command.args(["--trigger", "forced", "--thought-tokens", "16..32", "--max-tokens", "120"]);
    let report = Ran::from(command.output().unwrap()).report();
    let text = report["text"].as_str().unwrap();
    assert!(text.contains("\n\n[Summary: ") && text.contains("]\n\n"), "{text}");
    assert!(report["stats"]["summary_tokens"].as_u64().unwrap() > 5);
    assert_eq!(report["stats"]["new_tokens"], 120);
}

#[test]
fn stop_strings_end_the_text_and_are_not_in_it() {
    let Some(model) = real_model() else { return };
    let mut command = command("generate", &model);
    command.args(["The three laws of motion are", "--temperature", "0", "--policy", "full", "--json"]);
    let report = Ran::from(command.args(["--stop", "behavior of"]).output().unwrap()).report();
    assert_eq!(report["text"], " fundamental principles that govern the ");
    assert_eq!(report["stop"], "stop-string");
}

/// A trace, annotated, teaches an adapter for markers that the model has never seen; it then decodes with it.
#[test]
fn adapters_learn_from_annotated_traces() {
    let Some(model) = real_model() else { return };
    let dir = tempfile::tempdir().unwrap();
    let text = "Tom has 3 boxes of 12 pencils. That makes 3 times 12, which is 36 pencils.\n\nHe gives 10 of them \
                away. 36 minus 10 leaves 26 pencils.\n\nSo Tom keeps 26 pencils in the end.";
    let line = json!({"question": "How many pencils does Tom keep?", "trace": text, "answer": "26"});
    fs::write(dir.path().join("traces.jsonl"), line.to_string()).unwrap();
    let zoomr = |args: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
        let args =
            args.split_whitespace().map(|arg| if arg == "MODEL" { model.as_os_str() } else { arg.as_ref() });
        Ran::from(command.args(args).current_dir(dir.path()).stdin(Stdio::null()).output().unwrap())
    };
    zoomr(
        "data annotate traces.jsonl --out data.jsonl --tokenizer MODEL --extractive --thought-tokens 5..60",
    )
    .succeeded();
    zoomr(
        "train --model MODEL --data data.jsonl --chat --lora 8 --keep-adapter --steps 8 --step-tokens 100 --warm-up 1 \
         --learning-rate 3e-3 --zoomed 0.5 --out adapter",
    )
    .succeeded();
    let loss = |step: &Value| step["loss"].as_f64().unwrap();
    let log = trace(&dir.path().join("adapter/log.jsonl"));
    let (first, last) = (loss(&log[0]), loss(&log[7]));
    assert!(log.len() == 8 && last < 0.7 * first, "from {first} to {last} in {} steps", log.len());
    assert!(!dir.path().join("adapter/model.safetensors").exists());
    let decoded = zoomr(
        "generate --model MODEL --adapter adapter --chat -n 5 --temperature 0 --ignore-eos --json Why?",
    );
    assert_eq!(decoded.report()["tokens"].as_array().unwrap().len(), 5);
}
