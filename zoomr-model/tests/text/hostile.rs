//! Tokenizers that would make the `tokenizers` crate panic, run out of memory or never end; and files with a few bytes
//! changed.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use zoomr_model::text::{
    chat::{ChatTemplate, Message},
    grow::add_special,
    tokenizer::Tokenizer,
};

use crate::tokenizer::{byte_level, directory, sentencepiece};

/// A tokenizer with another value in the place of a field.
fn with(mut tokenizer: Value, field: &str, value: Value) -> Value {
    tokenizer[field] = value;
    tokenizer
}

fn sequence(list: &str, step: &Value, times: usize) -> Value {
    json!({"type": "Sequence", list: vec![step; times]})
}

#[test]
fn what_would_take_all_memory_is_refused_by_name() {
    let longer = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aaaaaaaaaa"});
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let empty = json!({"type": "Replace", "pattern": {"String": ""}, "content": "xx"});
    let twice = json!({
        "type": "TemplateProcessing", "special_tokens": {}, "pair": [{"Sequence": {"id": "A", "type_id": 0}}],
        "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    });
    let charsmap = json!({"type": "Precompiled", "precompiled_charsmap": "/////w=="});
    let prepend = json!({"type": "Prepend", "prepend": "a".repeat(2_000)});
    let cases = [
        (with(byte_level(), "normalizer", sequence("normalizers", &longer, 9)), "times as long"),
        (with(byte_level(), "decoder", sequence("decoders", &longer, 9)), "times as long"),
        (with(byte_level(), "pre_tokenizer", sequence("pretokenizers", &bytes, 30)), "times as long"),
        (with(byte_level(), "post_processor", sequence("processors", &twice, 30)), "times as long"),
        (with(byte_level(), "normalizer", empty), "empty pattern"),
        (with(byte_level(), "normalizer", charsmap), "precompiled_charsmap"),
        (with(byte_level(), "normalizer", prepend), "prepend has more than"),
    ];
    for (tokenizer, named) in cases {
        refused(&tokenizer, named);
    }
}

fn refused(tokenizer: &Value, named: &str) {
    let dir = directory(&[("tokenizer.json", tokenizer)]);
    let error = Tokenizer::from_dir(dir.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json is refused") && error.contains(named), "{error}");
    let to = TempDir::new().unwrap();
    let error = add_special(dir.path(), &["<new>"], to.path()).unwrap_err().to_string();
    assert!(error.contains("is refused"), "{error}");
}

#[test]
fn ids_are_checked_before_tables_are_made_of_them() {
    let mut vocabulary = byte_level();
    vocabulary["model"]["vocab"]["Ġa"] = json!(u32::MAX);
    refused(&vocabulary, "\"Ġa\" has the id 4294967295");
    let mut added = byte_level();
    added["added_tokens"][2]["id"] = json!(u32::MAX);
    refused(&added, "\"two words\" has the id 4294967295");
    let mut twice = byte_level();
    twice["model"]["vocab"]["ab"] = json!(256);
    refused(&twice, "both have the id 256");
}

#[test]
fn a_tokenizer_for_training_gives_the_same_ids_each_time() {
    let mut dropping = byte_level();
    dropping["model"]["dropout"] = json!(0.5);
    let tokenizer = Tokenizer::from_dir(directory(&[("tokenizer.json", &dropping)]).path()).unwrap();
    let text = " a a a a a a a a a a a a a a a a";
    assert_eq!(tokenizer.encode_verbatim(text).unwrap(), [256; 16]);
}

/// A text with some of its bytes changed, left out or repeated.
fn mutated(original: &str) -> impl Strategy<Value = Vec<u8>> + use<> {
    let original = original.as_bytes().to_vec();
    let edit = (any::<prop::sample::Index>(), any::<u8>(), 0..5usize, 1..40usize);
    prop::collection::vec(edit, 1..6).prop_map(move |edits| {
        let mut bytes = original.clone();
        for (place, byte, kind, length) in edits {
            if bytes.is_empty() {
                break;
            }
            let at = place.index(bytes.len());
            let end = (at + length).min(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes[at] = b"0123456789{}[]\"\\,:-+eE%"[usize::from(byte) % 23],
                2 => drop(bytes.drain(at..end)),
                3 => {
                    let part = bytes[at..end].to_vec();
                    bytes.splice(at..at, part.repeat(usize::from(byte) % 9));
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    })
}

/// Runs a check on mutated files for at most some seconds; each one must be done soon.
fn survives(originals: &[String], check: impl Fn(&[u8])) {
    let begun = Instant::now();
    let mut runner = TestRunner::new(Config { cases: 1, failure_persistence: None, ..Config::default() });
    for original in originals.iter().cycle().take(2_000) {
        if begun.elapsed() > Duration::from_secs(8) {
            break;
        }
        let case = |bytes: Vec<u8>| {
            let begun = Instant::now();
            check(&bytes);
            prop_assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", String::from_utf8_lossy(&bytes));
            Ok(())
        };
        runner.run(&mutated(original), case).unwrap();
    }
}

fn use_tokenizer(dir: &Path) {
    if let Ok(tokenizer) = Tokenizer::from_dir(dir) {
        let ids = tokenizer.encode("a b <s> two words é \u{0}").unwrap_or_default();
        ids.iter().for_each(|id| drop(tokenizer.bytes_with_special(*id).to_vec()));
    }
}

#[test]
fn changed_tokenizers_are_no_faults() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokenizer.json");
    survives(&[byte_level().to_string(), sentencepiece().to_string()], |bytes| {
        fs::write(&path, bytes).unwrap();
        use_tokenizer(dir.path());
    });
}

#[test]
fn changed_sidecars_are_no_faults() {
    let config = json!({
        "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "additional_special_tokens": ["<x>"],
        "added_tokens_decoder": {"257": {"content": "<s>", "special": true}},
        "chat_template": [{"name": "default", "template": "{{ messages[0].content }}"}],
    });
    let dir = directory(&[("tokenizer.json", &sentencepiece())]);
    let names =
        ["tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json"];
    survives(&[config.to_string(), json!({"<x>": 300, "<y>": 301}).to_string()], |bytes| {
        for name in names {
            fs::write(dir.path().join(name), bytes).unwrap();
            use_tokenizer(dir.path());
            let _ = ChatTemplate::from_dir(dir.path()).map(|chat| chat.render(&[Message::user("x")], true));
            fs::remove_file(dir.path().join(name)).unwrap();
        }
    });
}

#[test]
fn changed_templates_are_no_faults() {
    let templates = [
        "{% set ns = namespace(n=0) %}{% for m in messages %}{% if m.role == 'user' %}{{ '<' ~ m['role'] + '>' }}\
         {{ m.content | trim | replace('a', 'bb') }}{% elif loop.index > 3 %}{% set ns.n = ns.n + 1 %}{% endif %}\
         {% endfor %}{{ 'a-b'.split('-')[-1][::-1] * 3 }}{{ '%5.2f' % 1.5 }}{{ messages | tojson(indent=2) }}",
        "{% macro f(x, y=[1, (2, 3)]) %}{{ x | indent(4) }}{{ y[0:2] | join(', ') }}{% endmacro %}{{ f('q') }}\
         {{ range(10) | map('string') | batch(3) | list }}{{ '{:>5}'.format('a') }}{{ 'a'.center(9, '*') }}",
    ];
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("chat_template.jinja");
    survives(&templates.map(str::to_owned), |bytes| {
        fs::write(&path, bytes).unwrap();
        let _ = ChatTemplate::from_dir(dir.path()).map(|chat| chat.render(&[Message::user("a\nb")], true));
    });
}
