//! `zoomr eval`: a table, what goes with it, runs that go on, and what is refused.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use zoomr_backend_cpu::{Cpu, DEVICE};
use zoomr_core::config::{Options, SummaryVisibility};
use zoomr_model::{
    atomic_file::Existing,
    config::ModelConfig,
    data::synth::vocabulary,
    reasoning_format::ReasoningFormat,
    train::{Parameters, SavedDtype, save},
};

#[cfg(unix)]
use crate::support::trace;
use crate::support::{Ran, synth_config};

/// Few short problems, and no patience: the model has nothing to say.
const SHORT: &str = "--model model --synth ledger,lagged-sums -n 3 --tokens 200..250 --patience 0.2";
const SETTINGS: &str = "--setting full --setting zoomr:zoom=1,window=16";

/// A place with a model that has learnt nothing but its markers and its method.
fn place() -> TempDir {
    let dir = TempDir::new().unwrap();
    let model = dir.path().join("model");
    fs::create_dir(&model).unwrap();
    fs::write(model.join("config.json"), synth_config().to_string()).unwrap();
    vocabulary::write_tokenizer(&model, Existing::Refuse).unwrap();
    let method = Options { window: 20, summaries: SummaryVisibility::Voted, ..Options::default() };
    ReasoningFormat { markers: vocabulary::markers(), method }.write(&model).unwrap();
    let config = ModelConfig::from_dir(&model).unwrap();
    let parameters = Parameters::<Cpu>::random(&config, 5, &DEVICE);
    save(&config, &parameters, SavedDtype::Bf16, &model.join("model.safetensors")).unwrap();
    dir
}

fn command(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(args.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command
}

fn eval(dir: &TempDir, args: &str) -> Ran {
    command(dir.path(), &format!("eval {args}")).output().unwrap().into()
}

/// The rows of `--json` without the speed, which differs from run to run.
fn rows(ran: Ran) -> Vec<Value> {
    let mut rows = ran.report()["rows"].as_array().unwrap().clone();
    rows.iter_mut().for_each(|row| drop(row.as_object_mut().unwrap().remove("tokens_per_second").unwrap()));
    rows
}

#[test]
fn settings_are_compared_in_a_table_a_file_and_a_picture() {
    let dir = place();
    let args = format!("{SHORT} {SETTINGS} --mass 1 --out runs --csv table.csv --plot picture.svg");
    let table = eval(&dir, &args).succeeded();
    for setting in ["full", "zoomr:zoom=1,window=16"] {
        for kind in ["ledger", "lagged-sums", "all"] {
            let is_row = |line: &&str| {
                let mut words = line.split_whitespace();
                (words.next(), words.next()) == (Some(setting), Some(kind))
            };
            assert_eq!(table.lines().filter(is_row).count(), 1, "{setting}, {kind}:\n{table}");
        }
    }
    let csv = fs::read_to_string(dir.path().join("table.csv")).unwrap();
    assert_eq!((csv.lines().count(), csv.matches("\"zoomr:zoom=1,window=16\"").count()), (7, 3), "{csv}");
    let svg = fs::read_to_string(dir.path().join("picture.svg")).unwrap();
    for part in
        ["<svg", "Accuracy over KV memory (3 problems, 95% intervals)", "right answers, %", "zoomr", "full"]
    {
        assert!(svg.contains(part), "{part}: {svg}");
    }
    assert!(!svg.contains("quest"), "{svg}");

    // Everything is there already: nothing is run again, and the rows are the same as in one go elsewhere.
    let outcomes = fs::read_to_string(dir.path().join("runs/outcomes.jsonl")).unwrap();
    assert_eq!(outcomes.lines().count(), 6);
    let again = rows(eval(&dir, &format!("{SHORT} {SETTINGS} --mass 1 --out runs --json --workers 1")));
    assert_eq!(fs::read_to_string(dir.path().join("runs/outcomes.jsonl")).unwrap(), outcomes);
    assert_eq!(again.len(), 6);
    assert!(again[1]["missed_mass"].as_f64().unwrap() < 1.0 && again[0]["missed_mass_problems"] == 1);
    assert!(again[0]["full_bytes"].as_f64().unwrap() > 1000.0 && again[5]["kind"].is_null());
    // A run of its own, without a record.
    let alone = rows(eval(&dir, &format!("{SHORT} {SETTINGS} --mass 1 --json --workers 3")));
    for (a, b) in again.iter().zip(&alone) {
        assert_eq!((&a["setting"], &a["resident_peak"]), (&b["setting"], &b["resident_peak"]));
    }
}

#[test]
fn problems_come_from_files_too() {
    let dir = place();
    let synth = "data synth --kind ledger -n 2 --tokens 200..250 --seed 4 --out problems.jsonl";
    Ran::from(command(dir.path(), synth).output().unwrap()).succeeded();
    let file = rows(eval(&dir, "--model model --problems problems.jsonl --patience 0.2 --json"));
    let made = "--model model --synth ledger -n 2 --tokens 200..250 --seed 4 --patience 0.2 --json";
    assert_eq!(file, rows(eval(&dir, made)));
    // Without --setting: full and zoomr. One kind needs no row for all.
    let names: Vec<_> = file.iter().map(|row| (&row["kind"], &row["setting"])).collect();
    assert_eq!(names.len(), 2);
    assert!(file[0]["setting"] == "full" && file[1]["setting"] == "zoomr" && file[1]["kind"] == "ledger");
    let first = rows(eval(&dir, "--model model --problems problems.jsonl -n 1 --patience 0.2 --json"));
    assert_eq!(first[0]["problems"], 1);
}

#[test]
fn a_directory_belongs_to_one_evaluation() {
    let dir = place();
    let run = |args: &str| eval(&dir, &format!("{SHORT} --out runs {args}"));
    run("--setting full").succeeded();
    run("--setting window").refused(&["--out", "runs holds an evaluation with other settings"]);
    run("--setting full --seed 1").refused(&["other problems"]);

    let model = dir.path().join("model");
    let config = ModelConfig::from_dir(&model).unwrap();
    let parameters = Parameters::<Cpu>::random(&config, 6, &DEVICE);
    save(&config, &parameters, SavedDtype::Bf16, &model.join("model.safetensors")).unwrap();
    run("--setting full").refused(&["another model"]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = place();
    let refused = |args: &str, says: &[&str]| eval(&dir, args).refused(says);
    refused("--model model", &["nothing to solve", "--problems", "--synth"]);
    refused("--model model --problems missing.jsonl", &["--problems", "missing.jsonl"]);
    refused("--model model --synth sudoku", &["sudoku", "lagged-sums"]);
    refused("--model model --synth ledger --tokens 5..6", &["--synth", "no problem has 5 tokens"]);
    refused(&format!("{SHORT} --setting sparse"), &["--setting sparse", "not one of full, window"]);
    refused(&format!("{SHORT} --setting zoomr:size=3"), &["--setting zoomr:size=3", "unknown field `size`"]);
    refused(&format!("{SHORT} --setting zoomr:window=0"), &["--setting zoomr:window=0", "give at least 1"]);
    refused(&format!("{SHORT} --setting full --setting full"), &["--setting full", "given twice"]);
    refused(&format!("{SHORT} --csv missing/table.csv"), &["--csv", "missing/table.csv"]);
    refused(&format!("{SHORT} --csv table --plot ./table"), &["--csv and --plot", "a file of its own"]);
    refused("--model model --synth ledger -n 0", &["--count", "at least 1"]);
    refused("--model model --synth ledger --patience 0", &["--patience", "positive"]);
    fs::write(dir.path().join("empty.jsonl"), "\n").unwrap();
    refused("--model model --problems empty.jsonl", &["empty.jsonl has no problems"]);
    let strange = r#"{"question": "sudoku", "thoughts": [], "answer": "3"}"#;
    fs::write(dir.path().join("strange.jsonl"), strange).unwrap();
    refused("--model model --problems strange.jsonl", &["problem 0", "sudoku"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_keeps_what_is_done() {
    let dir = place();
    let args = "eval --model model --synth ledger -n 2000 --tokens 300..400 --setting full --out runs";
    let child = command(dir.path(), args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let outcomes = dir.path().join("runs/outcomes.jsonl");
    while fs::metadata(&outcomes).map_or(0, |metadata| metadata.len()) == 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &*ran.stdout), (Some(130), ""));
    let done = trace(&outcomes).len();
    let says = format!("interrupted with {done} of 2000 runs done; the same command goes on from runs");
    assert!(ran.stderr.contains(&says), "{done}: {}", ran.stderr);
}
