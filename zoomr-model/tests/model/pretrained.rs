//! Whole directories: tokens that a tokenizer has and the model has not, and models of other formats.

use std::{collections::BTreeMap, fs};

use serde_json::json;
use tempfile::TempDir;
use zoomr_model::pretrained::{Format, Pretrained, PretrainedError};

use crate::support::golden;

/// A golden model of 307 tokens with a tokenizer of as many words, and more tokens: content, id, and whether it is special.
fn with_tokens(added: &[(&str, u32, bool)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(golden("gemma3").join(name), dir.path().join(name)).unwrap();
    }
    let words: BTreeMap<String, u32> = (0..307).map(|id| (format!("w{id}"), id)).collect();
    let added = added.iter().map(|(content, id, special)| {
        json!({"id": id, "content": content, "special": special, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false})
    });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(),
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "w0"},
    });
    fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    dir
}

#[test]
fn a_token_beyond_the_model_matters_where_a_text_has_it() {
    let dir = with_tokens(&[("<image>", 307, true), ("word", 308, false)]);
    let pretrained = Pretrained::open(dir.path(), None).unwrap();
    assert_eq!(pretrained.encode("w5 w6").unwrap(), [5, 6]);
    for (text, token, wanted) in [("w5 <image> w6", "<image>", 307), ("word", "word", 308)] {
        let error = pretrained.encode(text).unwrap_err();
        let message = error.to_string();
        assert!(matches!(error, PretrainedError::UnknownToken { id, .. } if id == wanted), "{message}");
        assert!(message.contains(token) && message.contains("ids end at 306"), "{message}");
    }
}

#[test]
fn only_tokens_that_stand_for_text_speak_of_another_model() {
    let check = |dir: TempDir| {
        let pretrained = Pretrained::open(dir.path(), None).unwrap();
        pretrained.require_tokenizer().unwrap().check_vocabulary(pretrained.config().vocab_size())
    };
    check(with_tokens(&[("<image>", 307, true)])).unwrap();
    let message =
        check(with_tokens(&[("<image>", 307, true), ("word", 308, false)])).unwrap_err().to_string();
    assert!(message.contains("ids up to 308"), "{message}");
}

#[test]
fn other_formats_are_named_before_anything_is_missed() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["model.Q8_0.gguf", "model.Q4_0.gguf"] {
        fs::write(dir.path().join(name), "GGUF\u{3}").unwrap();
    }
    let error = Pretrained::open(dir.path(), None).unwrap_err();
    assert!(matches!(&error, PretrainedError::Foreign(foreign) if foreign.format == Format::Gguf), "{error}");
}
