//! JSON lines: what can be read comes back when it is written, and a log of somebody else's is left as it is.

use std::{fmt::Debug, fs, path::Path};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use zoomr_model::{
    data::{
        annotate::{Extractor, Limit, Measure, Splitter},
        example::{Example, Trace},
        lines,
    },
    eval::Record,
    train::StepReport,
};

use super::file::scratch;

/// A file of examples, of traces, of a training's steps, or of an evaluation's outcomes.
pub fn lines(bytes: &[u8]) -> bool {
    let dir = scratch("lines");
    let path = dir.join("data.jsonl");
    fs::write(&path, bytes).unwrap();
    let (examples, reports) = (come_back::<Example>(&path), come_back::<StepReport>(&path));
    let traces = come_back::<Trace>(&path);
    traces.iter().for_each(splits);
    !(examples.is_empty() && reports.is_empty() && traces.is_empty()) | goes_on(bytes)
}

/// The records of a file, which are the same when they have been written again.
fn come_back<T>(path: &Path) -> Vec<T>
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let records: Vec<T> = lines::read(path).unwrap().flatten().collect();
    let written: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
    let again = path.with_extension("again");
    fs::write(&again, written.join("\n")).unwrap();
    let back: Vec<T> = lines::read(&again).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(back, records);
    records
}

/// Between the thoughts of a trace is nothing but white space, and each of them has a summary.
fn splits(trace: &Trace) {
    let (measure, most) = (Measure::Words, 3);
    let text = &trace.trace;
    let thoughts = Splitter::new(&measure, 2..=5).unwrap().split(text).unwrap();
    let mut end = 0;
    for thought in &thoughts {
        assert!(text[end..thought.start].trim().is_empty() && !text[thought.clone()].is_empty(), "{text:?}");
        end = thought.end;
    }
    assert!(text[end..].trim().is_empty(), "{text:?}");
    let extractor = Extractor::new(thoughts.iter().map(|thought| &text[thought.clone()]));
    for thought in thoughts {
        let summary = extractor.summary(&text[thought], Limit { measure: &measure, most }).unwrap();
        assert!(measure.length(&summary.text).unwrap() <= most, "{summary:?}");
    }
}

/// Whether an evaluation goes on from these outcomes: then they are whole lines and nothing else, or else untouched.
fn goes_on(bytes: &[u8]) -> bool {
    let dir = scratch("lines");
    let description: Value = json!({
        "model": "m", "count": 1, "problems": "6c62272e07bb014262b821756295c58d", "mass": 0, "thinking": "t", "settings": [],
    });
    let [head, outcomes] = Record::FILES.map(|name| dir.join(name));
    fs::write(head, description.to_string()).unwrap();
    fs::write(&outcomes, bytes).unwrap();
    let opened = Record::open(&dir, &serde_json::from_value(description).unwrap());
    let left = fs::read(&outcomes).unwrap();
    match opened {
        Ok((_, records)) => {
            assert!(bytes.starts_with(&left) && left.last().is_none_or(|last| *last == b'\n'));
            assert_eq!(records.len(), left.iter().filter(|byte| **byte == b'\n').count());
            !records.is_empty()
        }
        Err(_) => {
            assert_eq!(left, bytes);
            false
        }
    }
}
