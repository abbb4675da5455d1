//! `zoomr needle`: a table, what it is made of, and what is refused.
//!
//! The model reads bytes, and has learnt nothing.

use std::{fs, path::Path};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    bytes::byte_tokenizer,
    support::{Ran, command, with_config},
};

/// Few short needles, and little to read them with.
const SHORT: &str = "--text text -n 3 --tokens 500";
const SETTINGS: &str =
    "--setting full --setting zoomr:window=16,keep-prompt=8,zoom-share=0.05 --setting window:window=40";

/// A model with a context of 1,000 tokens, and a text.
fn place() -> TempDir {
    let dir = with_config("llama", "max_position_embeddings", 1000.into());
    fs::write(dir.path().join("tokenizer.json"), byte_tokenizer().to_string()).unwrap();
    let sentence =
        |number| format!("Now comes number {number}{}", if number % 3 == 2 { "!\n\n" } else { ". " });
    fs::write(dir.path().join("text"), (0..100).map(sentence).collect::<String>()).unwrap();
    dir
}

fn needle(dir: &Path, args: &str) -> Ran {
    let mut command = command("needle", Path::new("."));
    command.args(args.split_whitespace()).current_dir(dir).output().unwrap().into()
}

fn f(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

#[test]
fn needles_are_looked_for_under_several_settings() {
    let dir = place();
    let report = needle(dir.path(), &format!("{SHORT} {SETTINGS} --json")).report();
    let needles = report["needles"].as_array().unwrap();
    assert_eq!(needles.len(), 3);
    for (needle, depth) in needles.iter().zip([0.05, 0.5, 0.95]) {
        assert!((f(&needle["depth"]) - depth).abs() < 0.05, "{needle}");
        assert!((440.0..=500.0).contains(&f(&needle["tokens"])), "{needle}");
        assert!((5..=7).contains(&needle["value"].as_str().unwrap().len()), "{needle}");
        assert!(needle["key"].as_str().unwrap().contains(' '), "{needle}");
    }
    let rows = report["settings"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["setting"].as_str().unwrap()).collect();
    assert_eq!(names, ["full", "zoomr:window=16,keep-prompt=8,zoom-share=0.05", "window:window=40"]);
    for row in rows {
        let needles = row["needles"].as_array().unwrap();
        let mean = |of: &str| needles.iter().map(|needle| f(&needle[of])).sum::<f64>() / 3.0;
        let share = |of: &str| needles.iter().filter(|needle| needle[of] == true).count() as f64 / 3.0;
        assert_eq!(f(&row["found"]), share("found"));
        assert_eq!(f(&row["exact"]), share("exact"));
        for name in ["logprob", "logprob_per_token", "attended_tokens"] {
            assert!((f(&row[name]) - mean(name)).abs() < 1e-9, "{name}: {row}");
        }
        let fewer = mean("causal_tokens") / mean("attended_tokens");
        assert!((f(&row["attended_times_fewer"]) - fewer).abs() < 1e-9, "{row}");
        let difference = f(&row["logprob_per_token"]) - f(&rows[0]["logprob_per_token"]);
        assert_eq!(f(&row["logprob_per_token_difference"]), difference);
        for needle in needles {
            let others = needle["distractors"].as_array().unwrap();
            let best = others.iter().map(f).fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(needle["found"], f(&needle["logprob_per_token"]) > best);
        }
    }
    assert_eq!(f(&rows[0]["attended_times_fewer"]), 1.0);
    assert_eq!(f(&rows[2]["attended_tokens"]), 44.0);

    let table = needle(dir.path(), &format!("{SHORT} {SETTINGS}")).succeeded();
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines.len() == 4 && lines[0].starts_with("setting ") && lines[0].ends_with(" times fewer"),
        "{table}"
    );
    assert!(lines[1].starts_with("full ") && lines[1].ends_with(" 1.0x"), "{table}");
}

#[test]
fn a_seed_hides_the_same_needles_under_every_setting() {
    let dir = place();
    let report = |args: &str| needle(dir.path(), &format!("{SHORT} {args} --json")).report();
    let (once, again) = (report("--setting full --seed 4"), report("--setting full --seed 4 --threads 1"));
    assert_eq!(once["needles"], again["needles"]);
    let of = |report: &Value| f(&report["settings"][0]["logprob"]);
    assert!((of(&once) - of(&again)).abs() < 1e-3);
    assert_ne!(once["needles"], report("--setting full --seed 5")["needles"]);
    assert_eq!(once["needles"], report("--setting window:window=16 --seed 4")["needles"]);
}

#[test]
fn a_window_of_as_many_tokens_is_compared_where_nothing_else_is_said() {
    let dir = place();
    let report = needle(
        dir.path(),
        "--text text -n 2 --tokens 600 --window 64 --keep-prompt 8 --zoom-share 0.05 --json",
    )
    .report();
    let rows = report["settings"].as_array().unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row["setting"].as_str().unwrap()).collect();
    assert!(
        names.len() == 3
            && names[..2] == ["full", "zoomr"]
            && names[2].starts_with("window:sinks=32,window=")
    );
    let [zoomr, window] = [1, 2].map(|row| f(&rows[row]["attended_tokens"]));
    assert!((zoomr - window).abs() <= 0.5 && window > 32.0, "{zoomr}, {window}");
}

#[test]
fn a_stream_is_not_a_prompt() {
    let dir = place();
    let of = |args: &str, setting: usize| {
        let report = needle(dir.path(), &format!("{SHORT} {SETTINGS} {args} --json")).report();
        f(&report["settings"][setting]["logprob"])
    };
    assert!((of("", 0) - of("--stream", 0)).abs() < 1e-3, "full attention is the same");
    assert!((of("", 1) - of("--stream", 1)).abs() > 1e-3, "what the text's own rows see is not");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let dir = place();
    let refused = |args: &str, says: &[&str]| needle(dir.path(), args).refused(says);
    refused("--text text --tokens 5k", &["haystack", "5120 tokens", "context of 1000"]);
    refused("--text text --tokens 990", &["question and answer", "context of 1000"]);
    fs::write(dir.path().join("short"), "Too short. Far too short.").unwrap();
    refused("--text short --tokens 500", &["the text has 25 tokens", "give more text"]);
    refused("--text text --tokens 100", &["4 facts to hide", "longer haystack"]);
    refused("--text text -n 0", &["--needles", "1 to 4096"]);
    refused("--text text -n 5000", &["--needles", "1 to 4096"]);
    refused("--tokens 500", &["--text"]);
    refused("--text nowhere --tokens 500", &["--text: cannot read nowhere"]);
    refused("--text text --setting sparse", &["--setting sparse", "not one of full, window"]);
    refused("--text text --setting full --setting full", &["--setting full", "given twice"]);
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    refused(SHORT, &["tokenizer.json"]);
    // Several files are one text.
    let dir = place();
    fs::write(dir.path().join("short"), "Too short. Far too short.").unwrap();
    needle(dir.path(), "--text short --text text -n 1 --tokens 600 --setting full").succeeded();
}
