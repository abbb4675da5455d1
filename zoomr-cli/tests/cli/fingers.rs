//! What people type by habit: other programs' names for flags, a pipe without `-`, numbers beyond all measure.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::json;

use crate::support::{PROMPT, Ran, command, generate, golden, run, trace, with_config};

/// The built-in model, with `input` on standard input.
fn piped(args: &str, input: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(args.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap().into()
}

#[test]
fn a_text_is_taken_however_it_is_given() {
    let problem = "lagged sums mod 10 : t1 3 t2 4 t3 5 rule t4 = t3 + t1 until t9 ; find t9 ?";
    let given = |arg: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
        command.args(["generate", "-n", "20", "--json"]).args(arg).stdin(Stdio::null());
        Ran::from(command.output().unwrap()).report()["tokens"].clone()
    };
    let expected = given(&[problem]);
    assert_eq!(given(&["-p", problem]), expected);
    assert_eq!(given(&["--prompt", problem]), expected);
    assert_eq!(piped("generate -n 20 --json", problem).report()["tokens"], expected);
    assert_eq!(piped("generate -n 20 --json -", problem).report()["tokens"], expected);
    // Nothing there is nothing given: the built-in model poses a problem, others have none.
    assert!(piped("generate -n 20 --json", "\n").report()["problem"]["question"].is_string());
    run("generate", &golden("llama"), "").refused(&["nothing to continue"]);
}

#[test]
fn other_programs_names_do_the_same() {
    let expected = generate(&golden("llama"), "--max-tokens 7 --seed 3").succeeded();
    for flags in
        ["--max-new-tokens 7 -s 3", "--n-predict 7 --threads 1", "-n 7 -t 2", "-n 99 -c 19", "--ctx-size 19"]
    {
        assert_eq!(generate(&golden("llama"), flags).succeeded(), expected, "{flags}");
    }
    let prompt = format!("--tokens {PROMPT} -n 7");
    assert_eq!(run("generate", &golden("llama"), &format!("{prompt} --temp 0")).succeeded(), expected);
    let full = generate(&golden("llama"), "-n 99 -c 19 --json");
    assert!(full.stderr.contains("context is full"), "{}", full.stderr);
    assert_eq!(full.report()["stop"], "context");
    generate(&golden("llama"), "-c 12").refused(&["--ctx-size", "prompt of 12"]);
    // In llama.cpp, no limit and any seed.
    generate(&golden("llama"), "-n -1").refused(&["'-1' for '--max-tokens <N>'", "give a number of tokens"]);
    generate(&golden("llama"), "-s -1").refused(&["'-1' for '--seed <SEED>'", "give a whole number"]);
    generate(&golden("llama"), "-ngl 99").refused(&["-ngl", "--backend cuda"]);
    generate(&golden("llama"), "--max_model_len 99").refused(&["--max_model_len", "--ctx-size"]);
}

#[test]
fn a_default_of_the_model_can_be_switched_off() {
    let dir = with_config("llama", "eos_token_id", json!(2));
    let narrow = r#"{"do_sample": true, "top_k": 1, "top_p": 1.0, "temperature": 5.0}"#;
    std::fs::write(dir.path().join("generation_config.json"), narrow).unwrap();
    let tokens =
        |flags: &str| run("generate", dir.path(), &format!("--tokens {PROMPT} -n 12 {flags}")).succeeded();
    let narrow = tokens("");
    assert_eq!(tokens("--seed 5"), narrow, "one token to choose from");
    assert_ne!(tokens("--top-k 0"), tokens("--top-k 0 --seed 5"));
    assert_eq!(tokens("--top-k 0 --temp 0"), narrow);
}

#[test]
fn a_text_that_reaches_the_cap_is_given_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("trace.jsonl");
    let args = format!("--policy full --cap 100k --max-tokens 400 --json --trace {}", path.display());
    let ran = generate(&golden("llama"), &args);
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains("--cap, 100.00 KiB") && ran.stderr.contains("raise it"), "{}", ran.stderr);
    let report: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let new = report["tokens"].as_array().unwrap().len();
    assert!(report["stop"] == "cap" && new > 10 && report["stats"]["new_tokens"] == new, "{report}");
    assert_eq!(trace(&path).len(), new + 1);
}

#[test]
fn shells_and_manuals_are_served() {
    let zoomr = |args: &str| piped(args, "").succeeded();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(zoomr(&format!("completions {shell}")).contains("max-tokens"), "{shell}");
    }
    assert!(zoomr("man").contains(".TH zoomr"));
    let dir = tempfile::tempdir().unwrap();
    zoomr(&format!("man {}", dir.path().display()));
    assert!(dir.path().join("zoomr-generate.1").is_file());
    assert!(zoomr("generate --version").contains(env!("CARGO_PKG_VERSION")));
}

/// Every flag that takes a number, as its help says.
fn numeric_flags(subcommand: &str) -> Vec<String> {
    let help = Command::new(env!("CARGO_BIN_EXE_zoomr")).args([subcommand, "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let number = ["N", "K", "C", "T", "P", "R", "TOKENS", "BYTES", "SHARE", "SEED", "MIN..MAX"];
    let flag = |line: &str| {
        let (flags, value) = line.trim().strip_suffix('>')?.rsplit_once(" <")?;
        let flag = flags.rsplit(' ').next().filter(|flag| flag.starts_with("--"))?;
        number.contains(&value).then(|| flag.to_owned())
    };
    help.lines().filter_map(flag).collect()
}

#[test]
fn absurd_numbers_end_in_an_answer_or_in_a_refusal() {
    let absurd =
        ["18446744073709551615", "-1", "0", "1e308", "NaN", "inf", "", "5..2", "9999999999999999999999"];
    let flags = numeric_flags("generate");
    assert!(flags.len() > 20, "{flags:?}");
    for flag in flags.iter().filter(|flag| !flag.starts_with("--pose")) {
        for value in absurd {
            let mut command = command("generate", &golden("llama"));
            command.args(["--tokens", "5,6,7", &format!("{flag}={value}")]);
            if flag != "--max-tokens" {
                command.args(["-n", "3"]);
            }
            let ran = Ran::from(command.output().unwrap());
            assert!(matches!(ran.code, Some(0 | 1 | 3)), "{flag}={value}: {ran:?}");
        }
    }
}
