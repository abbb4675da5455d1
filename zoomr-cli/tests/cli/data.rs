//! `zoomr data`: files of problems, their tokenizer, and everything that may be in the way.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use zoomr_model::{
    data::{
        render::pieces,
        synth::{solve::solve, vocabulary},
    },
    text::tokenizer::Tokenizer,
};

use crate::support::{Ran, trace};

fn synth(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(["data", "synth"]).args(args.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command
}

fn ran(dir: &TempDir, args: &str) -> Ran {
    synth(dir.path(), args).output().unwrap().into()
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn no_problem_is_shorter_or_longer_than_was_asked_for() {
    let dir = TempDir::new().unwrap();
    for range in ["400..430", "300..330", "1000..1100"] {
        let (least, most) = range.split_once("..").unwrap();
        let args = format!("--count 60 --tokens {range} --out data.jsonl --tokenizer model --overwrite");
        let table = ran(&dir, &args).succeeded();
        for line in table.lines().skip(1) {
            let numbers: Vec<usize> = line.split_whitespace().skip(2).map_while(|n| n.parse().ok()).collect();
            let [min, _, max] = numbers[..3] else { panic!("{line}") };
            assert!(min >= least.parse().unwrap() && max <= most.parse().unwrap(), "{range}: {line}");
        }
        // In tokens of the tokenizer that is written, the frame of thoughts and summaries included.
        let tokenizer = Tokenizer::from_dir(&dir.path().join("model")).unwrap();
        let markers = vocabulary::markers();
        for line in trace(&dir.path().join("data.jsonl")) {
            let example = serde_json::from_value(line).unwrap();
            let whole: String = pieces(&example, &markers).iter().map(|piece| piece.text).collect();
            let tokens = tokenizer.encode_verbatim(&whole).unwrap().len();
            assert!((least.parse().unwrap()..=most.parse().unwrap()).contains(&tokens), "{range}: {tokens}");
        }
    }
    // A length of its own is made where it can be; where it cannot, nothing is.
    for at in (300..500).step_by(23) {
        let args = format!("--kind lagged-sums --count 2 --tokens {at}");
        let made = ran(&dir, &format!("{args} --out exact.jsonl --overwrite"));
        if made.code != Some(0) {
            made.refused(&["--tokens", "no problem was found that has", "wider range"]);
        }
    }
    assert!(!names(&dir).iter().any(|name| name.ends_with(".part")));
}

#[test]
fn problems_are_written_with_their_tokenizer() {
    let dir = TempDir::new().unwrap();
    let table =
        ran(&dir, "--count 9 --tokens 400..700 --seed 3 --out data.jsonl --tokenizer model").succeeded();
    let tokenizer = Tokenizer::from_dir(&dir.path().join("model")).unwrap();
    let examples = trace(&dir.path().join("data.jsonl"));
    assert_eq!(examples.len(), 9);
    for (i, example) in examples.iter().enumerate() {
        let kind = ["lagged-sums", "ledger", "program-trace"][i % 3];
        assert_eq!(text(&example["kind"]), kind);
        let question = text(&example["question"]);
        assert_eq!(solve(question).unwrap().answer, text(&example["answer"]));
        let thoughts = example["thoughts"].as_array().unwrap();
        let details: usize =
            thoughts.iter().map(|thought| tokenizer.encode(text(&thought["detail"])).unwrap().len()).sum();
        assert!((50..700).contains(&(tokenizer.encode(question).unwrap().len() + details)));
        let line = table.lines().find(|line| line.starts_with(kind)).unwrap();
        assert_eq!(line.split_whitespace().nth(1), Some("3"), "{table}");
    }
    assert_eq!(tokenizer.vocab_size(), vocabulary::words().len());
}

#[test]
fn the_same_seed_gives_the_same_file_and_any_part_of_it() {
    let dir = TempDir::new().unwrap();
    let file = |args: &str| {
        ran(&dir, &format!("--tokens 300..500 --kind ledger --overwrite --out data.jsonl {args}"))
            .succeeded();
        fs::read_to_string(dir.path().join("data.jsonl")).unwrap()
    };
    let six = file("--count 6 --seed 1");
    assert_eq!(six, file("--count 6 --seed 1"));
    assert!(six.starts_with(&file("--count 4 --seed 1")));
    assert_ne!(six, file("--count 6 --seed 2"));
}

#[test]
fn what_is_there_is_not_overwritten_unasked() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("data.jsonl"), "mine").unwrap();
    ran(&dir, "--count 1 --out data.jsonl").refused(&["--out", "data.jsonl exists already", "--overwrite"]);
    ran(&dir, "--count 1 --out new.jsonl --tokenizer model").succeeded();
    // A run that was killed has left its tokenizer, or a part of it: that it is the same is no reason to refuse.
    fs::remove_file(dir.path().join("model/tokenizer_config.json")).unwrap();
    ran(&dir, "--count 1 --out new2.jsonl --tokenizer model").succeeded();
    assert!(dir.path().join("model/tokenizer_config.json").exists());
    fs::write(dir.path().join("model/tokenizer.json"), "mine").unwrap();
    let again = "--count 1 --out newer.jsonl --tokenizer model";
    ran(&dir, again).refused(&["--tokenizer", "tokenizer.json exists already", "--overwrite"]);
    assert_eq!(fs::read_to_string(dir.path().join("model/tokenizer.json")).unwrap(), "mine");
    assert_eq!(fs::read_to_string(dir.path().join("data.jsonl")).unwrap(), "mine");
    ran(&dir, "--count 1 --out data.jsonl --tokenizer model --overwrite").succeeded();
    assert_ne!(fs::read_to_string(dir.path().join("data.jsonl")).unwrap(), "mine");
    let mut names = names(&dir);
    names.sort_unstable();
    assert_eq!(names, ["data.jsonl", "model", "new.jsonl", "new2.jsonl"]);
}

#[test]
fn standard_output_has_the_problems_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    let piped = ran(&dir, "--count 3 --tokens 300..400 --seed 1 --out -");
    assert!(piped.stderr.contains("examples") && piped.stderr.contains("ledger"), "{}", piped.stderr);
    ran(&dir, "--count 3 --tokens 300..400 --seed 1 --out data.jsonl").succeeded();
    assert_eq!(piped.succeeded(), fs::read_to_string(dir.path().join("data.jsonl")).unwrap());
    assert_eq!(names(&dir), ["data.jsonl"]);
}

#[test]
fn bad_flags_are_named() {
    let dir = TempDir::new().unwrap();
    let refused = |args: &str, says: &[&str]| ran(&dir, args).refused(says);
    refused("", &["--count", "--out"]);
    refused("--count 0 --out x", &["--count", "at least 1"]);
    refused("--count -1 --out x", &["-1"]);
    refused("--count 1 --out x --kind sums", &["--kind", "lagged-sums", "ledger", "program-trace", "all"]);
    refused("--count 1 --out x --tokens 20..900", &["--tokens", "no problem has 20 tokens", "ask for"]);
    refused("--count 1 --out x --tokens 900..90000", &["--tokens", "lagged-sums", "90000"]);
    refused("--count 1 --out x --tokens 900..400", &["--tokens", "900 to 400"]);
    refused("--count 1 --out x --tokens many", &["--tokens", "MIN..MAX"]);
    refused("--count 1 --out missing/x", &["--out", "missing/x"]);
    refused("--count 1 --out .", &["--out"]);
    refused("--count 1 --out x --tokenizer -", &["--tokenizer", "give a directory"]);
    assert_eq!(names(&dir), [""; 0]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_nothing_half_written() {
    let dir = TempDir::new().unwrap();
    let mut command = synth(dir.path(), "--count 100000000 --out data.jsonl");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // The unfinished file shows that work has begun, and that Ctrl-C is listened for soon after.
    while names(&dir).is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, &*ran.stdout), (Some(130), ""));
    assert!(ran.stderr.contains("interrupted; nothing was written"), "{}", ran.stderr);
    assert_eq!(names(&dir), [""; 0]);
}
