//! The small files beside a tokenizer, merged as transformers 5.2 merges them, and templates by name.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;
use zoomr_model::text::{
    chat::{ChatTemplate, Message},
    tokenizer::Tokenizer,
};

/// A tokenizer of whole words that knows `a`, `b`, `<s>` and `<unk>`, and `<s>` as a special token.
fn tokenizer() -> Value {
    let added = json!({
        "id": 2, "content": "<s>", "special": true,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
    });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [added],
        "normalizer": null, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "<s>": 2, "<unk>": 3}, "unk_token": "<unk>"},
    })
}

fn directory(files: &[(&str, Value)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("tokenizer.json"), tokenizer().to_string()).unwrap();
    for (name, content) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let text = content.as_str().map_or_else(|| content.to_string(), str::to_owned);
        fs::write(path, text).unwrap();
    }
    dir
}

/// The ids of a text in a directory with these files.
fn ids(files: &[(&str, Value)], text: &str) -> Vec<u32> {
    Tokenizer::from_dir(directory(files).path()).unwrap().encode_verbatim(text).unwrap()
}

fn word(content: &str, special: bool) -> Value {
    json!({
        "content": content, "special": special,
        "lstrip": false, "rstrip": false, "single_word": false, "normalized": false,
    })
}

#[test]
fn a_token_that_any_file_knows_is_one_token() {
    let text = "a<new>b";
    assert_eq!(ids(&[], text), [3]);
    let decoder = json!({"added_tokens_decoder": {"2": word("<s>", true), "4": word("<new>", false)}});
    for (file, content) in [
        ("special_tokens_map.json", json!({"pad_token": "<new>"})),
        ("special_tokens_map.json", json!({"additional_special_tokens": ["<new>"]})),
        ("special_tokens_map.json", json!({"additional_special_tokens": [word("<new>", true)]})),
        ("added_tokens.json", json!({"<new>": 4})),
        ("tokenizer_config.json", decoder),
        ("tokenizer_config.json", json!({"eos_token": "<new>"})),
        ("tokenizer_config.json", json!({"additional_special_tokens": ["<new>"]})),
        ("tokenizer_config.json", json!({"extra_special_tokens": {"image_token": "<new>"}})),
        ("tokenizer_config.json", json!({"image_token": "<new>"})),
    ] {
        assert_eq!(ids(&[(file, content.clone())], text), [0, 4, 1], "{file}: {content}");
    }
}

#[test]
fn new_tokens_have_ids_in_the_order_of_their_files() {
    let words = json!({"<z>": 4, "<y>": 5});
    let map = json!({"pad_token": "<pad>", "eos_token": "<y>"});
    let files = [("added_tokens.json", words), ("special_tokens_map.json", map)];
    assert_eq!(ids(&files, "<z> <y> <pad>"), [4, 5, 6]);
    // Ids that nothing could have are not believed.
    assert_eq!(ids(&[("added_tokens.json", json!({"<z>": 4_000_000_000u32}))], "<z>"), [4]);
}

#[test]
fn the_older_files_count_only_without_a_list_of_all_tokens() {
    let map = ("special_tokens_map.json", json!({"bos_token": "b", "eos_token": null}));
    let config = json!({"bos_token": "<s>", "eos_token": "a"});
    let merged =
        Tokenizer::from_dir(directory(&[map.clone(), ("tokenizer_config.json", config)]).path()).unwrap();
    assert_eq!((merged.bos(), merged.eos()), (Some(1), &[][..]));
    let complete = json!({"bos_token": "<s>", "added_tokens_decoder": {"2": word("<s>", true)}});
    let complete =
        Tokenizer::from_dir(directory(&[map, ("tokenizer_config.json", complete)]).path()).unwrap();
    assert_eq!(complete.bos(), Some(2));
}

#[test]
fn templates_are_given_every_special_token() {
    let template = "{{ bos_token }}|{{ eos_token }}|{{ image_token }}";
    let dir = directory(&[
        ("special_tokens_map.json", json!({"bos_token": "<s>", "eos_token": word("</s>", true)})),
        (
            "tokenizer_config.json",
            json!({"image_token": "<img>", "add_bos_token": true, "chat_template": template}),
        ),
    ]);
    assert_eq!(ChatTemplate::from_dir(dir.path()).unwrap().render(&[], true).unwrap(), "<s>|</s>|<img>");
}

#[test]
fn one_of_several_templates_is_the_default() {
    let rendered = |files: &[(&str, Value)]| {
        ChatTemplate::from_dir(directory(files).path()).unwrap().render(&[Message::user("x")], true).unwrap()
    };
    let list = json!([{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "plain"}]);
    let map = json!({"tool_use": "tools", "default": "plain"});
    for named in [list, map] {
        assert_eq!(rendered(&[("tokenizer_config.json", json!({"chat_template": named}))]), "plain");
    }
    let older = ("tokenizer_config.json", json!({"chat_template": "older"}));
    let tools = ("additional_chat_templates/tool_use.jinja", json!("tools"));
    let file = ("chat_template.jinja", json!("file"));
    assert_eq!(rendered(&[older.clone(), file.clone(), tools.clone()]), "file");
    assert_eq!(
        rendered(&[older.clone(), ("additional_chat_templates/default.jinja", json!("folder"))]),
        "folder"
    );
    // Files go before the configuration, and these have no default.
    let error = ChatTemplate::from_dir(directory(&[older, tools]).path()).unwrap_err().to_string();
    assert!(error.contains("additional_chat_templates") && error.contains("tool_use"), "{error}");
}

#[test]
fn a_form_that_is_not_read_is_not_called_damage() {
    let told = |error: String, named: &str| {
        assert!(error.contains("tokenizer_config.json") && error.contains(named), "{error}");
        assert!(!error.contains("damaged"), "{error}");
    };
    let dir = directory(&[("tokenizer_config.json", json!({"chat_template": 5}))]);
    told(ChatTemplate::from_dir(dir.path()).map(drop).unwrap_err().to_string(), "chat_template is neither");
    Tokenizer::from_dir(dir.path()).unwrap();
    for (config, named) in [(json!({"bos_token": 5}), "bos_token is neither"), (json!([1]), "invalid type")] {
        let dir = directory(&[("tokenizer_config.json", config)]);
        told(Tokenizer::from_dir(dir.path()).map(drop).unwrap_err().to_string(), named);
    }
}
