//! `zoomr train`: a directory that decodes, runs that go on, and what is refused.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};
#[cfg(unix)]
use std::{thread::sleep, time::Duration};

use tempfile::TempDir;

use crate::support::{Ran, run, synth_config, trace};

/// Four steps on short problems, of a model that is too small to learn them.
const SHORT: &str = "--synth ledger,lagged-sums --tokens 200..300 --steps 4 --step-tokens 500 --warm-up 2";

/// A directory with the configuration of a tiny model over the words of synthetic problems.
fn place() -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("config.json"), synth_config().to_string()).unwrap();
    dir
}

fn train(dir: &Path, args: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.arg("train").args(args.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command.output().unwrap().into()
}

#[test]
fn a_trained_directory_decodes() {
    let dir = place();
    train(dir.path(), &format!("--config config.json --out model {SHORT}")).succeeded();
    let model = dir.path().join("model");
    let losses = trace(&model.join("log.jsonl"));
    assert_eq!(losses.len(), 4);
    assert!(losses.iter().all(|step| step["loss"].as_f64().unwrap() > 1.0));
    assert!(fs::read_to_string(model.join("loss.svg")).unwrap().contains("nats per written token"));
    let text = run("generate", &model, "ledger -n 5 --temperature 0 --ignore-eos --json").report();
    assert_eq!(text["tokens"].as_array().unwrap().len(), 5);

    // What was trained can be trained further, by adapters too: the result is a model like any other.
    train(dir.path(), &format!("--model model --out more {SHORT} --lora 2")).succeeded();
    let again = run("generate", &dir.path().join("more"), "ledger -n 5 --temperature 0 --ignore-eos --json");
    assert_eq!(again.report()["tokens"].as_array().unwrap().len(), 5);
}

/// Weights of a large model take minutes to read.
#[cfg(unix)]
#[test]
fn on_a_terminal_it_says_what_it_loads() {
    let dir = place();
    train(dir.path(), &format!("--config config.json --out model {SHORT}")).succeeded();
    let run = format!("{} train --model model --out more {SHORT}", env!("CARGO_BIN_EXE_zoomr"));
    let mut script = Command::new("script");
    script.args(["-qec", &run, "typescript"]).current_dir(dir.path()).env("SHELL", "/bin/sh");
    let Ok(output) = script.stdin(Stdio::null()).output() else {
        return println!("SKIPPED: no `script` to make a terminal with");
    };
    let shown = fs::read_to_string(dir.path().join("typescript")).unwrap();
    assert!(output.status.success(), "{shown}");
    let loading = shown.find("loading model: ").unwrap_or_else(|| panic!("{shown}"));
    let steps = shown.find(" of 4 steps").unwrap_or_else(|| panic!("{shown}"));
    assert!(loading < steps, "{shown}");
}

#[test]
fn a_run_goes_on_from_its_checkpoint_to_the_same_model() {
    let dir = place();
    let at_once = format!("--config config.json --out whole {SHORT} --checkpoint-every 3");
    train(dir.path(), &at_once).succeeded();
    // A run that was killed after its last checkpoint, before its model was written.
    let parts = at_once.replace("whole", "parts");
    train(dir.path(), &parts).succeeded();
    train(dir.path(), &parts).refused(&["parts holds a run already", "--resume"]);
    fs::remove_file(dir.path().join("parts/model.safetensors")).unwrap();
    train(dir.path(), &format!("{parts} --resume --workers 2")).succeeded();
    let model = |run: &str| fs::read(dir.path().join(run).join("model.safetensors")).unwrap();
    assert_eq!(model("whole"), model("parts"));
}

#[test]
fn a_run_that_is_over_can_be_given_more_steps() {
    let dir = place();
    let run = |out: &str, steps: usize, more: &str| {
        let flags = SHORT.replace("--steps 4", &format!("--steps {steps}"));
        train(dir.path(), &format!("--config config.json --out {out} {flags} {more}"))
    };
    run("model", 4, "").succeeded();
    let read = |file: &str| fs::read(dir.path().join("model").join(file)).unwrap();
    let (log, model) = (trace(&dir.path().join("model/log.jsonl")), read("model.safetensors"));
    let ran = run("model", 7, "--resume");
    assert!(ran.stderr.contains("step 7 of 7"), "{}", ran.stderr);
    ran.succeeded();
    let longer = trace(&dir.path().join("model/log.jsonl"));
    let steps: Vec<u64> = longer.iter().map(|step| step["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(longer[..4], log);
    assert_ne!(read("model.safetensors"), model);
    // The rates to come, and the texts, are those of a run that was to have seven from the first.
    run("whole", 7, "").succeeded();
    let whole = trace(&dir.path().join("whole/log.jsonl"));
    let shown = |step: &serde_json::Value| (step["rate"].clone(), step["tokens"].clone());
    assert!(longer[4..].iter().zip(&whole[4..]).all(|(own, other)| shown(own) == shown(other)));
    run("model", 6, "--resume").refused(&["another recipe"]);
}

/// Killed at any moment, a run goes on from its last checkpoint to the model that it would have come to.
#[test]
#[cfg(unix)]
fn a_killed_run_loses_its_last_interval_at_most() {
    const STEPS: usize = 200;
    let dir = place();
    let flags =
        format!("--config config.json --synth ledger --tokens 200..300 --step-tokens 200 --steps {STEPS}");
    train(dir.path(), &format!("{flags} --out whole --checkpoint-every 2")).succeeded();
    let parts = dir.path().join("parts");
    let flags = format!("{flags} --out parts --checkpoint-every 2 --resume");
    let checkpointed = || fs::read_to_string(parts.join("log.jsonl")).map_or(0, |log| log.lines().count());
    for steps in [2, 10, 20] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
        command.arg("train").args(flags.split_whitespace()).current_dir(dir.path());
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while checkpointed() < steps {
            assert!(child.try_wait().unwrap().is_none(), "over after {} steps", checkpointed());
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let before = checkpointed();
    assert!((20..STEPS).contains(&before), "{before} steps before the last kill");
    // The same steps would come out of a run that started over; but that would write what is in its log anew.
    let log = fs::read_to_string(parts.join("log.jsonl")).unwrap();
    let (first, rest) = log.split_once('\n').unwrap();
    let marked = first.replace("\"tokens\":", "\"tokens\":90000");
    fs::write(parts.join("log.jsonl"), format!("{marked}\n{rest}")).unwrap();
    train(dir.path(), &flags).succeeded();
    let log = fs::read_to_string(parts.join("log.jsonl")).unwrap();
    assert!(log.starts_with(&marked), "it started over: {}", log.lines().next().unwrap());
    fs::write(parts.join("log.jsonl"), log.replacen(&marked, first, 1)).unwrap();
    for file in ["model.safetensors", "log.jsonl"] {
        let [whole, parts] = ["whole", "parts"].map(|run| fs::read(dir.path().join(run).join(file)).unwrap());
        assert!(whole == parts, "another {file}");
    }
    let names = fs::read_dir(&parts).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = names.filter(|name| name.to_string_lossy().ends_with(".part")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn no_other_model_is_written_over() {
    let dir = place();
    let train_it = || train(dir.path(), &format!("--config config.json --out model {SHORT}"));
    train_it().succeeded();
    let kept = ["config.json", "tokenizer.json", "model.safetensors"]
        .map(|name| dir.path().join("model").join(name));
    let read = || kept.each_ref().map(|path| fs::read(path).unwrap());
    let before = read();
    train(dir.path(), &format!("--model model --out ./model {SHORT}"))
        .refused(&["--out", "the model itself"]);
    // A directory that holds a run keeps its configuration, whatever it is refused for.
    let config = fs::read_to_string(dir.path().join("config.json")).unwrap();
    fs::write(dir.path().join("config.json"), config.replace("4096", "2048")).unwrap();
    train_it().refused(&["holds a run already"]);
    assert_eq!(read(), before);
    // What no run has left there is nobody's to replace.
    fs::create_dir(dir.path().join("other")).unwrap();
    fs::write(dir.path().join("other/model.safetensors"), "precious").unwrap();
    train(dir.path(), &format!("--config config.json --out other {SHORT}"))
        .refused(&["--out other", "holds a model"]);
    assert_eq!(fs::read_to_string(dir.path().join("other/model.safetensors")).unwrap(), "precious");
    // A run may be given its own configuration to go on with.
    train(dir.path(), &format!("--config model/config.json --out model --resume {SHORT}")).succeeded();
    assert_eq!(read(), before);
}

#[test]
fn recipes_come_from_files_too() {
    let dir = place();
    let recipe = r#"{"seed": 5, "warm-up": 1, "phases": [
        {"steps": 1, "step-tokens": 300, "synth": {"kinds": ["program-trace"], "tokens": {"start": 200, "end": 250}}},
        {"steps": 1, "step-tokens": 300, "file": "data.jsonl"}
    ]}"#;
    fs::write(dir.path().join("recipe.json"), recipe).unwrap();
    let train_it = || train(dir.path(), "--config config.json --out model --recipe recipe.json");
    train_it().refused(&["data.jsonl"]);
    let line = r#"{"question": "ledger :", "thoughts": [{"detail": "x 3", "summary": "x"}], "answer": "3"}"#;
    // What is wrong with an example is said with its place, and with the name of the directory that was given.
    fs::write(dir.path().join("data.jsonl"), format!("{line}\n{}", line.replace("x 3", "x sudoku"))).unwrap();
    train_it().refused(&["data.jsonl, line 2", "`sudoku`", "tokenizer in model "]);
    let stray = line.replace(r#""summary": "x""#, r#""summary": "x </thought>""#);
    fs::write(dir.path().join("data.jsonl"), stray).unwrap();
    train_it().refused(&["data.jsonl, line 1", "summary 1", "</thought>"]);
    fs::write(dir.path().join("data.jsonl"), line).unwrap();
    train_it().succeeded();
    fs::write(dir.path().join("data.jsonl"), line.replace('3', "4")).unwrap();
    let resume = "--config config.json --out model --recipe recipe.json --resume";
    train(dir.path(), resume).refused(&["checkpoint.safetensors", "on other texts"]);
    let evicting = recipe.replace("\"seed\"", "\"zoomed\": 0.5, \"method\": {\"policy\": \"h2o\"}, \"seed\"");
    fs::write(dir.path().join("recipe.json"), evicting).unwrap();
    train_it().refused(&["zoomed", "mask of decoding"]);
    for (name, typo) in [("seed", "sead"), ("kinds", "kindz"), ("250}", "250}, \"labls\": 9")] {
        fs::write(dir.path().join("recipe.json"), recipe.replace(name, typo)).unwrap();
        train_it().refused(&["recipe.json", typo.rsplit('"').nth(1).unwrap_or(typo)]);
    }
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = place();
    let refused = |args: &str, says: &[&str]| {
        train(dir.path(), &format!("--config config.json --out model {args}")).refused(says);
    };
    refused("", &["nothing to learn from", "--data", "--synth", "--recipe"]);
    refused(&format!("{SHORT} --learning-rate 0"), &["learning-rate", "positive"]);
    refused(&format!("{SHORT} --workers 0"), &["workers", "at least 1"]);
    refused(&format!("{SHORT} --zoomed 2"), &["zoomed", "between 0 and 1"]);
    refused(&format!("{SHORT} --lora 0"), &["lora", "positive"]);
    refused(&format!("{SHORT} --lora 100000000000"), &["lora", "4096"]);
    refused("--synth sudoku --steps 1", &["sudoku", "lagged-sums"]);
    refused("--data missing.jsonl --steps 1", &["missing.jsonl"]);
    refused("--synth ledger --tokens 5..6 --steps 1", &["ledger: no problem has"]);
    refused("--synth ledger --tokens 5..600 --steps 1", &["ledger: no problem has"]);
    refused("--synth ledger --tokens 200..5000 --steps 1", &["5000 tokens", "4096"]);
    refused("--data a.jsonl --labels 20 --steps 1", &["--data", "--labels"]);
    refused(&format!("{SHORT} --lora --keep-adapter"), &["--keep-adapter", "--model"]);
    assert!(!dir.path().join("model/model.safetensors").exists());
}
