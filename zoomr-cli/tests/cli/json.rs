//! `--json`, `--trace` and `--logits`: the keys promised, and numbers that agree with each other.

use std::fs;

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

use crate::support::{generate, golden, json, run, trace};

/// Vectors of one token in the golden llama's full cache: keys and values, layers, KV heads.
const TOKEN_VECTORS: u64 = 2 * 3 * 2;
/// Bytes of them in f16, of 16 elements each.
const TOKEN_BYTES: u64 = TOKEN_VECTORS * 16 * 2;

fn u(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("{value} is no count"))
}

fn list(value: &Value) -> String {
    value.as_array().unwrap().iter().map(Value::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn full_attention_generates_what_transformers_does() {
    let expected = json(&golden("llama").join("expected.json"));
    let args = format!(
        "--tokens {} --temperature 0 --policy full --kv f32 --max-tokens 32 --json",
        list(&expected["prompt"])
    );
    let report = run("generate", &golden("llama"), &args).report();
    assert_eq!(report["tokens"], expected["greedy_continuation"]);
    assert_eq!((&report["text"], &report["stop"]), (&"".into(), &"max-tokens".into()));
    let stats = &report["stats"];
    assert_eq!((u(&stats["prompt_tokens"]), u(&stats["new_tokens"])), (48, 32));
    assert_eq!(u(&stats["kv_bytes_full"]), 80 * 2 * TOKEN_BYTES);
}

#[test]
fn an_account_adds_up_and_agrees_with_the_trace() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.jsonl");
    let method = "--window 16 --page-size 4 --thought-tokens 4..8 --max-tokens 200";
    for (trigger, blocks) in [("pooled", "off"), ("forced", "off"), ("pooled", "4")] {
        let args =
            format!("{method} --trigger {trigger} --blocks {blocks} --json --trace {}", path.display());
        let report = generate(&golden("llama"), &args).report();
        let (stats, lines) = (&report["stats"], trace(&path));
        assert_eq!(u(&stats["new_tokens"]), 200);
        assert_eq!(report["tokens"].as_array().unwrap().len(), 200);
        assert_eq!(u(&stats["kv_bytes_full"]), 212 * TOKEN_BYTES);
        assert_eq!(u(&stats["summary_tokens"]) > 0, trigger == "forced");
        assert!(u(&stats["thoughts"]) > 5 && stats["tokens_per_second"].as_f64().unwrap() > 0.0);

        let tiers = ["prompt", "window", "index", "summaries", "zoomed", "free"];
        let resident: u64 = tiers.iter().map(|tier| u(&stats["kv_bytes"][*tier])).sum();
        assert_eq!(u(&stats["kv_bytes_resident"]), resident);
        assert!(resident <= u(&stats["kv_bytes_resident_peak"]));
        let leaves = u(&stats["kv_bytes_cold"]) > 0 && resident < u(&stats["kv_bytes_full"]);
        assert_eq!(leaves, blocks == "off", "blocks save reading, not memory");

        let last = lines.last().unwrap();
        assert_eq!(lines.len() as u64, u(&stats["steps"]));
        assert_eq!(last["resident_bytes"], stats["kv_bytes_resident"]);
        assert_eq!(last["full_bytes"], stats["kv_bytes_full"]);
        assert_eq!((&lines[0]["role"], &last["role"]), (&"prompt".into(), &"stream".into()));
        let rows: u64 = lines.iter().map(|line| u(&line["rows"])).sum();
        assert_eq!(rows, 212);
        let area: u64 = lines.iter().map(|line| u(&line["resident_bytes"])).sum();
        assert_eq!(u(&stats["kv_byte_steps_resident"]), area);
        assert!(last["last_rows"][0]["votes"].as_array().is_some_and(|votes| !votes.is_empty()));
    }
}

#[test]
fn the_same_seed_gives_the_same_text() {
    let tokens = |seed: u32| {
        let args = format!("--tokens 5,17,3 --temperature 1 --seed {seed} --max-tokens 30 --json");
        run("generate", &golden("llama"), &args).report()["tokens"].clone()
    };
    assert_eq!(tokens(7), tokens(7));
    assert_ne!(tokens(7), tokens(8));
}

#[test]
fn a_score_adds_up() {
    let expected = json(&golden("llama").join("expected.json"));
    let dir = tempfile::tempdir().unwrap();
    let ids = dir.path().join("ids");
    fs::write(&ids, expected["prompt"].to_string()).unwrap();
    let report =
        run("score", &golden("llama"), &format!("--tokens @{} --from 40 --json", ids.display())).report();
    assert_eq!(report["tokens"], expected["prompt"]);
    let logprobs = report["logprobs"].as_array().unwrap();
    assert_eq!((logprobs.len(), &logprobs[0]), (48, &Value::Null));
    let close = |value: &Value, wanted: f64| {
        let value = value.as_f64().unwrap();
        assert!((value - wanted).abs() <= 1e-9 * wanted.abs(), "{value} for {wanted}");
    };
    let sum = |from: usize| -> f64 { logprobs[from..].iter().map(|p| -p.as_f64().unwrap()).sum() };
    close(&report["nll"], sum(1));
    close(&report["mean_nll"], sum(1) / 47.0);
    close(&report["perplexity"], (sum(1) / 47.0).exp());
    close(&report["tail"]["mean_nll"], sum(40) / 8.0);
    assert_eq!((u(&report["tail"]["from"]), u(&report["tail"]["tokens"])), (40, 8));
    assert_eq!(u(&report["stats"]["kv_bytes_full"]), 48 * TOKEN_BYTES);
}

#[test]
fn logits_are_those_of_transformers() {
    let expected = json(&golden("llama").join("expected.json"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("logits.safetensors");
    let args = format!(
        "--tokens {} --policy full --kv f32 --chunk 20 --logits {}",
        list(&expected["prompt"]),
        path.display()
    );
    run("score", &golden("llama"), &args).succeeded();
    let bytes = fs::read(&path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let logits = file.tensor("logits").unwrap();
    assert_eq!((logits.dtype(), logits.shape()), (Dtype::F32, &[48, 307][..]));
    let found = logits.data().as_chunks().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes)));
    let rows = expected["prefill_logits"].as_array().unwrap();
    let wanted = rows.iter().flat_map(|row| row.as_array().unwrap()).map(|logit| logit.as_f64().unwrap());
    let distance = found.zip(wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(distance < 2e-4, "{distance}");
}

#[test]
fn keys_and_values_take_the_room_of_their_dtype() {
    let score = |args: &str| {
        let report =
            run("score", &golden("llama"), &format!("--tokens 5,17,3,9,11,29 {args} --json")).report();
        (u(&report["stats"]["kv_bytes_full"]), report["nll"].as_f64().unwrap())
    };
    // A vector has 16 elements; in q8 they are a block with its scale.
    let dtypes = [("f32", 64), ("f16", 32), ("bf16", 32), ("q8", 18)];
    let found = dtypes.map(|(kv, vector)| {
        let (bytes, nll) = score(&format!("--kv {kv}"));
        assert_eq!(bytes, 6 * TOKEN_VECTORS * vector, "{kv}");
        nll
    });
    assert!(found.iter().all(|nll| (nll - found[0]).abs() < 0.01 * found[0]), "{found:?}");
    assert_eq!(score("").1, found[1], "f16 where nothing is said");

    let lines = "--setting full:kv=f32 --setting full:kv=q8 --setting full";
    let args = format!("--tokens 5,17,3,9,11,29 {lines} --json");
    let report = run("score", &golden("llama"), &args).report();
    let bytes: Vec<u64> =
        report["settings"].as_array().unwrap().iter().map(|run| u(&run["stats"]["kv_bytes_full"])).collect();
    assert_eq!(bytes, [64, 18, 32].map(|vector| 6 * TOKEN_VECTORS * vector));
    run("score", &golden("llama"), "--tokens 5,17 --kv q4").refused(&["--kv", "q4", "q8"]);
    run("score", &golden("llama"), "--tokens 5,17 --setting full:kv=q4").refused(&["kv=q4", "q8"]);
}

#[test]
fn a_score_for_people_is_a_table() {
    let table = run("score", &golden("llama"), "--tokens 5,17,3,9").succeeded();
    for name in ["tokens", "nll", "perplexity", "nats"] {
        assert!(table.contains(name), "{table}");
    }
}

#[test]
fn a_text_is_scored_under_several_settings_in_one_go() {
    let model = golden("llama");
    let ids: Vec<String> = (0..160).map(|i| (i * 37 % 300).to_string()).collect();
    let text = format!("--tokens {} --segmenter budget --thought-tokens 12", ids.join(","));
    let settings = ["full", "zoomr:window=16,zoom=1", "window:window=16"];
    let given = settings.map(|setting| format!("--setting {setting}")).join(" ");
    let report = run("score", &model, &format!("{text} {given} --json")).report();
    let rows = report["settings"].as_array().unwrap();
    assert_eq!((rows.len(), report["tokens"].as_array().unwrap().len()), (3, 160));
    let alone = ["--policy full", "--window 16 --zoom 1", "--policy window --window 16"];
    let alone = alone.map(|args| run("score", &model, &format!("{text} {args} --json")).report());
    for ((row, alone), setting) in rows.iter().zip(&alone).zip(settings) {
        assert_eq!(row["setting"], setting);
        assert_eq!((&row["logprobs"], &row["tail"]), (&alone["logprobs"], &alone["tail"]), "{setting}");
        let difference = |of: &Value, other: &Value| of.as_f64().unwrap() - other.as_f64().unwrap();
        assert_eq!(row["mean_nll_difference"], difference(&alone["mean_nll"], &rows[0]["mean_nll"]));
        let tail = difference(&alone["tail"]["mean_nll"], &rows[0]["tail"]["mean_nll"]);
        assert_eq!(row["tail_mean_nll_difference"], tail);
    }
    assert_ne!(rows[0]["nll"], rows[2]["nll"]);

    let table = run("score", &model, &format!("{text} {given}")).succeeded();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("setting") && lines.len() == 4, "{table}");
    assert!(lines[1].contains(" +0.0000 ") && lines[3].starts_with("window:window=16 "), "{table}");

    let refused = |args: &str, says: &[&str]| run("score", &model, &format!("{text} {args}")).refused(says);
    refused("--setting full --setting full", &["--setting full", "twice"]);
    refused("--setting sparse", &["--setting sparse", "not one of full, window"]);
    let dir = tempfile::tempdir().unwrap();
    let trace = dir.path().join("trace");
    refused(&format!("{given} --trace {}", trace.display()), &["--trace", "one --setting"]);
    assert!(fs::read_dir(dir.path()).unwrap().next().is_none(), "nothing stays behind");
}
