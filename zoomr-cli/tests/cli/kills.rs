//! Whatever writes may be killed at any moment: what is there then is whole, and the same command does the rest and
//! leaves nothing else.
#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{PROMPT, Ran, golden, synth_config};

/// Kills of each command, spread over the time that it takes.
const KILLS: u32 = 5;

/// A command in a directory of its own, with temporary files in one beside it.
struct Case {
    args: String,
    dir: TempDir,
    temporary: TempDir,
}

impl Case {
    fn new(args: &str, inputs: &[(&str, String)]) -> Self {
        let (dir, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        inputs.iter().for_each(|(name, text)| fs::write(dir.path().join(name), text).unwrap());
        Self { args: args.to_owned(), dir, temporary }
    }

    fn command(&self, more: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
        command.args(self.args.split_whitespace()).args(more.split_whitespace());
        command.current_dir(self.dir.path()).env("TMPDIR", self.temporary.path()).stdin(Stdio::null());
        command
    }

    fn run(&self, more: &str) -> Duration {
        let begun = Instant::now();
        Ran::from(self.command(more).output().unwrap()).succeeded();
        begun.elapsed()
    }

    fn kill_after(&self, time: Duration) {
        let mut command = self.command("");
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        sleep(time);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// The files below a directory.
fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect();
    files.sort();
    files
}

/// Fails where a file is not what its name says, from beginning to end.
fn assert_whole(path: &Path) {
    let bytes = fs::read(path).unwrap();
    let text = || String::from_utf8(bytes.clone()).unwrap();
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    let whole = match path.extension().and_then(|extension| extension.to_str()) {
        // The one kind of file that grows, and is gone on with.
        Some("jsonl") if path.ends_with("outcomes.jsonl") => true,
        Some("jsonl") => text().ends_with('\n') && text().lines().all(is_json),
        Some("json") => is_json(&text()),
        Some("safetensors") => SafeTensors::deserialize(&bytes).is_ok(),
        Some("svg") => text().trim_end().ends_with("</svg>"),
        Some("csv") => text().ends_with("\r\n"),
        // The last section of every page.
        Some("1") => text().contains("\n.SH VERSION\n") && text().ends_with('\n'),
        Some("part") => true,
        other => panic!("{}: what is {other:?}?", path.display()),
    };
    assert!(whole, "{} is not whole: {} bytes", path.display(), bytes.len());
}

/// Kills a command at several moments; after each, what is there is whole, and the command, with `again`, does the rest.
fn survives(args: &str, again: &str, inputs: &[(&str, String)]) {
    let whole = Case::new(args, inputs);
    let time = whole.run("");
    let names = |case: &Case| -> Vec<PathBuf> {
        let files = files(case.dir.path());
        files.iter().map(|path| path.strip_prefix(case.dir.path()).unwrap().to_owned()).collect()
    };
    for kill in 0..KILLS {
        let case = Case::new(args, inputs);
        // Most of what is written is written at the end.
        let share = 1.0 - 0.9 * f64::from(kill).powi(2) / f64::from(KILLS).powi(2);
        case.kill_after(time.mul_f64(share * 0.97));
        files(case.dir.path()).iter().for_each(|path| assert_whole(path));
        case.run(again);
        files(case.dir.path()).iter().for_each(|path| assert_whole(path));
        assert_eq!(names(&case), names(&whole), "{args}: after kill {kill}");
        assert!(files(case.temporary.path()).is_empty(), "{args}: after kill {kill}");
    }
}

#[test]
fn training() {
    let config = [("config.json", synth_config().to_string())];
    let args = "train --config config.json --out model --synth ledger --tokens 200..250 --step-tokens 250";
    survives(&format!("{args} --steps 20 --checkpoint-every 5"), "--resume", &config);
}

#[test]
fn manual_pages() {
    survives("man pages", "", &[]);
}

#[test]
fn data() {
    survives("data synth -n 300 --tokens 300..500 --out data.jsonl --tokenizer model", "--overwrite", &[]);
    let trace = r#"{"question": "a", "trace": "It is so.\n\nSo it is that.", "answer": "c"}"#;
    let args = "data annotate traces.jsonl --out out.jsonl --extractive --thought-tokens 1..30";
    survives(args, "--overwrite", &[("traces.jsonl", format!("{trace}\n").repeat(3000))]);
}

#[test]
fn runs_and_evaluations() {
    let model = golden("llama").canonicalize().unwrap().display().to_string();
    let run = "--tokens @ids.json --trace trace.jsonl --record record.safetensors";
    let ids = [("ids.json", format!("[{PROMPT}]"))];
    survives(&format!("generate --model {model} {run} -n 100 --ignore-eos"), "", &ids);
    survives(&format!("score --model {model} {run} --prompt-tokens 2 --logits logits.safetensors"), "", &ids);
    let eval = "eval --synth ledger -n 2 --tokens 200..250 --csv rows.csv --plot rows.svg --out kept";
    survives(eval, "", &[]);
}

/// The model inside of the program is unpacked for each run: what a killed one has left goes with the next.
#[test]
fn copies_of_the_built_in_model() {
    let case = Case::new("generate --pose ledger --pose-tokens 2000 --json", &[]);
    case.kill_after(Duration::from_millis(500));
    let left = || fs::read_dir(case.temporary.path()).unwrap().count();
    assert_eq!(left(), 1);
    case.run("");
    assert_eq!(left(), 0);
}

/// A tokenizer that a killed run has left is no reason to refuse the same command.
#[test]
fn a_tokenizer_that_was_left() {
    let case = Case::new("data synth -n 100000 --tokens 300..500 --out data.jsonl --tokenizer model", &[]);
    let tokenizer = case.dir.path().join("model/tokenizer_config.json");
    let mut child = case.command("").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !tokenizer.exists() {
        assert!(child.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!case.dir.path().join("data.jsonl").exists());
    let again = Case { args: case.args.replace("100000", "10"), ..case };
    again.run("");
    assert_eq!(files(again.dir.path()).len(), 3);
}
