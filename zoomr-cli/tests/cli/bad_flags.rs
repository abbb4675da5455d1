//! Flags out of range, flags that contradict each other, and files that cannot be written.

use std::fs;

use crate::support::{generate, golden, run};

/// Flags, and what the refusal must say.
const BAD: &[(&str, &[&str])] = &[
    (
        "--policy best",
        &["--policy", "best", "full", "window", "h2o", "rkv", "quest", "summaries", "zoomr", "oracle"],
    ),
    ("--scope none", &["--scope", "two-pass"]),
    ("--window 0", &["--window", "at least 1"]),
    ("--window -1", &["'-1'"]),
    ("--window 99999999999999999999", &["--window", "99999999999999999999"]),
    ("--votes 0", &["--votes", "at least 1"]),
    ("--zoom two", &["--zoom", "two"]),
    ("--zoom 2 --zoom-tokens 100", &["--zoom", "--zoom-tokens", "cannot be used"]),
    ("--zoom-mass 1.5", &["--zoom-mass", "between 0 and 1"]),
    ("--zoom-mass NaN", &["--zoom-mass", "between 0 and 1"]),
    ("--budget 0", &["--budget", "at least 1"]),
    ("--policy rkv --budget 8", &["--budget", "at least 9"]),
    ("--buffer 7", &["--buffer", "at least 8"]),
    ("--page-size 0", &["--page-size", "1024"]),
    ("--page-size 5000", &["--page-size", "1024"]),
    ("--cap 0", &["--cap"]),
    ("--cap lots", &["--cap", "lots", "64M"]),
    ("--thought-tokens 0", &["--thought-tokens"]),
    ("--thought-tokens 9..3", &["--thought-tokens", "9 to 3"]),
    ("--thought-tokens a..b", &["--thought-tokens", "16..96"]),
    ("--segmenter budget --thought-tokens 0", &["--thought-tokens"]),
    ("--segmenter markers", &["--markers"]),
    ("--segmenter markers --markers a,b,c", &["--markers", "four"]),
    ("--segmenter markers --markers a,b,c,a", &["--markers", "twice"]),
    ("--markers a,b,c,d", &["--markers", "--segmenter markers"]),
    ("--trigger pressure", &["--pressure-limit"]),
    ("--pressure-limit 1M", &["--pressure-limit", "--trigger pressure"]),
    ("--trigger forced --summary-tokens 0", &["--summary-tokens"]),
    ("--trigger forced --summary-open So:", &["--summary-open", "tokenizer"]),
    ("--chunk 0", &["--chunk"]),
    ("--max-tokens 0", &["--max-tokens", "at least 1"]),
    ("--temperature -1", &["--temperature", "-1"]),
    ("--temperature=-1", &["--temperature"]),
    ("--temperature=NaN", &["--temperature"]),
    ("--top-p 0", &["--top-p", "above 0"]),
    ("--min-p 2", &["--min-p"]),
    ("--repetition-penalty 0", &["--repetition-penalty"]),
    ("--seed x", &["--seed"]),
    ("--stop x", &["--stop", "tokenizer"]),
    ("--stop=", &["--stop", "empty"]),
    ("--chat", &["--chat", "--tokens"]),
    ("--no-such-flag", &["--no-such-flag"]),
];

#[test]
fn every_bad_flag_is_named() {
    for (flags, says) in BAD {
        let given = if flags.starts_with("--temperature") { "" } else { "--temperature 0 " };
        let ran = run("generate", &golden("llama"), &format!("--tokens 1,2,3 {given}{flags}"));
        assert_eq!(ran.code, Some(1), "{flags}: {}", ran.stderr);
        ran.refused(says);
    }
}

#[test]
fn bad_token_ids_are_named() {
    let refused = |tokens: &str, says: &[&str]| run("generate", &golden("llama"), tokens).refused(says);
    refused("--tokens 5,307", &["--tokens", "307", "number 2"]);
    refused("--tokens 5,x", &["--tokens", "`x`"]);
    refused("--tokens=,", &["--tokens", "at least one"]);
    refused("--tokens 4294967296", &["--tokens", "4294967296"]);
    refused("--tokens 5 hello", &["--tokens", "cannot be used"]);
    refused("", &["nothing to continue", "--file", "--tokens"]);
}

#[test]
fn scoring_flags_are_named() {
    let refused = |flags: &str, says: &[&str]| run("score", &golden("llama"), flags).refused(says);
    refused("--tokens 5", &["1 token", "at least 2"]);
    refused("--tokens 5,6 --prompt-tokens 0", &["--prompt-tokens", "at least 1"]);
    refused("--tokens 5,6 --from 2", &["--from", "2 tokens"]);
    refused("--tokens 5,6 --logits /nowhere/logits", &["--logits", "/nowhere/logits"]);
}

#[test]
fn settings_beyond_all_measure_do_no_harm() {
    let huge = usize::MAX;
    let flags = [
        format!("--window {huge} --votes {huge} --zoom {huge} --resident-thoughts {huge}"),
        format!("--policy window --sinks {huge} --window {huge}"),
        format!("--policy h2o --budget {huge}"),
        format!("--policy rkv --budget {huge} --buffer {huge}"),
        format!("--policy quest --budget {huge}"),
        format!("--keep-prompt {huge} --zoom-tokens {huge} --thought-tokens 1..{huge}"),
        format!("--window 1 --thought-tokens 1 --zoom 0 --keep-prompt 0 --page-size 1024 --chunk {huge}"),
        format!("--top-k {huge} --cap {}T --resident-thoughts 0", 1 << 20),
    ];
    for flags in flags {
        generate(&golden("llama"), &format!("--max-tokens 20 {flags}")).succeeded();
    }
    generate(&golden("llama"), &format!("--max-tokens {huge}")).succeeded();
}

#[test]
fn a_cap_that_has_no_room_for_the_prompt_is_named_with_what_it_takes() {
    let ran = generate(&golden("llama"), "--policy full --cap 1k");
    ran.refused(&["resident KV memory", "cap of 1024", "raise the cap"]);
}

#[test]
fn an_unwritable_trace_is_refused_before_any_work() {
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("missing").join("trace.jsonl");
    for path in [dir.path(), &nowhere] {
        let path = path.display().to_string();
        generate(&golden("llama"), &format!("--trace {path}")).refused(&["--trace", &path]);
        let args = format!("--tokens 1,2,3 --trace {path}");
        run("score", &golden("llama"), &args).refused(&["--trace", &path]);
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_run_that_fails_leaves_the_old_trace_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.jsonl");
    fs::write(&path, "good").unwrap();
    let args = format!("--policy full --cap 1k --trace {}", path.display());
    generate(&golden("llama"), &args).refused(&["raise the cap"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), "good");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
