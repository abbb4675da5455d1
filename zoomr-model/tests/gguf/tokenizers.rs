//! Tokenizers by way of metadata: the same ids as from the files that they were made of.

use std::fs;

use serde_json::{Value, json};
use zoomr_model::{
    pretrained::Pretrained,
    text::{chat::Message, tokenizer::Tokenizer},
};

use crate::{
    shared::real_model,
    support::golden,
    write::{try_write, written},
};

/// What people paste, and what nobody would.
const NASTY: [&str; 16] = [
    "",
    " ",
    "Hello, world!  Two  spaces,\ttabs\tand\r\nlines\n\n\nwithin.",
    "trailing spaces   ",
    "\n leading",
    "12345 3.14159 1,000,000 0x1F 2026-11-28",
    "I'm you'll WE'VE don't it's 'quoted'",
    "na\u{ef}ve cafe\u{301} \u{c5}ngstr\u{f6}m \u{fb01}n \u{2460}",
    "\u{4f60}\u{597d}\u{ff0c}\u{4e16}\u{754c} \u{65e5}\u{672c}\u{8a9e} \u{d55c}\u{ad6d}\u{c5b4} \u{645}\u{631}\u{62d}\u{628}\u{627}",
    "\u{1f469}\u{200d}\u{1f467}\u{1f44d}\u{1f3fd} \u{1f1e9}\u{1f1ea} \u{2603}\u{fe0f}",
    "<|im_start|>user\nhi<|im_end|>\n<|im_start|>",
    "<|im_start|><|im_start|> <|endoftext|>x<|unknown|>",
    "\u{0} \u{1}\u{7f}\u{85}\u{a0}\u{200b}\u{feff}\u{fffd}",
    "fn main() { println!(\"{}\", 1 << 3); } // ???!!!...---===",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "\u{2581}\u{2581}mark \u{0120}G \u{1e9e}\u{0130}i\u{307}",
];

fn assert_same(one: &Tokenizer, other: &Tokenizer, texts: &[&str]) {
    for text in texts {
        assert_eq!(one.encode(text).unwrap(), other.encode(text).unwrap(), "{text:?}");
        assert_eq!(one.encode_verbatim(text).unwrap(), other.encode_verbatim(text).unwrap(), "{text:?}");
    }
    assert_eq!((one.bos(), one.eos()), (other.bos(), other.eos()));
    assert_eq!(one.vocab_size(), other.vocab_size());
    for id in 0..one.vocab_size() as u32 {
        assert_eq!(one.bytes_of(id), other.bytes_of(id), "{id}");
        assert_eq!(one.bytes_with_special(id), other.bytes_with_special(id), "{id}");
    }
}

#[test]
fn the_real_tokenizer_makes_the_same_ids() {
    let Some(dir) = real_model() else { return };
    let (_place, path) = written(&dir, "q8_0");
    let (directory, file) = (Pretrained::open(&dir, None).unwrap(), Pretrained::open(&path, None).unwrap());
    assert_same(directory.require_tokenizer().unwrap(), file.require_tokenizer().unwrap(), &NASTY);
    let chat = [Message::system("Be brief."), Message::user("Hi")];
    let rendered = |model: &Pretrained| model.chat_template().unwrap().render(&chat, true).unwrap();
    assert_eq!(rendered(&directory), rendered(&file));
    assert_eq!(directory.config().layer_specs(), file.config().layer_specs());
}

/// A golden model with this tokenizer.
fn model_with(tokenizer: &Value, config: &Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(golden("llama").join(name), dir.path().join(name)).unwrap();
    }
    fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    dir
}

/// A tokenizer of SentencePiece's kind, as Hugging Face has it; `begins` says whether a space goes before a text.
fn sentence_pieces(begins: bool) -> Value {
    let mut words = vec!["<unk>".to_owned(), "<s>".to_owned(), "</s>".to_owned()];
    words.extend((0..=255).map(|byte| format!("<0x{byte:02X}>")));
    words.extend(["\u{2581}", "a", "b", "\u{2581}a", "ab", "\u{2581}ab", "<|end|>"].map(str::to_owned));
    let vocabulary: serde_json::Map<String, Value> =
        words.iter().zip(0..).map(|(word, id)| (word.clone(), json!(id))).collect();
    let added = |id: u32, special: bool| {
        json!({"id": id, "content": words[id as usize], "special": special, "single_word": false, "lstrip": false,
               "rstrip": false, "normalized": false})
    };
    let mark = json!({"type": "Replace", "pattern": {"String": " "}, "content": "\u{2581}"});
    let mut normalizers = vec![mark];
    let mut decoders = vec![
        json!({"type": "Replace", "pattern": {"String": "\u{2581}"}, "content": " "}),
        json!({"type": "ByteFallback"}),
        json!({"type": "Fuse"}),
    ];
    if begins {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": "\u{2581}"}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [added(0, true), added(1, true), added(2, true), added(265, false)],
        "normalizer": {"type": "Sequence", "normalizers": normalizers}, "pre_tokenizer": null,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}},
        },
        "decoder": {"type": "Sequence", "decoders": decoders},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "vocab": vocabulary,
            "merges": [["a", "b"], ["\u{2581}", "a"], ["\u{2581}", "ab"], ["\u{2581}a", "b"]],
        },
    })
}

#[test]
fn pieces_make_the_same_ids() {
    let config = json!({"bos_token": "<s>", "eos_token": "</s>", "chat_template": "{{ bos_token }}{{ messages[0].content }}"});
    for begins in [true, false] {
        let dir = model_with(&sentence_pieces(begins), &config);
        let (_place, path) = written(dir.path(), "f16");
        let (one, other) = (Tokenizer::from_dir(dir.path()).unwrap(), Tokenizer::from_dir(&path).unwrap());
        let texts = ["ab ab", "  a  b ", "ba\u{e9}\n", "<s>ab</s> ab", "ab<|end|>ab <|end|> ab"];
        for text in texts.iter().chain(&NASTY) {
            assert_eq!(one.encode(text).unwrap(), other.encode(text).unwrap(), "{text:?}");
        }
        assert_eq!((one.bos(), one.eos()), (other.bos(), other.eos()));
        let chat = Pretrained::open(&path, None).unwrap().chat_template().unwrap();
        assert_eq!(chat.render(&[Message::user("x")], true).unwrap(), "<s>x");
    }
}

#[test]
fn what_gguf_has_no_name_for_is_not_written() {
    let mut tokenizer = sentence_pieces(true);
    tokenizer["normalizer"] = json!({"type": "Lowercase"});
    let dir = model_with(&tokenizer, &json!({}));
    let path = dir.path().join("out").with_extension("gguf");
    let error = try_write(dir.path(), "f16", &path).unwrap_err().to_string();
    assert!(error.contains("treats spaces") && !path.exists(), "{error}");
}
