//! Files of records: what is written comes back, bad lines are named, nothing is half written or lost.

use std::fs;

use tempfile::TempDir;
use zoomr_model::{
    atomic_file::{AtomicFileError, Existing},
    data::{
        DataError,
        example::{Example, Thought, Trace},
        lines::{Writer, read},
    },
};

fn example() -> Example {
    let thought = Thought { detail: "a \"quoted\"\nline\u{2028}é".into(), summary: String::new() };
    Example { kind: None, question: "q".into(), thoughts: vec![thought], answer: "42".into() }
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_is_written_comes_back_one_line_each() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data.jsonl");
    let examples = [example(), Example { kind: Some("ledger".into()), ..example() }];
    let mut writer = Writer::create(&path, Existing::Refuse).unwrap();
    examples.iter().for_each(|example| writer.write(example).unwrap());
    writer.finish().unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap().matches('\n').count(), 2);
    let back: Vec<Example> = read(&path).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(back, examples);
    assert_eq!(names(&dir), ["data.jsonl"]);
}

#[test]
fn bad_lines_are_named_and_passed_over() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data.jsonl");
    let trace = r#"{"question": "q", "trace": "t", "answer": "a", "id": 7}"#;
    fs::write(&path, [trace, "", "  ", "{\"question\": 3}", "\u{feff}{}", "[", trace].join("\n")).unwrap();
    let all: Vec<Result<Trace, DataError>> = read(&path).unwrap().collect();
    assert_eq!(all.len(), 5);
    assert!(all[0].is_ok() && all[4].is_ok());
    let messages: Vec<String> = all.iter().filter_map(|one| Some(one.as_ref().err()?.to_string())).collect();
    for (message, line) in messages.iter().zip(["line 4", "line 5", "line 6"]) {
        assert!(message.contains("data.jsonl") && message.contains(line), "{message}");
        assert!(!message.contains("line 1") && message.contains("at column"), "{message}");
    }
    assert!(messages[0].contains("expected a string"), "{}", messages[0]);
    // Traces are no examples.
    let message = read::<Example>(&path).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(message.contains("line 1") && message.contains("`thoughts`"), "{message}");
}

#[test]
fn bytes_that_are_no_text_are_named() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data.jsonl");
    fs::write(&path, b"{\"question\": \"\xff\"}\n").unwrap();
    let message = read::<Example>(&path).unwrap().next().unwrap().unwrap_err().to_string();
    assert!(message.contains("line 1"), "{message}");
    let missing = read::<Example>(&dir.path().join("none")).err().unwrap().to_string();
    assert!(missing.contains("cannot read") && missing.contains("none"), "{missing}");
}

#[test]
fn files_are_replaced_only_when_asked_and_only_when_finished() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data.jsonl");
    fs::write(&path, "good").unwrap();
    let refused = Writer::create(&path, Existing::Refuse).unwrap_err();
    assert!(
        matches!(&refused, DataError::File(AtomicFileError::Exists { path: at }) if *at == path),
        "{refused}"
    );

    let mut dropped = Writer::create(&path, Existing::Replace).unwrap();
    dropped.write(&example()).unwrap();
    assert_eq!(names(&dir).len(), 2);
    drop(dropped);
    assert_eq!(fs::read_to_string(&path).unwrap(), "good");
    assert_eq!(names(&dir), ["data.jsonl"]);

    let mut finished = Writer::create(&path, Existing::Replace).unwrap();
    finished.write(&example()).unwrap();
    finished.finish().unwrap();
    assert_eq!(read::<Example>(&path).unwrap().next().unwrap().unwrap(), example());
}

#[test]
fn a_file_that_comes_meanwhile_is_not_lost() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("data.jsonl");
    let writer = Writer::create(&path, Existing::Refuse).unwrap();
    fs::write(&path, "another's").unwrap();
    assert!(matches!(writer.finish().unwrap_err(), DataError::File(AtomicFileError::Exists { .. })));
    assert_eq!(fs::read_to_string(&path).unwrap(), "another's");
    assert_eq!(names(&dir), ["data.jsonl"]);
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let dir = TempDir::new().unwrap();
    let nowhere = dir.path().join("missing/data.jsonl");
    for path in [dir.path(), &nowhere] {
        let message = Writer::create(path, Existing::Replace).unwrap_err().to_string();
        assert!(message.contains(&*path.to_string_lossy()), "{message}");
    }
}
