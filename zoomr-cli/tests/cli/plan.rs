//! `zoomr plan` against what `zoomr generate` then measures.

use serde_json::Value;

use crate::support::{PROMPT, generate, golden, run};

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
fn zoomr_with_pooled_thoughts_takes_what_was_planned() {
    assert_agree("--policy zoomr --trigger pooled", "");
}

#[test]
fn zoomr_with_forced_summaries_takes_what_was_planned() {
    // Without a tokenizer a summary has no frame, and the model writes as many tokens as it may.
    assert_agree("--policy zoomr --trigger forced --summary-tokens 6", "");
}

#[test]
fn a_table_shows_every_tier_beside_both_baselines() {
    let table = run("plan", &golden("llama"), "--tokens 500 --prompt-tokens 20 --thought 30").succeeded();
    let lines: Vec<&str> = table.lines().collect();
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
    refused("--tokens 999G", &["--tokens", "give 1 to"]);
    refused("--tokens 100 --prompt-tokens 101", &["--prompt-tokens", "101", "raise --tokens"]);
    refused("--tokens 500 --thought 0", &["--thought"]);
    refused("--tokens 500 --summary 4", &["--summary", "pooled"]);
    refused("--tokens 500 --summary 0 --trigger forced", &["--summary", "at least 1"]);
    refused("--tokens 500 --trigger pressure --pressure-limit 1M", &["--trigger", "forced"]);
    refused("--tokens 500 --window 0", &["--window"]);
    run("plan", std::path::Path::new("no/such/model/here"), "--tokens 9").refused(&["no/such/model/here"]);
}
