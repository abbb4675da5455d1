//! Standard streams and signals: a reader that goes away, Ctrl-C, and what is printed where.

use std::{
    io::Read,
    process::{Child, Command, Stdio},
};

use serde_json::json;

use crate::support::{PROMPT, Ran, command, generate, golden, trace, with_config};

/// A run that would take hours, with its standard output in our hands.
fn endless(dir: &std::path::Path, args: &[&str]) -> Child {
    let mut command = command("generate", dir);
    command.args(["--tokens", PROMPT, "--policy", "window", "--max-tokens", "900000"]).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the first token is out.
fn wait_for_output(child: &mut Child) {
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn a_reader_that_goes_away_ends_it_with_a_message() {
    let dir = with_config("llama", "max_position_embeddings", json!(1_000_000));
    let traced = dir.path().join("trace.jsonl");
    let mut child = endless(dir.path(), &["--trace", &traced.display().to_string()]);
    wait_for_output(&mut child);
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(1));
    assert!(ran.stderr.contains("standard output was closed"), "{}", ran.stderr);
    assert!(!trace(&traced).is_empty());
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_in_order() {
    let dir = with_config("llama", "max_position_embeddings", json!(1_000_000));
    let traced = dir.path().join("trace.jsonl");
    let mut child = endless(dir.path(), &["--stats", "--trace", &traced.display().to_string()]);
    wait_for_output(&mut child);
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130));
    assert!(
        ran.stderr.contains("interrupted after") && ran.stderr.contains("KV, resident"),
        "{}",
        ran.stderr
    );
    assert!(trace(&traced).len() > 1);
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "config, weights and trace: {names:?}");
}

#[test]
fn without_a_terminal_there_is_nothing_but_the_text() {
    let ran = generate(&golden("llama"), "--max-tokens 5");
    assert_eq!(ran.stderr, "");
    let ids: Vec<u32> = ran.succeeded().split_whitespace().map(|id| id.parse().unwrap()).collect();
    assert_eq!(ids.len(), 5);
}

#[test]
fn the_account_goes_to_standard_error() {
    let ran = generate(&golden("llama"), "--max-tokens 5 --stats --json");
    for name in ["new tokens", "tokens per second", "KV, resident", "reduction on the device"] {
        assert!(ran.stderr.contains(name), "{}", ran.stderr);
    }
    assert_eq!(ran.report()["stats"]["new_tokens"], 5);
}

#[test]
fn a_full_context_is_said() {
    let ran = generate(&golden("llama"), "--max-tokens 1000 --json");
    assert!(ran.stderr.contains("context is full"), "{}", ran.stderr);
    let report = ran.report();
    assert_eq!((&report["stop"], &report["stats"]["new_tokens"]), (&json!("context"), &json!(500)));
}
