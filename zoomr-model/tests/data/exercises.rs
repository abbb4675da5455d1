//! Files of problems as others have them: every form is recognised by its fields, and what is none is named.

use std::{fs, path::Path};

use serde_json::{Value, json};
use zoomr_model::{
    data::exercise::{Exercise, Form, read},
    grade,
};

fn exercises(dir: &Path, lines: &[Value]) -> Vec<Result<Exercise, String>> {
    let path = dir.join("pond.jsonl");
    let text: Vec<String> = lines.iter().map(Value::to_string).collect();
    fs::write(&path, text.join("\n")).unwrap();
    read(&path).unwrap().map(|read| read.map_err(|error| error.to_string())).collect()
}

fn exercise(line: Value) -> Exercise {
    let dir = tempfile::tempdir().unwrap();
    exercises(dir.path(), &[line]).remove(0).unwrap()
}

/// What is wrong with a line, with its place.
fn refused(line: Value) -> String {
    let dir = tempfile::tempdir().unwrap();
    let good = json!({"question": "1 + 1?", "answer": "2"});
    let error = exercises(dir.path(), &[good, line]).remove(1).unwrap_err();
    assert!(error.contains("pond.jsonl, line 2: "), "{error}");
    error
}

/// Question, way, answer and kind.
fn parts(exercise: &Exercise) -> (&str, Option<&str>, &str, &str) {
    let example = &exercise.example;
    assert!(example.thoughts.len() < 2 && example.thoughts.iter().all(|thought| thought.summary.is_empty()));
    let way = example.thoughts.first().map(|thought| &*thought.detail);
    (&example.question, way, &example.answer, example.kind.as_deref().unwrap())
}

#[test]
fn the_forms_that_people_have_are_recognised_by_their_fields() {
    let way = "3 ducks have 3 * 2 = <<3*2=6>>6 legs.\nTwo dive: 6 - 4 = <<6-4=2>>2 are seen.";
    let plain = "3 ducks have 3 * 2 = 6 legs.\nTwo dive: 6 - 4 = 2 are seen.";
    let boxed = "Two dive, so \\boxed{\\frac{4}{2}} legs are seen.";
    for (line, expected) in [
        // GSM8K.
        (
            json!({"question": "Legs?", "answer": format!("{way}\n#### 2")}),
            ("Legs?", Some(plain), "2", "pond"),
        ),
        (json!({"question": "Legs?", "answer": "#### 1,002"}), ("Legs?", None, "1,002", "pond")),
        (
            json!({"question": "a", "answer": "b #### 3 is wrong\n#### 4 "}),
            ("a", Some("b #### 3 is wrong"), "4", "pond"),
        ),
        // MATH-500.
        (
            json!({"problem": "Legs?", "solution": boxed, "answer": "\\frac{4}{2}", "subject": "Ponds", "level": 2,
                "unique_id": "test/ponds/7.json"}),
            ("Legs?", Some(boxed), "\\frac{4}{2}", "Ponds"),
        ),
        // MATH itself, and files that have nothing but a box.
        (
            json!({"problem": "Legs?", "level": "Level 2", "type": "Ponds", "solution": boxed}),
            ("Legs?", Some(boxed), "\\frac{4}{2}", "Ponds"),
        ),
        (
            json!({"id": 60, "problem": "Legs?", "solution": "\\boxed{204}", "answer": null}),
            ("Legs?", Some("\\boxed{204}"), "204", "pond"),
        ),
        // AIME, in its many spellings.
        (
            json!({"ID": "2024-I-1", "Problem": "Legs?", "Solution": boxed, "Answer": 204}),
            ("Legs?", Some(boxed), "204", "pond"),
        ),
        (json!({"id": "0", "problem": "Legs?", "answer": "070"}), ("Legs?", None, "070", "pond")),
        (
            json!({"problem_idx": 1, "problem": "Legs?", "answer": 70, "problem_type": ["Ponds"]}),
            ("Legs?", None, "70", "pond"),
        ),
        (json!({"problem": 1, "question": "Legs?", "answer": 0.5}), ("Legs?", None, "0.5", "pond")),
        // Traces, as `zoomr data annotate` takes them.
        (json!({"question": "Legs?", "trace": "Two.", "answer": "2"}), ("Legs?", Some("Two."), "2", "pond")),
        // What is spelled without capitals goes first.
        (
            json!({"QUESTION": "b", "question": "a", "Answer": 2, "answer": 1, "KIND": "c"}),
            ("a", None, "1", "c"),
        ),
    ] {
        let exercise = exercise(line.clone());
        assert_eq!((parts(&exercise), exercise.form), (expected, Form::Published), "{line}");
    }
    assert!(grade::same("70", "070"), "leading zeros say nothing");
}

#[test]
fn zoomrs_own_form_is_as_it_was() {
    let line = json!({"question": "q", "thoughts": [{"detail": "d", "summary": "s"}], "answer": "#### 3"});
    let own = exercise(line.clone());
    assert_eq!((own.form, &own.example.kind), (Form::Zoomr, &None));
    assert_eq!(serde_json::to_value(&own.example).unwrap(), line);
    assert!(refused(json!({"question": "q", "thoughts": [], "answer": 3})).contains("expected a string"));
    assert!(
        refused(json!({"question": "q", "thoughts": [{"detail": "d"}], "answer": "3"})).contains("`summary`")
    );
}

#[test]
fn what_is_no_problem_is_named_with_what_it_has() {
    let known = ["GSM8K", "####", "MATH-500", "AIME", "thoughts", "boxed{}"];
    for line in [
        json!({"prompt": "a", "completion": "b"}),
        json!({"question": "a", "choices": ["b", "c"]}),
        json!({"problem": "a", "solution": "no box, but 5"}),
        json!({"problem": "", "answer": "5"}),
        json!({"problem": 7, "answer": "5"}),
        json!({"answer": "5"}),
    ] {
        let error = refused(line.clone());
        let names = line.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(", ");
        assert!(error.contains(&format!("it has {names};")), "{error}");
        assert!(known.iter().all(|known| error.contains(known)), "{error}");
    }
    assert!(refused(json!({})).contains("it has no fields;"));
    let many: Value = (0..1000)
        .map(|i| ("x".repeat(900) + &i.to_string(), json!(1)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let error = refused(many);
    assert!(error.len() < 2000 && error.contains("988 more"), "{error}");
    assert!(refused(json!([1, 2])).contains("invalid type"));
    assert!(refused(json!("text")).contains("invalid type"));
}

#[test]
fn answers_that_nothing_could_be_compared_with_are_refused() {
    let refused = |answer: Value| refused(json!({"question": "How many?", "answer": answer}));
    for empty in ["", " \n", "so many\n####", "so many #### "] {
        assert!(refused(json!(empty)).contains("the answer is empty"), "{empty}");
    }
    for (answer, what) in
        [(json!(["2"]), "a list"), (json!(true), "neither text nor a number"), (json!({"a": 1}), "neither")]
    {
        let error = refused(answer);
        assert!(error.contains("answer is ") && error.contains(what), "{error}");
    }
    // A solution where the result alone should be, as in files that lost their ####.
    let error = refused(json!("There are so many of them that nobody could count them all. ".repeat(5)));
    assert!(error.contains("60 words") && error.contains("after ####"), "{error}");
    let matrix = "\\begin{pmatrix} 1 & 2 & 3 \\\\ 4 & 5 & 6 \\\\ 7 & 8 & 9 \\end{pmatrix}";
    assert_eq!(exercise(json!({"problem": "a", "answer": matrix})).example.answer, matrix);

    // Whole numbers that JSON readers would round.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.jsonl");
    fs::write(&path, "{\"problem\": \"a\", \"answer\": 123456789012345678901234}\n{\"problem\": \"a\", \"answer\": 18446744073709551615}\n").unwrap();
    let read: Vec<_> = read(&path).unwrap().collect();
    let error = read[0].as_ref().unwrap_err().to_string();
    assert!(
        error.contains("line 1: answer is a number with more digits") && error.contains("as text"),
        "{error}"
    );
    assert_eq!(read[1].as_ref().unwrap().example.answer, "18446744073709551615");
}

#[test]
fn questions_are_the_same_whatever_their_spacing() {
    let [a, b, c] = ["How  many?\n", " How many?", "How much?"]
        .map(|question| exercise(json!({"question": question, "answer": 1})));
    assert!(a.asks_the_same_as(&b) && !a.asks_the_same_as(&c));
}
