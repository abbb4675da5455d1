//! `zoomr plan` against what `zoomr generate` then measures.

use std::path::Path;

use serde_json::Value;

use crate::support::{PROMPT, generate, golden, json, run};

/// New tokens; with the prompt, well within the tiny model's context of 512.
const NEW: usize = 400;

/// Bytes that agree within 2%.
fn close(planned: &Value, measured: &Value) -> bool {
    let (planned, measured) = (planned.as_f64().unwrap(), measured.as_f64().unwrap());
    (planned - measured).abs() <= 0.02 * measured
}

/// Asserts that plan and measurement agree for these settings.
fn assert_agree(settings: &str, summary: &str) {
    let model = golden("llama");
    let settings = format!("{settings} --segmenter budget --thought-tokens 20 --page-size 4 --window 50");
    let stats =
        &generate(&model, &format!("--json --ignore-eos --max-tokens {NEW} {settings}")).report()["stats"];
    let prompt = PROMPT.split(',').count();
    assert_eq!(stats["new_tokens"], NEW, "{settings}");
    let sizes = format!("--tokens {} --prompt-tokens {prompt} {summary} --json", prompt + NEW);
    let plan = run("plan", &model, &format!("{sizes} {settings}")).report();

    assert_eq!(plan["kv_bytes_full"], stats["kv_bytes_full"], "{settings}");
    for field in ["kv_bytes_resident", "kv_bytes_resident_peak", "kv_bytes_cold"] {
        let (planned, measured) = (&plan[field], &stats[field]);
        assert!(close(planned, measured), "{settings}: {field} {planned}, measured {measured}");
    }
    for (tier, measured) in stats["kv_bytes"].as_object().unwrap() {
        let planned = &plan["kv_bytes"][tier];
        assert!(close(planned, measured), "{settings}: {tier} {planned}, measured {measured}");
    }
}

#[test]
fn full_takes_what_was_planned() {
    assert_agree("--policy full", "");
}

#[test]
fn window_takes_what_was_planned() {
    assert_agree("--policy window", "");
}

#[test]
fn policies_with_budgets_take_what_was_planned() {
    for policy in ["h2o", "rkv", "quest"] {
        assert_agree(&format!("--policy {policy} --budget 60"), "");
    }
}

#[test]
fn every_dtype_takes_what_was_planned() {
    for kv in ["f32", "f16", "bf16", "q8"] {
        for settings in
            ["full", "h2o --budget 60", "quest --budget 60", "zoomr --blocks off", "zoomr --blocks 4"]
        {
            assert_agree(&format!("--policy {settings} --kv {kv}"), "");
        }
    }
}

#[test]
fn zoomr_with_pooled_thoughts_takes_what_was_planned() {
    for blocks in ["off", "4", "4 --keep-prompt 3"] {
        assert_agree(&format!("--policy zoomr --trigger pooled --blocks {blocks}"), "");
    }
}

#[test]
fn zoomr_with_forced_summaries_takes_what_was_planned() {
    // Without a tokenizer a summary has no frame, and the model writes as many tokens as it may.
    for blocks in ["off", "4"] {
        assert_agree(&format!("--policy zoomr --trigger forced --summary-tokens 6 --blocks {blocks}"), "");
    }
}

#[test]
fn a_table_shows_every_tier_beside_both_baselines() {
    let table = run("plan", &golden("llama"), "--tokens 500 --prompt-tokens 20 --thought 30 --blocks off");
    let table = table.succeeded();
    let lines: Vec<&str> = table.lines().skip_while(|line| !line.starts_with("KV memory")).collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>().join(" "),
        "KV memory full on device full offloaded zoomr"
    );
    let names = [
        "prompt",
        "window",
        "index",
        "summaries",
        "zoomed",
        "free",
        "resident",
        "resident at most",
        "host",
        "device and host",
    ];
    for (line, name) in lines[1..].iter().zip(names) {
        assert!(line.starts_with(name), "{table}");
    }
    assert!(
        table.contains("500 tokens, 20 of them prompt; thoughts of 30, at most 96, no summaries"),
        "{table}"
    );
    assert!(table.contains("against a full cache there"), "{table}");
    assert!(table.contains("against a full cache offloaded to the host"), "{table}");
}

#[test]
fn blocks_hold_everything_and_the_plan_says_so() {
    let model = golden("llama");
    let sizes = "--tokens 500 --prompt-tokens 20 --thought 30";
    let plan = |settings: &str| run("plan", &model, &format!("{sizes} {settings} --json")).report();
    let (blocks, whole, full) = (plan(""), plan("--blocks off"), plan("--policy full"));
    assert_eq!((&blocks["blocks"], &whole["blocks"]), (&Value::from(4), &Value::Null));
    let bytes = |plan: &Value, field: &str| plan[field].as_u64().unwrap();
    let index = |plan: &Value| plan["kv_bytes"]["index"].as_u64().unwrap();
    // The whole cache, in pages, with the index beside it; nothing is put away.
    assert_eq!(bytes(&blocks, "kv_bytes_resident") - index(&blocks), bytes(&full, "kv_bytes_resident"));
    assert_eq!(bytes(&blocks, "kv_bytes_cold"), 0);
    assert!(bytes(&whole, "kv_bytes_cold") > 0 && index(&blocks) > 0);
    assert!(blocks["reduction_of_device"].as_f64().unwrap() < 1.0, "{blocks}");
    assert_eq!(blocks["memory"]["runs"][0]["kv_bytes"], blocks["kv_bytes_resident_peak"]);

    let table = run("plan", &model, sizes).succeeded();
    for line in ["at hand ", "blocks ", "attended tokens ", "memory  "] {
        assert!(table.lines().any(|found| found.starts_with(line)), "{line}: {table}");
    }
    for says in ["save what is read, not what is held", "nowhere to put KV away", "none (0."] {
        assert!(table.contains(says), "{says}: {table}");
    }
    assert!(!table.contains("\nzoomed") && !table.contains("at most 96"), "{table}");
}

#[test]
fn less_at_hand_is_less_on_the_device() {
    let (model, sizes) = (golden("llama"), "--tokens 500 --prompt-tokens 20 --thought 30");
    let plan = |settings: &str| run("plan", &model, &format!("{sizes} {settings} --json")).report();
    let (all, some) = (plan(""), plan("--at-hand 128"));
    assert_eq!((&all["at_hand"], &some["at_hand"]), (&Value::Null, &Value::from(128)));
    let bytes = |plan: &Value, field: &str| plan[field].as_u64().unwrap();
    assert!(3 * bytes(&some, "kv_bytes_resident") < 2 * bytes(&all, "kv_bytes_resident"), "{some}");
    assert!(bytes(&some, "kv_bytes_cold") > 0, "{some}");
    let table = run("plan", &model, &format!("{sizes} --at-hand 128")).succeeded();
    assert!(table.contains("chosen from 128 tokens at hand"), "{table}");
    assert!(table.contains("counts what is put away"), "{table}");
}

#[test]
fn runs_over_the_context_are_planned_with_a_note() {
    let ran = run("plan", &golden("llama"), "--tokens 32k");
    assert!(ran.stderr.contains("32768 tokens are over the model's context of 512"), "{}", ran.stderr);
    assert!(ran.succeeded().contains("32768 tokens"));
}

#[test]
fn nonsense_is_refused() {
    let refused = |args: &str, says: &[&str]| run("plan", &golden("llama"), args).refused(says);
    refused("", &["--tokens"]);
    refused("--tokens 0", &["--tokens", "give 1 to"]);
    refused("--tokens 32x", &["--tokens", "as in 2000, 32k or 1M"]);
    refused("--tokens 5G", &["--tokens", "give 1 to"]);
    refused("--tokens 100 --prompt-tokens 101", &["--prompt-tokens", "101", "raise --tokens"]);
    refused("--tokens 500 --thought 0", &["--thought"]);
    refused("--tokens 500 --summary 4", &["--summary", "pooled"]);
    refused("--tokens 500 --summary 0 --trigger forced", &["--summary", "at least 1"]);
    refused("--tokens 500 --trigger pressure --pressure-limit 1M", &["--trigger", "forced"]);
    refused("--tokens 500 --window 0", &["--window"]);
    refused("--memory 24X", &["--memory", "64M or 2G"]);
    run("plan", Path::new("no/such/model/here"), "--tokens 9").refused(&["no/such/model/here"]);
}

/// The runs of a plan with --json: under the policy, and with a full cache.
fn needs(model: &Path, args: &str) -> Vec<Value> {
    let report = run("plan", model, &format!("{args} --json")).report();
    report["memory"]["runs"].as_array().unwrap().clone()
}

#[test]
fn whether_it_fits_is_said_and_the_longest_text_that_does() {
    let model = golden("llama");
    let longest = |need: &Value| need["longest_text"].as_u64().unwrap();
    for policy in ["zoomr", "zoomr --blocks off", "summaries --trigger forced", "rkv", "quest", "window"] {
        let settings = format!("--policy {policy}");
        for (number, need) in needs(&model, &format!("--memory 4M {settings}")).iter().enumerate() {
            assert_eq!(need["fits"], true, "{need}");
            let tokens = longest(need);
            if tokens == 1 << 32 {
                continue;
            }
            // No other text is longer and fits.
            let fits = |tokens: u64| {
                needs(&model, &format!("--memory 4M --tokens {tokens} {settings}"))[number]["fits"].clone()
            };
            assert_eq!((fits(tokens), fits(tokens + 1)), (true.into(), false.into()), "{tokens}: {need}");
        }
    }
    let [zoomr, full] = &needs(&model, "--tokens 400 --memory 600k")[..] else { panic!("two rows") };
    assert_eq!((&zoomr["fits"], longest(zoomr), longest(full)), (&false.into(), 0, 0));
    let sum = |need: &Value| {
        ["weight_bytes", "kv_bytes", "activation_bytes"]
            .map(|part| need[part].as_u64().unwrap())
            .iter()
            .sum::<u64>()
    };
    assert!(zoomr["bytes"] == sum(zoomr) && zoomr["weight_bytes"] == 4 * 168_768, "{zoomr}");
    assert!(full["policy"] == "full" && needs(&model, "--tokens 9 --policy full").len() == 1);
    // What is away from the device is in the same memory.
    let plan = run("plan", &model, "--tokens 400 --json").report();
    let kv = plan["kv_bytes_resident_peak"].as_u64().unwrap() + plan["kv_bytes_cold"].as_u64().unwrap();
    assert_eq!(plan["memory"]["runs"][0]["kv_bytes"], kv);
    assert_eq!(plan["memory"]["runs"][0]["fits"], Value::Null);

    let table = run("plan", &model, "--memory 1M").succeeded();
    let rows: Vec<&str> = table.lines().take(3).collect();
    assert!(rows[0].contains("weights, F32") && rows[0].contains("KV, F16"), "{table}");
    assert!(rows[0].contains("in 1.00 MiB") && rows[0].ends_with("longest text"), "{table}");
    assert!(rows[1].starts_with("zoomr ") && rows[2].starts_with("full "), "{table}");
}

#[test]
fn a_plan_takes_no_longer_for_a_long_run() {
    let begun = std::time::Instant::now();
    let ran = run("plan", &golden("llama"), "--tokens 4M --memory 24G");
    assert!(begun.elapsed().as_secs_f64() < 5.0, "{:?}", begun.elapsed());
    assert!(ran.succeeded().contains("4194304 tokens"));
}

#[test]
fn a_configuration_alone_says_all_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some-model.json");
    let mut config = json(&golden("llama").join("config.json"));
    let weights = |config: &Value, model: &Path| {
        std::fs::write(&path, config.to_string()).unwrap();
        let report = run("plan", model, "--tokens 400 --json").report();
        let memory = &report["memory"];
        (memory["weight_dtype"].clone(), memory["runs"][0]["weight_bytes"].as_u64().unwrap())
    };
    for field in ["dtype", "torch_dtype"] {
        config.as_object_mut().unwrap().retain(|name, _| !name.contains("dtype"));
        assert_eq!(weights(&config, &path), ("F32".into(), 4 * 168_768));
        config[field] = "bfloat16".into();
        assert_eq!(weights(&config, &path), ("BF16".into(), 2 * 168_768));
    }
    run("plan", dir.path(), "--tokens 9").refused(&["config.json"]);
    std::fs::write(&path, "GGUF").unwrap();
    run("plan", &path, "--tokens 9").refused(&["some-model.json"]);
}
