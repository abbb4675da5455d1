//! Tokenizers that would make the `tokenizers` crate panic, run out of memory or never end. Files with a few bytes changed
//! are in the test `fuzz`.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use zoomr_model::text::{grow::add_special, tokenizer::Tokenizer};

use crate::tokenizer::{byte_level, directory};

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
fn a_word_has_one_id() {
    let dir = directory(&[("tokenizer.json", &byte_level())]);
    let path = dir.path().join("tokenizer.json");
    let text = fs::read_to_string(&path).unwrap();
    let twice = text.replacen(r#""vocab":{"#, r#""vocab":{"\u0061":200,"#, 1);
    assert_ne!(text, twice);
    fs::write(&path, twice).unwrap();
    let error = Tokenizer::from_dir(dir.path()).map(drop).unwrap_err().to_string();
    assert!(error.contains("tokenizer.json") && error.contains("`a` is there twice"), "{error}");
}

#[test]
fn ids_that_are_put_around_a_text_are_those_of_tokens() {
    let mut template = byte_level();
    template["post_processor"]["special_tokens"]["<s>"]["ids"] = json!([900]);
    let bert = json!({"type": "BertProcessing", "sep": ["</s>", 258], "cls": ["<s>", 900]});
    for tokenizer in [template, with(byte_level(), "post_processor", bert)] {
        let error = Tokenizer::from_dir(directory(&[("tokenizer.json", &tokenizer)]).path()).unwrap_err();
        assert!(error.to_string().contains("puts in the id 900, which no token has"), "{error}");
    }
    let mut unknown = byte_level();
    unknown["post_processor"]["single"][0]["SpecialToken"]["id"] = json!("<x>");
    refused(&unknown, "puts in \"<x>\", which its special_tokens lack");
}

#[test]
fn a_tokenizer_for_training_gives_the_same_ids_each_time() {
    let mut dropping = byte_level();
    dropping["model"]["dropout"] = json!(0.5);
    let tokenizer = Tokenizer::from_dir(directory(&[("tokenizer.json", &dropping)]).path()).unwrap();
    let text = " a a a a a a a a a a a a a a a a";
    assert_eq!(tokenizer.encode_verbatim(text).unwrap(), [256; 16]);
}
