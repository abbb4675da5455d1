//! `--record` and `zoomr eval --replay`: from a run to a table without the model, and what is refused.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Ran, copy, generate, golden, run};

const METHOD: &str = "--window 16 --page-size 4 --segmenter budget --thought-tokens 8";

/// The path of a recording of 220 tokens of a tiny model, and what `generate` said of the run.
fn recorded(dir: &TempDir, args: &str) -> (String, Value) {
    let path = dir.path().join("run.safetensors").display().to_string();
    let args = format!("{METHOD} --max-tokens 220 --json --record {path} {args}");
    let report = generate(&golden("llama"), &args).report();
    (path, report["stats"].clone())
}

fn replay(path: &str, args: &str) -> Ran {
    run("eval", &golden("llama"), &format!("--replay {path} {METHOD} {args}"))
}

#[test]
fn a_recorded_run_is_replayed_to_the_same_account() {
    let dir = tempfile::tempdir().unwrap();
    for (policy, args) in [
        ("zoomr:blocks=off", "--policy zoomr --blocks off"),
        ("zoomr:zoom-tokens=40", "--policy zoomr --zoom-tokens 40"),
        ("full", "--policy full"),
        ("h2o:budget=20", "--policy h2o --budget 20"),
    ] {
        let (path, stats) = recorded(&dir, args);
        let report = replay(&path, &format!("--setting {policy} --json")).report();
        let row = &report["rows"][0];
        for (replayed, ran) in [
            ("prompt_tokens", "prompt_tokens"),
            ("output_tokens", "new_tokens"),
            ("attended_tokens", "attended_tokens"),
            ("resident_peak", "kv_bytes_resident_peak"),
            ("resident_area", "kv_byte_steps_resident"),
            ("full_bytes", "kv_bytes_full"),
            ("bytes", "kv_bytes"),
            ("reduction_of_total", "reduction_of_total"),
            ("hits", "hits"),
            ("misses", "misses"),
        ] {
            assert_eq!(row[replayed], stats[ran], "{policy}, {replayed}");
        }
        assert_eq!(row["missed_mass"].as_f64().unwrap() < 1e-5, policy == "full", "{row}");
    }
}

#[test]
fn settings_are_compared_without_the_weights() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = recorded(&dir, "");
    let model = copy("llama");
    fs::remove_file(model.path().join("model.safetensors")).unwrap();
    let settings = ["full", "zoomr:zoom=1", "zoomr:zoom=4", "window:window=40"];
    let given: Vec<String> = settings.iter().map(|setting| format!("--setting {setting}")).collect();
    let (csv, svg) = (dir.path().join("table.csv"), dir.path().join("picture.svg"));
    let files = format!("--csv {} --plot {}", csv.display(), svg.display());
    let args = format!("--replay {path} {METHOD} {} {files}", given.join(" "));
    let table = run("eval", model.path(), &args).succeeded();
    let names: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names[1..], settings, "{table}");
    assert!(table.contains("missed mass") && !table.contains("accuracy"), "{table}");
    let csv = fs::read_to_string(csv).unwrap();
    assert!(csv.starts_with("setting,policy,") && csv.lines().count() == 5, "{csv}");
    let svg = fs::read_to_string(svg).unwrap();
    assert!(svg.contains("attention missed") && svg.contains("Attention missed over KV memory"), "{svg}");
    // Each policy has a line, in the picture and in the legend.
    assert!(["full", "zoomr", "window"].iter().all(|policy| svg.contains(policy)), "{svg}");

    // A text that is scored is a run, too; without --setting it is full attention and zoomr.
    let ids = vec!["7,8,9,250,11"; 20].join(",");
    let score = format!("--tokens {ids} --prompt-tokens 10 {METHOD} --record {path}");
    run("score", &golden("llama"), &score).succeeded();
    let report = replay(&path, "--json").report();
    let rows = report["rows"].as_array().unwrap();
    assert!(rows.len() == 2 && rows[0]["setting"] == "full" && rows[1]["setting"] == "zoomr");
    assert!(rows.iter().all(|row| row["prompt_tokens"] == 10 && row["output_tokens"] == 90), "{report}");
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (path, _) = recorded(&dir, "");
    for flag in [
        "--problems file",
        "--synth ledger",
        "-n 3",
        "--synth ledger --seed 1",
        "--chat",
        "--patience 2",
        "--max-tokens 9",
        "--shots 1 --shots-from file",
        "--request please",
        "--samples 2",
        "--temperature 1",
        "--top-k 3",
        "--top-p 0.5",
        "--min-p 0.5",
        "--repetition-penalty 1.5",
        "--mass 1",
        "--out dir",
    ] {
        replay(&path, flag).refused(&["--replay <FILE>", "cannot be used with"]);
    }
    replay(&path, "--trigger forced --summary-tokens 2").refused(&["--replay", "another trigger"]);
    replay(&path, "--setting full --setting full").refused(&["--setting full", "given twice"]);
    replay(&path, "--setting full:cap=1000").refused(&["replaying under `full:cap=1000`", "cap of 1000"]);
    let other = run("eval", &golden("qwen3"), &format!("--replay {path}"));
    other.refused(&["--replay", "run.safetensors is of another model than", "qwen3"]);
    replay("missing.safetensors", "").refused(&["--replay", "missing.safetensors"]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    replay(&path, "").refused(&["--replay", "run.safetensors: truncated or damaged", "record the run again"]);
    let weights = golden("llama").join("model.safetensors").display().to_string();
    replay(&weights, "").refused(&["model.safetensors is no recording", "--record"]);
}

#[test]
fn a_run_that_fails_leaves_the_old_recording_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.safetensors");
    fs::write(&path, "good").unwrap();
    let args = format!("--policy full --cap 1k --record {}", path.display());
    assert_eq!(generate(&golden("llama"), &args).code, Some(1));
    assert_eq!(fs::read_to_string(&path).unwrap(), "good");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    let nowhere = dir.path().join("missing/run.safetensors").display().to_string();
    generate(&golden("llama"), &format!("--record {nowhere}")).refused(&["--record", &nowhere]);
}
