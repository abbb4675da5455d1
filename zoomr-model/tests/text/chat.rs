//! Chat templates: where they are found, what Hugging Face's Jinja must do, and what is said of bad ones.

use std::fs;

use serde_json::json;
use tempfile::TempDir;
use zoomr_model::text::chat::{ChatError, ChatTemplate, Message};

/// A model directory whose only file is this `chat_template.jinja`.
fn with_jinja(template: &str) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
    dir
}

fn with_config(config: &serde_json::Value) -> TempDir {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    dir
}

fn rendered(template: &str, messages: &[Message]) -> String {
    ChatTemplate::from_dir(with_jinja(template).path()).unwrap().render(messages, true).unwrap()
}

fn load_error(dir: &TempDir) -> String {
    ChatTemplate::from_dir(dir.path()).unwrap_err().to_string()
}

#[test]
fn a_conversation_is_rendered_with_blocks_trimmed() {
    let template = "{{ bos_token }}\n\
        {% for message in messages %}\n    \
            {% if message.role == 'system' %}\n<<{{ message['content'] | trim }}>>\n    {% else %}\n\
                [{{ message.role }}] {{ message.content }}{{ eos_token }}\n    \
            {% endif %}\n\
        {% endfor %}\n\
        {% if add_generation_prompt %}[assistant]{% endif %}\n";
    let dir = with_jinja(template);
    let config = json!({"bos_token": "<s>", "eos_token": {"content": "</s>"}, "chat_template": "not this"});
    fs::write(dir.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    let chat = ChatTemplate::from_dir(dir.path()).unwrap();
    let messages = [Message::system(" be brief "), Message::user("1 < 2?")];
    let body = "<s>\n<<be brief>>\n[user] 1 < 2?</s>\n";
    assert_eq!(chat.render(&messages, true).unwrap(), format!("{body}[assistant]"));
    assert_eq!(chat.render(&messages, false).unwrap(), body);
}

#[test]
fn a_byte_order_mark_is_no_part_of_a_template_nor_of_its_config() {
    let dir = with_jinja("\u{feff}<{{ eos_token }}>");
    fs::write(dir.path().join("tokenizer_config.json"), "\u{feff}{\"eos_token\": \"end\"}").unwrap();
    assert_eq!(ChatTemplate::from_dir(dir.path()).unwrap().render(&[], true).unwrap(), "<end>");
}

#[test]
fn templates_may_write_python() {
    let user = [Message::user("  Hello, world ")];
    let cases = [
        ("{{ messages[0].content.strip().split(', ')[-1].upper() }}", "WORLD"),
        ("{{ messages[0]['content'].startswith('  He') }} {{ none }}", "True None"),
        ("{% for x in [1, 2, 3] %}{% if x == 2 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "13"),
        ("{% for x in [1, 2, 3] %}{% if x == 2 %}{% break %}{% endif %}{{ x }}{% endfor %}", "1"),
        (
            "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
            "1",
        ),
        ("{{ messages[1:] | length }}{% if tools %}tools{% endif %}{{ undefined_name }}", "0"),
        ("{% generation %}a{% endgeneration %}\n  {%- generation -%} b {%- endgeneration -%} c", "abc"),
        ("{% macro say(x) %}<{{ x }}>{% endmacro %}{{ say('a') + say('b') }}", "<a><b>"),
        ("{{ messages[0].keys() | list | join('+') }}", "role+content"),
    ];
    for (template, wanted) in cases {
        assert_eq!(rendered(template, &user), wanted, "{template}");
    }
    assert_eq!(rendered("{{ strftime_now('%Y') }}", &user).len(), 4);
}

#[test]
fn json_is_written_as_python_writes_it() {
    let messages = [Message::user("<é> \"q\"\n")];
    assert_eq!(
        rendered("{{ messages | tojson }}", &messages),
        r#"[{"role": "user", "content": "<é> \"q\"\n"}]"#,
    );
    assert_eq!(
        rendered("{{ {'a': [1, 2.5, true, none], 'b': {}} | tojson(indent=2) }}", &[]),
        "{\n  \"a\": [\n    1,\n    2.5,\n    true,\n    null\n  ],\n  \"b\": {}\n}",
    );
}

#[test]
fn no_template_says_to_run_without_chat() {
    for dir in [TempDir::new().unwrap(), with_config(&json!({"eos_token": null}))] {
        let message = load_error(&dir);
        assert!(message.contains("run without --chat"), "{message}");
        assert!(message.contains(&dir.path().display().to_string()), "{message}");
    }
}

#[test]
fn bad_templates_are_named() {
    let message = load_error(&with_jinja("{% for message in messages %}"));
    assert!(message.contains("chat_template.jinja is not valid"), "{message}");
    let message = load_error(&with_config(&json!({"chat_template": 5})));
    assert!(message.contains("tokenizer_config.json is not valid"), "{message}");

    let chat = ChatTemplate::from_dir(with_jinja("{{ messages[0].content.nonsense() }}").path()).unwrap();
    let error = chat.render(&[Message::user("x")], true).unwrap_err();
    assert!(matches!(error, ChatError::Render { .. }), "{error}");
    let chat = ChatTemplate::from_dir(with_jinja("{{ strftime_now('%Q') }}").path()).unwrap();
    let error = chat.render(&[], true).unwrap_err().to_string();
    assert!(error.contains("%Q"), "{error}");
}

#[test]
fn a_template_may_refuse() {
    let template = "{% if messages[0].role != 'user' %}{{ raise_exception('User goes first') }}{% endif %}";
    let chat = ChatTemplate::from_dir(with_jinja(template).path()).unwrap();
    let error = chat.render(&[Message::system("x")], true).unwrap_err();
    assert!(matches!(&error, ChatError::Refused { message, .. } if message == "User goes first"));
    assert!(error.to_string().ends_with("refuses these messages: User goes first"));
}

#[test]
fn a_template_that_takes_too_much_is_refused() {
    let template =
        "{% set n = namespace(s='a') %}{% for i in range(60) %}{% set n.s = n.s ~ n.s %}{% endfor %}";
    let chat = ChatTemplate::from_dir(with_jinja(template).path()).unwrap();
    let error = chat.render(&[Message::user("x")], true).unwrap_err();
    assert!(matches!(error, ChatError::Limit { .. }), "{error}");
    let endless = "{% set r = range(9999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}";
    let error = ChatTemplate::from_dir(with_jinja(endless).path()).unwrap().render(&[], true).unwrap_err();
    assert!(matches!(error, ChatError::Limit { .. }) && error.to_string().contains("steps"), "{error}");
    let message = load_error(&with_jinja(&format!("{{{{ {} }}}}", vec!["1"; 9_000].join("+"))));
    assert!(message.contains("chat_template.jinja passes a limit"), "{message}");
}

#[test]
fn newlines_of_a_template_are_one_character_and_those_of_a_text_stay() {
    let user = [Message::user("a\r\nb")];
    assert_eq!(rendered("x\r\ny{{ messages[0].content }}\rz\r\n", &user), "x\nya\r\nb\nz");
}
