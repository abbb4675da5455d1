//! No output is an input or another output, whatever names a file has.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{PROMPT, Ran, copy, synth_config};

fn zoomr(dir: &Path, args: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(args.split_whitespace()).current_dir(dir).stdin(Stdio::null());
    command.output().unwrap().into()
}

/// Everything below a directory.
fn contents(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = entries
        .flat_map(|path| match path.is_dir() {
            true => contents(&path),
            false => vec![(path.display().to_string(), fs::read(&path).unwrap())],
        })
        .collect();
    found.sort();
    found
}

/// What is to be a file for one flag is not a directory for another.
#[test]
fn no_file_is_the_directory_of_another() {
    let dir = place();
    let before = contents(dir.path());
    for (args, flags) in [
        ("data synth -n 1 --out new --tokenizer new", ["--out", "--tokenizer"]),
        ("eval --synth ledger -n 1 --out new --csv new", ["--out", "--csv"]),
        ("eval --synth ledger -n 1 --out new/run --plot new", ["--out", "--plot"]),
        ("train --config synth.json --steps 1 --data text --out text", ["--data", "--out"]),
    ] {
        let ran = zoomr(dir.path(), args);
        assert!(ran.stderr.contains("would be a file and a directory"), "{args}: {}", ran.stderr);
        ran.refused(&flags);
        assert!(contents(dir.path()) == before && !dir.path().join("new").exists(), "{args}");
    }
}

/// A model, an adapter's directory, and files of every kind that commands read.
fn place() -> TempDir {
    let dir = copy("llama");
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    fs::create_dir(dir.path().join("run")).unwrap();
    write("text", "what is that");
    write("ids", PROMPT);
    write("run/loss.svg", "data");
    write("synth.json", &synth_config().to_string());
    write("recipe.json", r#"{"phases": [{"steps": 1, "step-tokens": 300, "file": "run/loss.svg"}]}"#);
    write("traces.jsonl", r#"{"question": "a", "trace": "b", "answer": "c"}"#);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("config.json", dir.path().join("soft")).unwrap();
        fs::hard_link(dir.path().join("model.safetensors"), dir.path().join("hard")).unwrap();
    }
    dir
}

#[test]
fn no_flag_names_what_another_one_reads_or_writes() {
    let dir = place();
    let model = format!("--model . --tokens {PROMPT} -n 2");
    let train = "train --config synth.json --steps 1 --step-tokens 300";
    let mut cases = vec![
        (format!("generate {model} --trace ./config.json"), ["--model", "--trace"]),
        (format!("generate {model} --record model.safetensors"), ["--model", "--record"]),
        (format!("generate {model} --trace new --record ./new"), ["--trace", "--record"]),
        ("generate --model . --tokens @ids --trace ids".to_owned(), ["--tokens", "--trace"]),
        ("generate --model . --file text --trace text".to_owned(), ["--file", "--trace"]),
        (format!("score --model . --tokens {PROMPT} --logits config.json"), ["--model", "--logits"]),
        (format!("score --model . --tokens {PROMPT} --logits new --trace new"), ["--logits", "--trace"]),
        ("eval --synth ledger -n 1 --csv new --plot new".to_owned(), ["--csv", "--plot"]),
        ("eval --problems text --csv text".to_owned(), ["--problems", "--csv"]),
        ("eval --problems text --out run --csv run/eval.json".to_owned(), ["--out", "--csv"]),
        ("eval --replay text --csv text".to_owned(), ["--replay", "--csv"]),
        ("data synth -n 1 --out run/tokenizer.json --tokenizer run".to_owned(), ["--out", "--tokenizer"]),
        (
            "data annotate traces.jsonl --out traces.jsonl --extractive --overwrite".to_owned(),
            ["TRACES", "--out"],
        ),
        ("data annotate text.journal --out text --extractive --overwrite".to_owned(), ["TRACES", "journal"]),
        (
            "data annotate traces.jsonl --tokenizer . --out config.json --extractive --overwrite".to_owned(),
            ["--tokenizer", "--out"],
        ),
        (format!("{train} --out run --data run/loss.svg"), ["--data", "--out"]),
        (
            "train --config synth.json --out run --recipe recipe.json".to_owned(),
            ["the data of --recipe", "--out"],
        ),
        (format!("generate {model} --trace - --record -"), ["--trace", "--record"]),
        ("eval --synth ledger -n 1 --csv - --plot -".to_owned(), ["--csv", "--plot"]),
    ];
    if cfg!(unix) {
        cases.push((format!("generate {model} --trace soft"), ["--model", "--trace"]));
        cases.push((format!("generate {model} --trace hard"), ["--model", "--trace"]));
    }
    fs::write(dir.path().join("text.journal"), "{}").unwrap();
    let before = contents(dir.path());
    for (args, flags) in cases {
        let ran = zoomr(dir.path(), &args);
        assert!(ran.stderr.contains("are both"), "{args}: {}", ran.stderr);
        ran.refused(&flags);
        assert!(contents(dir.path()) == before, "{args}");
    }
}
