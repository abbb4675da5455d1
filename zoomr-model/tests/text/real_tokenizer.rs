//! SmolLM2-135M-Instruct's own tokenizer and chat template against Hugging Face transformers.
//!
//! `golden/README.md` says where the expected values come from.
//! Needs `ZOOMR_MODELS`; says so and passes without it.

use serde::Deserialize;
use zoomr_model::text::{
    chat::{ChatTemplate, Message},
    stream::Utf8Stream,
    tokenizer::Tokenizer,
};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    kind: String,
    text: String,
    rendered: String,
    ids: Vec<u32>,
    greedy: Vec<u32>,
    greedy_text: String,
}

fn golden() -> Vec<Case> {
    let file = include_str!("../golden/smollm2-135m-instruct.json");
    let golden: Golden = serde_json::from_str(file).unwrap();
    assert_eq!(golden.cases.len(), 5);
    golden.cases
}

#[test]
fn prompts_render_and_tokenize_as_in_transformers() {
    let Some(dir) = crate::support::real_model() else { return };
    let tokenizer = Tokenizer::from_dir(&dir).unwrap();
    let chat = ChatTemplate::from_dir(&dir).unwrap();
    for case in golden() {
        let (rendered, ids) = match case.kind.as_str() {
            "chat" => {
                let rendered = chat.render(&[Message::user(&case.text)], true).unwrap();
                let ids = tokenizer.encode_verbatim(&rendered).unwrap();
                (rendered, ids)
            }
            "raw" => (case.text.clone(), tokenizer.encode(&case.text).unwrap()),
            other => panic!("golden file: unknown kind {other}"),
        };
        assert_eq!(rendered, case.rendered);
        assert_eq!(ids, case.ids, "{}", case.text);
    }
}

#[test]
fn greedy_tokens_stream_to_the_same_text() {
    let Some(dir) = crate::support::real_model() else { return };
    let tokenizer = Tokenizer::from_dir(&dir).unwrap();
    for case in golden() {
        let mut stream = Utf8Stream::default();
        let mut text = String::new();
        for &id in &case.greedy {
            text += &stream.push(tokenizer.bytes_of(id));
        }
        text += &stream.flush();
        assert_eq!(text, case.greedy_text);
    }
}

#[test]
fn ends_and_size_of_the_vocabulary() {
    let Some(dir) = crate::support::real_model() else { return };
    let tokenizer = Tokenizer::from_dir(&dir).unwrap();
    assert_eq!((tokenizer.bos(), tokenizer.eos()), (Some(1), &[2][..]));
    tokenizer.check_vocabulary(49_152).unwrap();
    assert!(tokenizer.check_vocabulary(49_151).is_err());
    assert_eq!(tokenizer.id_of("<|im_end|>"), Some(2));
}
