//! `zoomr eval --problems` on files as others have them: forms, worked examples, several texts.
//!
//! The model reads and writes bytes, so that a prompt's tokens are its text's bytes.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bytes::byte_tokenizer,
    shared::real_model,
    support::{Ran, copy, trace},
};

const GSM8K: &str = r#"{"question": "A hen has 2 legs. Legs of 3?", "answer": "3 * 2 = <<3*2=6>>6\n#### 6"}
{"question": "1 cow and 1 hen: legs?", "answer": "4 + 2 = <<4+2=6>>6\n#### 6"}
"#;
const MATH: &str = r#"{"problem": "Half of 1?", "solution": "It is $\\boxed{\\frac12}$.", "answer": "\\frac12", "subject": "Halves", "level": 1}
{"problem": "Half of 4?", "solution": "It is $\\boxed{2}$.", "answer": "2", "subject": "Whole\nnumbers", "level": 1}
"#;
const AIME: &str = r#"{"ID": "1", "Problem": "How many?", "Solution": "Some: 73.", "Answer": 73}
"#;
const REQUEST: &str = "\nReason step by step, and give the final answer in \\boxed{}.";

/// A model that writes bytes at random, its chat template, and files of all forms.
fn place() -> TempDir {
    let dir = copy("llama");
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("tokenizer.json", &byte_tokenizer().to_string());
    let template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";
    write("chat_template.jinja", template);
    write("gsm8k.jsonl", GSM8K);
    write("math.jsonl", MATH);
    write("aime.jsonl", AIME);
    write("all.jsonl", &[GSM8K, MATH, AIME].concat());
    dir
}

fn eval(dir: &Path, args: &str) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command
        .args(["eval", "--model", "."])
        .args(args.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null());
    command.output().unwrap().into()
}

/// The outcomes of a run under full attention.
fn outcomes(dir: &TempDir, args: &str) -> Vec<Value> {
    let _ = fs::remove_dir_all(dir.path().join("out"));
    eval(dir.path(), &format!("--setting full --max-tokens 40 --out out {args}")).succeeded();
    let mut outcomes = trace(&dir.path().join("out/outcomes.jsonl"));
    outcomes.sort_by_key(|outcome| (outcome["problem"].as_u64(), outcome["sample"].as_u64()));
    outcomes
}

fn prompt_tokens(outcomes: &[Value]) -> Vec<usize> {
    outcomes.iter().map(|outcome| outcome["prompt_tokens"].as_u64().unwrap() as usize).collect()
}

#[test]
fn files_of_all_forms_are_put_to_the_model() {
    let dir = place();
    let all = outcomes(&dir, "--problems all.jsonl");
    let kinds: Vec<_> = all.iter().map(|outcome| outcome["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["all", "all", "Halves", "Whole numbers", "all"]);
    let questions =
        ["A hen has 2 legs. Legs of 3?", "1 cow and 1 hen: legs?", "Half of 1?", "Half of 4?", "How many?"];
    let plain = |question: &str| format!("Question: {question}{REQUEST}\nAnswer:").len();
    assert_eq!(prompt_tokens(&all), questions.map(plain));
    let chat = |question: &str| format!("[user]{question}{REQUEST}[assistant]").len();
    assert_eq!(prompt_tokens(&outcomes(&dir, "--problems all.jsonl --chat")), questions.map(chat));
    let brief = outcomes(&dir, "--problems all.jsonl --chat --num_fewshot 0 --request Brief! --limit 2");
    assert_eq!(
        prompt_tokens(&brief),
        [0, 1].map(|i| format!("[user]{}\nBrief![assistant]", questions[i]).len())
    );
    assert!(all.iter().all(|outcome| outcome["output_tokens"] == 40));
}

#[test]
fn worked_examples_go_before_the_question() {
    let dir = place();
    let shot = "Question: Half of 1?\nAnswer: It is $\\boxed{\\frac12}$.\n\n";
    let hen = "Question: A hen has 2 legs. Legs of 3?\nAnswer:";
    let request = "--problems gsm8k.jsonl --request= --num-fewshot 1 --shots-from";
    let plain = outcomes(&dir, &format!("{request} math.jsonl -n 1"));
    assert_eq!(prompt_tokens(&plain), [shot.len() + hen.len()]);
    // From the same file: each is an example of the other.
    let chat = outcomes(&dir, &format!("{request} gsm8k.jsonl --chat"));
    let turn = |question: &str| format!("[user]{question}[assistant]");
    let (hen, cow) = (turn("A hen has 2 legs. Legs of 3?"), turn("1 cow and 1 hen: legs?"));
    let sum = "3 * 2 = 6\nThe final answer is \\boxed{6}.".len();
    assert_eq!(prompt_tokens(&chat), [hen.len() + cow.len() + sum; 2]);
}

#[test]
fn several_texts_are_counted_and_put_to_a_vote() {
    let dir = place();
    let args = "--problems gsm8k.jsonl --samples 3 --temperature 1 --seed 5";
    let texts = outcomes(&dir, args);
    let numbers: Vec<_> = texts
        .iter()
        .map(|text| (text["problem"].as_u64().unwrap(), text["sample"].as_u64().unwrap()))
        .collect();
    assert_eq!(numbers, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]);
    let table =
        eval(dir.path(), &format!("{args} --max-tokens 3 --csv table.csv --setting full --setting window"))
            .succeeded();
    assert!(table.contains("pass@1") && table.contains("majority") && table.contains("2 x 3"), "{table}");
    let csv = fs::read_to_string(dir.path().join("table.csv")).unwrap();
    assert!(csv.contains(",samples,majority,majority_95_low,majority_95_high\r\n"), "{csv}");
    let rows = |args: &str| {
        let report = eval(dir.path(), &format!("{args} --max-tokens 3 --setting full --json")).report();
        report["rows"][0].clone()
    };
    let row = rows(args);
    assert!(row["problems"] == 2 && row["samples"] == 3 && row["majority"].is_number(), "{row}");
    // A vote of one is none.
    let one = rows("--problems gsm8k.jsonl --temperature 1");
    assert!(one["samples"] == 1 && one["majority"].is_null(), "{one}");
    // The same seed, the same texts, on any number of workers; a directory goes on with no other.
    let answers = |texts: &[Value]| texts.iter().map(|text| text["answer"].clone()).collect::<Vec<_>>();
    assert!(texts.iter().any(|text| text["answer"].is_string()), "{texts:?}");
    assert_eq!(answers(&texts), answers(&outcomes(&dir, &format!("{args} --workers 4"))));
    let other = eval(
        dir.path(),
        "--setting full --max-tokens 40 --out out --problems gsm8k.jsonl --samples 3 --temperature 1",
    );
    other.refused(&["--out", "other options"]);
}

#[test]
fn what_cannot_be_posed_or_drawn_is_refused() {
    let dir = place();
    let refused = |args: &str, says: &[&str]| eval(dir.path(), args).refused(says);
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("other.jsonl", &[GSM8K, r#"{"prompt": "a", "completion": "b"}"#].concat());
    refused(
        "--problems other.jsonl",
        &["--problems", "other.jsonl, line 3", "prompt", "completion", "GSM8K", "AIME"],
    );
    refused(
        "--problems gsm8k.jsonl --samples 2 --temperature 0",
        &["--samples", "all be the same", "--temperature 0.7"],
    );
    refused("--problems gsm8k.jsonl --samples 2 --top-k 1", &["--samples", "all be the same"]);
    refused("--problems gsm8k.jsonl --samples 0", &["--samples", "1 to 4096"]);
    refused("--problems gsm8k.jsonl --samples 18446744073709551615", &["--samples", "1 to 4096"]);
    refused("--problems gsm8k.jsonl --temperature=-1", &["--temperature"]);
    refused("--problems gsm8k.jsonl --seed 3", &["--seed", "--samples"]);
    refused("--problems gsm8k.jsonl --shots 2", &["--shots-from"]);
    refused("--problems gsm8k.jsonl --shots-from math.jsonl", &["--shots"]);
    refused(
        "--problems gsm8k.jsonl --shots 3 --shots-from math.jsonl",
        &["--shots", "math.jsonl has 2 worked", "3 are wanted"],
    );
    refused(
        "--problems gsm8k.jsonl --shots 2 --shots-from gsm8k.jsonl",
        &["problem 0", "1 worked examples besides"],
    );
    refused("--problems gsm8k.jsonl --shots 1 --shots-from none", &["--shots", "none"]);
    refused(
        "--problems gsm8k.jsonl --shots 1 --shots-from aime.jsonl --csv aime.jsonl",
        &["--shots-from", "--csv"],
    );
    refused("--problems gsm8k.jsonl --max-tokens 0", &["--max-tokens", "at least 1"]);
    refused("--problems gsm8k.jsonl --max-tokens 5 --patience 2", &["--max-tokens", "--patience"]);
    write("bare.jsonl", r#"{"problem": "How many?", "answer": 73}"#);
    refused("--problems bare.jsonl --patience 2", &["problem 0", "no solution", "in tokens"]);
    refused("--problems bare.jsonl --synth ledger", &["--problems", "--synth"]);
}

#[test]
fn a_model_that_was_taught_its_markers_gets_bare_questions() {
    let dir = place();
    let refused = |flags: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
        command.args(["eval", "--synth", "ledger"]).args(flags.split_whitespace()).current_dir(dir.path());
        Ran::from(command.stdin(Stdio::null()).output().unwrap())
    };
    refused("--shots 1 --shots-from gsm8k.jsonl").refused(&["--shots", "taught", "leave it out"]);
    refused("--request please").refused(&["--request", "taught", "leave it out"]);
}

/// A real model on problems of everybody's, with examples and a vote.
#[test]
fn a_real_model_reasons_and_is_graded() {
    let Some(model) = real_model() else { return };
    let dir = place();
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.arg("eval").arg("--model").arg(model).current_dir(dir.path()).stdin(Stdio::null());
    let args = "--chat --problems gsm8k.jsonl --shots 2 --shots-from math.jsonl --samples 2 --temperature 0.5 --max-tokens 48 \
                --setting full --setting zoomr:window=32 --json --out out";
    let report = Ran::from(command.args(args.split_whitespace()).output().unwrap()).report();
    assert_eq!(report["rows"].as_array().unwrap().len(), 2, "{report}");
    let outcomes = trace(&dir.path().join("out/outcomes.jsonl"));
    assert_eq!(outcomes.len(), 8);
    assert!(outcomes.iter().any(|outcome| outcome["answer"].is_string()), "{outcomes:?}");
}
