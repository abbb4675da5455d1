//! `zoomr verify`: the laws on a model, and what it says where they cannot be looked at.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::{
    shared::real_model,
    support::{golden, run, with_config},
};

/// `count` different token ids of a golden model.
fn tokens(count: usize) -> String {
    (0..count).fold(String::new(), |mut ids, i| {
        write!(ids, "{},", 3 + i * 97 % 300).unwrap();
        ids
    })
}

/// Asserts that everything was looked at and holds.
fn assert_holds(report: &Value) {
    let number = |field: &str| report[field].as_f64().unwrap();
    assert_eq!(report["passed"], true, "{report}");
    assert!(number("max_logit_difference") <= number("bound") && number("bound") < 0.01, "{report}");
    let checks = report["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 7);
    assert!(checks.iter().all(|check| check["passed"] == true), "{report}");
}

#[test]
fn the_laws_hold_on_tiny_models() {
    // Full attention everywhere; layers that slide between layers that do not; layers without RoPE.
    for name in ["llama", "gemma3", "smollm3"] {
        let report = run("verify", &golden(name), &format!("--json --tokens {}", tokens(100))).report();
        assert_eq!(report["tokens"], 100);
        assert_holds(&report);
    }
}

#[test]
fn the_laws_hold_on_a_real_model() {
    let Some(model) = real_model() else { return };
    let report = run("verify", &model, "--json --max-tokens 64").report();
    assert_eq!(report["tokens"], 64);
    assert_holds(&report);
}

#[test]
fn a_table_shows_the_difference_and_every_check() {
    let table =
        run("verify", &golden("llama"), &format!("--tokens {} --max-tokens 64", tokens(80))).succeeded();
    for name in ["text", "max logit difference", "allowed", "noise", "largest logit"] {
        assert!(table.lines().any(|line| line.starts_with(name)), "{name}:\n{table}");
    }
    assert!(table.contains("64 tokens, "), "{table}");
    assert_eq!(table.lines().filter(|line| line.starts_with("ok ")).count(), 7, "{table}");
}

#[test]
fn what_cannot_be_verified_is_refused() {
    let llama = golden("llama");
    let refused = |args: &str, says: &[&str]| run("verify", &llama, args).refused(says);
    refused("", &["tokenizer"]);
    refused(&format!("--tokens {}", tokens(31)), &["31 tokens", "at least 32"]);
    refused(&format!("--tokens {} --max-tokens 8", tokens(99)), &["--max-tokens", "at least 32"]);
    refused(&format!("--tokens {},307", tokens(40)), &["--tokens", "307", "vocabulary"]);
    refused("--file no/such/text", &["--file", "no/such/text"]);
    refused("--file a --tokens 1", &["--tokens"]);
    let slides = golden("mistral_sw");
    run("verify", &slides, &format!("--tokens {}", tokens(40)))
        .refused(&["sliding window", "nothing to verify"]);
    let short = with_config("llama", "max_position_embeddings", json!(40));
    run("verify", short.path(), &format!("--tokens {}", tokens(60))).refused(&["60 tokens", "context of 40"]);
}

#[test]
fn a_dtype_of_keys_and_values_says_what_it_costs() {
    let verify = |kv: &str| {
        let report =
            run("verify", &golden("llama"), &format!("--json --kv {kv} --tokens {}", tokens(64))).report();
        assert_holds(&report);
        let rounding = report["rounding"].clone();
        assert_eq!(rounding["kv"], kv);
        ["max_logit_difference", "mean_logit_difference", "kl_divergence"]
            .map(|name| rounding[name].as_f64().unwrap())
    };
    assert_eq!(verify("f32"), [0.0; 3]);
    let [f16, bf16, q8] = ["f16", "bf16", "q8"].map(verify);
    for i in 0..3 {
        assert!(0.0 < f16[i] && f16[i] < bf16[i].min(q8[i]), "{f16:?} {bf16:?} {q8:?}");
    }
    let table = run("verify", &golden("llama"), &format!("--kv q8 --tokens {}", tokens(64))).succeeded();
    assert!(table.lines().any(|line| line.starts_with("q8 ") && line.contains("KL")), "{table}");
}
