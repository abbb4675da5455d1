//! Two records side by side: where they differ first, and in how many places, by class.
//!
//! Numbers are the same if they are written the same: JSON keeps every digit of an `f64`, and the sign of zero.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::class::Class;

/// How two records differ in the fields of one class.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Difference {
    /// The first field that differs, in the order of [`PARTS`]; within a step, by the alphabet.
    pub(super) path: String,
    /// What is there in each record.
    pub(super) values: [String; 2],
    /// Fields that differ.
    pub(super) places: usize,
    /// The largest difference of two numbers, among fields of the first one's kind.
    pub(super) largest: f64,
}

/// The parts of a record, as they are compared: step by step first, and numbers before digests.
const PARTS: [&str; 6] = ["exit", "stderr", "trace", "reports", "logits", "recording"];

/// All differences, at most one of each class.
pub(super) fn differences(old: &Value, new: &Value) -> BTreeMap<Class, Difference> {
    let mut found = BTreeMap::new();
    for part in PARTS {
        compare(&mut part.to_owned(), old.get(part), new.get(part), &mut found);
    }
    found
}

type Found = BTreeMap<Class, Difference>;

/// Compares what is at `path` in both records; `None` is what a record does not have.
fn compare(path: &mut String, old: Option<&Value>, new: Option<&Value>, found: &mut Found) {
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => objects(path, old, new, found),
        (Some(Value::Array(old)), Some(Value::Array(new))) => arrays(path, old, new, found),
        (Some(old), Some(new)) if written(old) == written(new) => {}
        (None, None) => {}
        (old, new) => note(path, [old, new], found),
    }
}

/// The old one's fields, then those that only the new one has.
fn objects(path: &mut String, old: &Map<String, Value>, new: &Map<String, Value>, found: &mut Found) {
    let added = new.keys().filter(|name| !old.contains_key(*name));
    for name in old.keys().chain(added) {
        let dot = if path.is_empty() { "" } else { "." };
        below(path, &format!("{dot}{name}"), |path| compare(path, old.get(name), new.get(name), found));
    }
}

/// Elements that both have; where one has more, its length is what differs.
fn arrays(path: &mut String, old: &[Value], new: &[Value], found: &mut Found) {
    for (at, (old, new)) in old.iter().zip(new).enumerate() {
        below(path, &format!("[{at}]"), |path| compare(path, Some(old), Some(new), found));
    }
    let lens = [old.len(), new.len()].map(Value::from);
    below(path, ".len", |path| compare(path, Some(&lens[0]), Some(&lens[1]), found));
}

/// Zeros of both signs are equal, but not the same.
fn written(value: &Value) -> String {
    value.to_string()
}

fn below(path: &mut String, part: &str, work: impl FnOnce(&mut String)) {
    let len = path.len();
    path.push_str(part);
    work(path);
    path.truncate(len);
}

fn note(path: &str, values: [Option<&Value>; 2], found: &mut Found) {
    let shown = || values.map(|value| value.map_or("nothing".to_owned(), shorten));
    let first = || Difference { path: path.to_owned(), values: shown(), places: 0, largest: 0.0 };
    let difference = found.entry(Class::of(path)).or_insert_with(first);
    difference.places += 1;
    let numbers = values.map(|value| value.and_then(Value::as_f64));
    if let ([Some(old), Some(new)], true) = (numbers, kind(path) == kind(&difference.path)) {
        difference.largest = difference.largest.max((old - new).abs());
    }
}

/// A path without its indices.
fn kind(path: &str) -> String {
    path.split('[').map(|part| part.split_once(']').map_or(part, |(_, rest)| rest)).collect()
}

/// A value that fits a line.
fn shorten(value: &Value) -> String {
    const MOST: usize = 32;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record() -> Value {
        let step = |votes: [u32; 2], window: u64| json!({"last_rows": [{"votes": votes, "hits": 1}], "bytes": {"window": window}});
        json!({
            "trace": [step([1, 2], 64), step([3, 0], 128)],
            "logits": [17, 18],
            "reports": [{"logprobs": [null, -1.25], "text": "a b", "kv_bytes": 5}],
        })
    }

    /// The classes that differ once `change` has changed the record, and the first path of the gravest one.
    fn after(change: impl FnOnce(&mut Value)) -> (Vec<Class>, String) {
        let (old, mut new) = (record(), record());
        change(&mut new);
        let found = differences(&old, &new);
        let first = found.values().next().map_or(String::new(), |difference| difference.path.clone());
        (found.into_keys().collect(), first)
    }

    fn one(class: Class, path: &str) -> (Vec<Class>, String) {
        (vec![class], path.to_owned())
    }

    #[test]
    fn equal_records_do_not_differ() {
        assert_eq!(after(|_| ()), (vec![], String::new()));
    }

    #[test]
    fn each_field_differs_in_its_class() {
        let votes = after(|new| new["trace"][1]["last_rows"][0]["votes"][1] = json!(1));
        assert_eq!(votes, one(Class::Votes, "trace[1].last_rows[0].votes[1]"));
        let bytes = after(|new| new["trace"][0]["bytes"]["window"] = json!(65));
        assert_eq!(bytes, one(Class::Bytes, "trace[0].bytes.window"));
        let moved = after(|new| new["trace"][0]["last_rows"][0]["hits"] = json!(0));
        assert_eq!(moved, one(Class::Moved, "trace[0].last_rows[0].hits"));
        let logits = after(|new| new["logits"][1] = json!(19));
        assert_eq!(logits, one(Class::Text, "logits[1]"));
    }

    #[test]
    fn the_last_bit_of_a_number_counts() {
        let next = f64::from_bits((-1.25f64).to_bits() + 1);
        let loss = after(|new| new["reports"][0]["logprobs"][1] = json!(next));
        assert_eq!(loss, one(Class::Text, "reports[0].logprobs[1]"));
        assert_eq!(differences(&json!({"reports": 0.0}), &json!({"reports": -0.0})).len(), 1);
    }

    #[test]
    fn what_only_one_record_has_differs() {
        let missing = after(|new| drop(new["reports"][0].as_object_mut().unwrap().remove("text")));
        assert_eq!(missing, one(Class::Text, "reports[0].text"));
        let added = after(|new| new["reports"][0]["entropy"] = json!(2));
        assert_eq!(added, one(Class::Other, "reports[0].entropy"));
        let fewer = after(|new| drop(new["trace"].as_array_mut().unwrap().pop()));
        assert_eq!(fewer, one(Class::Other, "trace.len"));
        let more =
            after(|new| new["trace"][0]["last_rows"][0]["votes"].as_array_mut().unwrap().push(json!(0)));
        assert_eq!(more, one(Class::Votes, "trace[0].last_rows[0].votes.len"));
    }

    #[test]
    fn differences_are_counted_and_the_first_is_shown() {
        let (old, mut new) = (record(), record());
        new["trace"][1]["bytes"]["window"] = json!(100);
        new["trace"][0]["bytes"]["window"] = json!(60);
        new["reports"][0]["kv_bytes"] = json!(1_000_000);
        let found = differences(&old, &new);
        let expected = Difference {
            path: "trace[0].bytes.window".to_owned(),
            values: ["64".to_owned(), "60".to_owned()],
            places: 3,
            largest: 28.0,
        };
        assert_eq!(found, BTreeMap::from([(Class::Bytes, expected)]));
    }

    #[test]
    fn kinds_are_paths_without_indices() {
        assert_eq!(kind("trace[12].last_rows[0].votes[3]"), "trace.last_rows.votes");
        assert_eq!(kind("exit[0]"), "exit");
    }

    #[test]
    fn long_values_are_cut_between_characters() {
        let long = json!("ä".repeat(40));
        assert_eq!(shorten(&long), format!("\"{}..", "ä".repeat(31)));
        assert_eq!(shorten(&json!([1])), "[1]");
    }
}
