//! Standard streams and signals: a reader that goes away, Ctrl-C and SIGTERM, and what is printed where.

#[cfg(unix)]
use std::{fs, process::Command};
use std::{
    io::Read,
    path::Path,
    process::{Child, Stdio},
};

use serde_json::json;

use crate::support::{PROMPT, Ran, command, generate, golden, trace, with_config};

/// A run that would take hours, with its standard output in our hands.
fn endless(dir: &Path, args: &[&str]) -> Child {
    let mut command = command("generate", dir);
    command.args(["--tokens", PROMPT, "--policy", "window", "--max-tokens", "900000"]).args(args);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the first token is out.
fn wait_for_output(child: &mut Child) {
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 4]).unwrap();
}

#[test]
fn a_reader_that_goes_away_ends_it_silently() {
    let dir = with_config("llama", "max_position_embeddings", json!(1_000_000));
    let traced = dir.path().join("trace.jsonl");
    let mut child = endless(dir.path(), &["--trace", &traced.display().to_string()]);
    wait_for_output(&mut child);
    drop(child.stdout.take());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &*ran.stderr), (Some(141), ""));
    assert!(!trace(&traced).is_empty());
}

/// Sends a signal to a process and waits for its end.
#[cfg(unix)]
fn ends_after(signal: &str, child: Child) -> Ran {
    let killed = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    child.wait_with_output().unwrap().into()
}

/// What is in a directory, in order.
#[cfg(unix)]
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = entries.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[cfg(unix)]
#[test]
fn ctrl_c_and_sigterm_end_it_in_order() {
    for signal in ["-INT", "-TERM", "-HUP"] {
        let dir = with_config("llama", "max_position_embeddings", json!(1_000_000));
        let traced = dir.path().join("trace.jsonl");
        let mut child = endless(dir.path(), &["--stats", "--trace", &traced.display().to_string()]);
        wait_for_output(&mut child);
        let ran = ends_after(signal, child);
        assert_eq!(ran.code, Some(130), "{signal}");
        assert!(
            ran.stderr.contains("interrupted after") && ran.stderr.contains("KV, resident"),
            "{signal}: {}",
            ran.stderr
        );
        assert!(trace(&traced).len() > 1, "{signal}");
        assert_eq!(names(dir.path()), ["config.json", "model.safetensors", "trace.jsonl"], "{signal}");
    }
}

#[cfg(unix)]
#[test]
fn before_the_first_step_they_end_it_at_once_and_leave_nothing_unfinished() {
    for signal in ["-INT", "-TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let traced = dir.path().join("trace.jsonl");
        fs::write(&traced, "good\n").unwrap();
        let text = dir.path().join("text");
        assert!(Command::new("mkfifo").arg(&text).status().unwrap().success());
        let mut command = command("generate", &golden("llama"));
        command.arg("--file").arg(&text).arg("--trace").arg(&traced);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Opens once the other side does, which by then has begun the trace, and waits for a text from now on.
        let _nothing_to_read = fs::OpenOptions::new().write(true).open(&text).unwrap();
        assert_eq!(names(dir.path()).len(), 3, "{:?}", names(dir.path()));
        let ran = ends_after(signal, child);
        assert_eq!((ran.code, &*ran.stderr), (Some(130), "interrupted\n"), "{signal}");
        assert_eq!(names(dir.path()), ["text", "trace.jsonl"], "{signal}");
        assert_eq!(fs::read_to_string(&traced).unwrap(), "good\n");
    }
}

/// On a terminal, which repeats what is typed: `^C` must not move the status line, whose text would be there twice.
#[cfg(unix)]
#[test]
fn ctrl_c_is_not_echoed_into_the_status_line() {
    let dir = with_config("llama", "max_position_embeddings", json!(1_000_000));
    let run = format!(
        "trap : INT; stty cols 80; {} generate --model {} --tokens {PROMPT} --policy window -n 900000; echo code $?; stty -a",
        env!("CARGO_BIN_EXE_zoomr"),
        dir.path().display()
    );
    let typescript = dir.path().join("typescript");
    let mut command = Command::new("script");
    command.args(["-qec", &run]).arg(&typescript).env("SHELL", "/bin/sh");
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(mut child) = spawned else { return println!("SKIPPED: no `script` to make a terminal with") };
    let shown = || fs::read_to_string(&typescript).unwrap_or_default();
    while !shown().contains(" tokens, ") {
        assert!(child.try_wait().unwrap().is_none(), "{}", shown());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::io::Write::write_all(child.stdin.as_mut().unwrap(), b"\x03").unwrap();
    child.wait().unwrap();
    let shown = shown();
    let Some((during, after)) = shown.split_once("code 130") else { panic!("{shown}") };
    assert!(during.contains("interrupted after") && !during.contains("^C"), "{during}");
    assert!(after.contains("echoctl") && !after.contains("-echoctl"), "the terminal is as it was: {after}");
}

/// A file may be standard output, which then has nothing else in it: the result goes to standard error.
#[test]
fn a_file_may_be_standard_output() {
    let dir = golden("llama");
    let traced = generate(&dir, "--max-tokens 5 --trace -");
    let text = traced.stderr.lines().next().unwrap_or_default();
    assert_eq!(text.split_whitespace().count(), 5, "{}", traced.stderr);
    let lines = traced.succeeded();
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{lines}");
    generate(&dir, "--max-tokens 5 --trace - --record -")
        .refused(&["--trace and --record", "standard output"]);
}

#[test]
fn without_a_terminal_there_is_nothing_but_the_text() {
    let ran = generate(&golden("llama"), "--max-tokens 5");
    assert_eq!(ran.stderr, "the text ends after 5 new tokens, as --max-tokens says\n");
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
