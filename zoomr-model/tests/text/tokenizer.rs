//! Tokenizers made here, small enough to read: both decoder families against the `tokenizers` crate's own
//! decoding, the ids that end a text, and every kind of broken file.

use std::{fs, path::Path};

use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use zoomr_model::text::tokenizer::{Tokenizer, TokenizerError};

/// Bytes as in GPT-2, one merge, an ordinary and two special added tokens.
pub(crate) fn byte_level() -> Value {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut vocabulary: serde_json::Map<String, Value> =
        alphabet.iter().zip(0..).map(|(c, id)| (c.to_string(), json!(id))).collect();
    vocabulary.insert("Ġa".into(), json!(256));
    json!({
        "version": "1.0",
        "truncation": {"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": [
            added(257, "<s>", true), added(258, "</s>", true), added(259, "two words", false),
        ],
        "normalizer": null,
        "pre_tokenizer":
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [257], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "vocab": vocabulary, "merges": ["Ġ a"]},
    })
}

/// As Llama 2 and Mistral have it: `▁` for spaces, `<0xNN>` for bytes.
pub(crate) fn sentencepiece() -> Value {
    let mut vocabulary = serde_json::Map::new();
    for token in ["<unk>", "<s>", "</s>"] {
        vocabulary.insert(token.into(), json!(vocabulary.len()));
    }
    for byte in 0..=255 {
        vocabulary.insert(format!("<0x{byte:02X}>"), json!(vocabulary.len()));
    }
    for token in ["▁", "a", "b", "▁a"] {
        vocabulary.insert(token.into(), json!(vocabulary.len()));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true), added(2, "</s>", true)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
        ]},
        "pre_tokenizer": null, "post_processor": null,
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ]},
        "model": {
            "type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true,
            "vocab": vocabulary, "merges": ["▁ a"],
        },
    })
}

fn added(id: u32, content: &str, special: bool) -> Value {
    json!({
        "id": id, "content": content, "special": special,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    })
}

/// A model directory with these files.
pub(crate) fn directory(files: &[(&str, &Value)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content.to_string()).unwrap();
    }
    dir
}

fn load(dir: &TempDir) -> Tokenizer {
    Tokenizer::from_dir(dir.path()).unwrap()
}

fn joined<'a>(ids: &[u32], bytes: impl Fn(u32) -> &'a [u8]) -> Vec<u8> {
    ids.iter().flat_map(|&id| bytes(id)).copied().collect()
}

fn error(dir: &Path) -> String {
    Tokenizer::from_dir(dir).unwrap_err().to_string()
}

proptest! {
    #[test]
    fn bytes_put_together_are_what_the_crate_decodes(ids in prop::collection::vec(0u32..261, 0..30)) {
        let dir = directory(&[("tokenizer.json", &byte_level())]);
        let ours = load(&dir);
        let theirs = tokenizers::Tokenizer::from_file(dir.path().join("tokenizer.json")).unwrap();
        let plain = joined(&ids, |id| ours.bytes_of(id));
        prop_assert_eq!(String::from_utf8_lossy(&plain), theirs.decode(&ids, true).unwrap());
        let special = joined(&ids, |id| ours.bytes_with_special(id));
        prop_assert_eq!(String::from_utf8_lossy(&special), theirs.decode(&ids, false).unwrap());
    }

    #[test]
    fn any_text_comes_back(text in any::<String>()) {
        let bytewise = load(&directory(&[("tokenizer.json", &byte_level())]));
        let ids = bytewise.encode_verbatim(&text).unwrap();
        prop_assert_eq!(joined(&ids, |id| bytewise.bytes_with_special(id)), text.as_bytes());

        let pieces = load(&directory(&[("tokenizer.json", &sentencepiece())]));
        let ids = pieces.encode_verbatim(&text).unwrap();
        // `▁` itself reads as a space, and a text begins with one.
        let wanted = format!(" {text}").replace('▁', " ");
        if !text.is_empty() {
            prop_assert_eq!(joined(&ids, |id| pieces.bytes_with_special(id)), wanted.as_bytes());
        }
    }
}

#[test]
fn characters_without_a_token_are_bytes() {
    let tokenizer = load(&directory(&[("tokenizer.json", &sentencepiece())]));
    let ids = tokenizer.encode_verbatim("a é").unwrap();
    let bytes: Vec<&[u8]> = ids.iter().map(|&id| tokenizer.bytes_of(id)).collect();
    assert_eq!(bytes, [&b" a"[..], b" ", b"\xc3", b"\xa9"]);
}

#[test]
fn special_tokens_are_added_only_when_asked_and_nothing_is_cut() {
    let tokenizer = load(&directory(&[("tokenizer.json", &byte_level())]));
    let plain = tokenizer.encode_verbatim("long enough").unwrap();
    assert_eq!(plain.len(), 11);
    assert_eq!(tokenizer.encode("long enough").unwrap(), [&[257][..], &plain].concat());
    assert_eq!(tokenizer.encode_verbatim("<s>").unwrap(), [257]);
    assert_eq!(tokenizer.bytes_of(257), b"");
    assert_eq!(tokenizer.bytes_with_special(257), b"<s>");
    assert_eq!(tokenizer.bytes_of(259), b"two words");
    assert_eq!(tokenizer.bytes_with_special(260), b"");
    assert_eq!(tokenizer.bytes_of(u32::MAX), b"");
}

#[test]
fn ends_of_text_are_gathered() {
    let tokenizer = byte_level();
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>", "special": true}});
    let cases = [
        (json!({"eos_token_id": [3, 1]}), json!({"eos_token_id": 9}), vec![1, 3, 258]),
        (json!({"eos_token_id": 258}), json!({}), vec![258]),
        (json!({"eos_token_id": null}), json!({"eos_token_id": 9}), vec![9, 258]),
        (json!({}), json!({}), vec![258]),
    ];
    for (generation, model, wanted) in cases {
        let tokenizer = load(&directory(&[
            ("tokenizer.json", &tokenizer),
            ("tokenizer_config.json", &config),
            ("generation_config.json", &generation),
            ("config.json", &model),
        ]));
        assert_eq!(tokenizer.eos(), wanted);
        assert_eq!(tokenizer.bos(), Some(257));
    }
    let alone = load(&directory(&[("tokenizer.json", &tokenizer)]));
    assert_eq!((alone.bos(), alone.eos()), (None, &[][..]));
}

#[test]
fn a_vocabulary_beyond_the_model_is_refused() {
    let tokenizer = load(&directory(&[("tokenizer.json", &byte_level())]));
    assert_eq!(tokenizer.vocab_size(), 260);
    tokenizer.check_vocabulary(260).unwrap();
    tokenizer.check_vocabulary(512).unwrap();
    let error = tokenizer.check_vocabulary(259).unwrap_err().to_string();
    assert!(error.contains("ids up to 259") && error.contains("vocab_size is 259"), "{error}");
}

#[test]
fn a_missing_tokenizer_says_what_to_do() {
    let dir = TempDir::new().unwrap();
    let message = error(dir.path());
    assert!(message.contains(&dir.path().display().to_string()), "{message}");
    assert!(message.contains("token ids instead"), "{message}");
    fs::write(dir.path().join("tokenizer.model"), "sentencepiece").unwrap();
    assert!(error(dir.path()).contains("save_pretrained"));
    assert!(error(&dir.path().join("nowhere")).contains("no tokenizer.json"));
}

#[test]
fn broken_files_are_named() {
    let whole = byte_level().to_string();
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("tokenizer.json");
    for broken in ["", "{}", "[1, 2]", "\u{0}", &whole[..whole.len() / 2], &whole[..whole.len() - 1]] {
        fs::write(&path, broken).unwrap();
        let failed = Tokenizer::from_dir(dir.path()).unwrap_err();
        assert!(matches!(failed, TokenizerError::Corrupt { .. }), "{failed}");
        assert!(failed.to_string().contains("tokenizer.json"), "{failed}");
    }
    fs::write(&path, whole).unwrap();
    for file in ["tokenizer_config.json", "generation_config.json", "config.json"] {
        fs::write(dir.path().join(file), "{\"eos_token\": ").unwrap();
        let message = error(dir.path());
        assert!(message.contains(file) && message.contains("line 1"), "{message}");
        fs::remove_file(dir.path().join(file)).unwrap();
    }
    fs::create_dir(dir.path().join("config.json")).unwrap();
    assert!(error(dir.path()).contains("cannot read"));
}

#[test]
fn a_decoder_without_bytes_of_its_own_is_refused() {
    for (decoder, name) in
        [(json!({"type": "WordPiece", "prefix": "##", "cleanup": true}), "WordPiece"), (Value::Null, "none")]
    {
        let mut tokenizer = byte_level();
        tokenizer["decoder"] = decoder;
        let message = error(directory(&[("tokenizer.json", &tokenizer)]).path());
        assert!(message.contains(&format!("decoder {name} is not supported")), "{message}");
    }
}
