//! A tokenizer and chat templates as metadata: byte pairs of GPT-2's kind, or SentencePiece's pieces.

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::Value;

use super::{Metadata, Model, WriteError};
use crate::{
    gguf::{
        pre::Pre,
        vocabulary::{BYTE, CONTROL, NORMAL, SPACE, UNKNOWN, UNUSED, USER_DEFINED},
    },
    text::{template_sources, tokenizer::Tokenizer},
};

/// What is read of a `tokenizer.json`.
#[derive(Deserialize)]
struct Parsed {
    added_tokens: Vec<Added>,
    normalizer: Value,
    pre_tokenizer: Value,
    model: Bpe,
}

#[derive(Deserialize)]
struct Added {
    id: u32,
    content: String,
    special: bool,
}

#[derive(Deserialize)]
struct Bpe {
    vocab: BTreeMap<String, u32>,
    merges: Vec<Merge>,
    unk_token: Option<String>,
    #[serde(default)]
    byte_fallback: bool,
    #[serde(default)]
    ignore_merges: bool,
}

/// Two tokens, in either spelling.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Pair([String; 2]),
    Text(String),
}

impl Merge {
    fn text(&self) -> String {
        match self {
            Self::Pair(pair) => pair.join(" "),
            Self::Text(text) => text.clone(),
        }
    }

    fn joined(&self) -> String {
        match self {
            Self::Pair(pair) => pair.concat(),
            Self::Text(text) => text.replacen(' ', "", 1),
        }
    }
}

/// Adds what is known of a model's text side.
///
/// # Errors
/// [`WriteError::Unsayable`] where its tokenizer is of another kind.
pub(super) fn describe(metadata: &mut Metadata, model: &Model<'_>) -> Result<(), WriteError> {
    for (name, source) in template_sources(model.dir)? {
        let end = if name == "default" { String::new() } else { format!(".{name}") };
        metadata.put_text(format!("tokenizer.chat_template{end}"), source);
    }
    let Some(tokenizer) = model.tokenizer else {
        metadata.put_text("tokenizer.ggml.model", "none");
        return Ok(());
    };
    let unsayable = |what: String| WriteError::Unsayable(format!("the model's tokenizer {what}"));
    let json = tokenizer.to_json().map_err(|error| unsayable(format!("cannot be written: {error}")))?;
    if json["model"]["type"] != "BPE" {
        let kind = json["model"]["type"].as_str().unwrap_or("of no kind");
        return Err(unsayable(format!("is {kind}; GGUF has byte-pair encoding and SentencePiece's")));
    }
    let parsed: Parsed =
        serde_json::from_value(json).map_err(|error| unsayable(format!("has another form: {error}")))?;
    if parsed.model.byte_fallback {
        parsed.pieces(metadata, model.config.vocab_size).map_err(|what| unsayable(what.to_owned()))?;
    } else {
        parsed.byte_pairs(metadata, model.config.vocab_size).map_err(|what| unsayable(what.to_owned()))?;
    }
    special(metadata, tokenizer);
    Ok(())
}

impl Parsed {
    /// Texts and kinds of the first `count` ids; ids that no token has are filled up, as llama.cpp's converter does.
    fn tokens(&self, count: usize) -> (Vec<String>, Vec<i32>) {
        let mut tokens: Vec<String> = (0..count).map(|id| format!("[PAD{id}]")).collect();
        let mut kinds = vec![UNUSED; count];
        let mut put = |id: u32, text: &str, kind: i32| {
            if let Some(place) = tokens.get_mut(id as usize) {
                (*place, kinds[id as usize]) = (text.to_owned(), kind);
            }
        };
        let unknown = self.model.unk_token.as_deref();
        for (text, id) in &self.model.vocab {
            let is_byte = self.model.byte_fallback && is_byte(text);
            let kind = if is_byte {
                BYTE
            } else if unknown == Some(text) {
                UNKNOWN
            } else {
                NORMAL
            };
            put(*id, text, kind);
        }
        for Added { id, content, special } in &self.added_tokens {
            let kind = match special {
                true if unknown == Some(content) => UNKNOWN,
                true => CONTROL,
                false => USER_DEFINED,
            };
            put(*id, content, kind);
        }
        (tokens, kinds)
    }

    fn byte_pairs(&self, metadata: &mut Metadata, count: usize) -> Result<(), &'static str> {
        let composes = match self.normalizer["type"].as_str() {
            None => false,
            Some("NFC") => true,
            Some(_) => return Err("normalizes text in a way that GGUF has no name for"),
        };
        let pre = Pre::of(&self.pre_tokenizer, composes, self.model.ignore_merges)
            .ok_or("cuts text into words in a way that llama.cpp has no name for")?;
        metadata.put_text("tokenizer.ggml.model", "gpt2");
        metadata.put_text("tokenizer.ggml.pre", pre.names[0]);
        let (tokens, kinds) = self.tokens(count);
        metadata.put_texts("tokenizer.ggml.tokens", tokens);
        metadata.put_i32s("tokenizer.ggml.token_type", kinds);
        metadata.put_texts("tokenizer.ggml.merges", self.model.merges.iter().map(Merge::text));
        Ok(())
    }

    fn pieces(&self, metadata: &mut Metadata, count: usize) -> Result<(), &'static str> {
        let begins = self.begins_with_space().ok_or("treats spaces in a way that GGUF has no name for")?;
        let (mut tokens, kinds) = self.tokens(count);
        // The place of a token's first merge is its rank; what no merge makes comes after all of them.
        let mut ranks = HashMap::new();
        for (rank, merge) in self.model.merges.iter().enumerate() {
            ranks.entry(merge.joined()).or_insert(rank);
        }
        let last = self.model.merges.len();
        let score = |text: &String| -(ranks.get(text).copied().unwrap_or(last) as f32);
        let scores: Vec<f32> = tokens.iter().map(score).collect();
        for (text, kind) in tokens.iter_mut().zip(&kinds) {
            if *kind == USER_DEFINED {
                *text = text.replace(SPACE, " ");
            }
        }
        metadata.put_text("tokenizer.ggml.model", "llama");
        metadata.put_text("tokenizer.ggml.pre", "default");
        metadata.put_flag("tokenizer.ggml.add_space_prefix", begins);
        metadata.put_texts("tokenizer.ggml.tokens", tokens);
        metadata.put_f32s("tokenizer.ggml.scores", scores);
        metadata.put_i32s("tokenizer.ggml.token_type", kinds);
        Ok(())
    }

    /// Whether a space is put before a text, where spaces become SentencePiece's marks and nothing else happens.
    fn begins_with_space(&self) -> Option<bool> {
        let steps = match self.normalizer["normalizers"].as_array() {
            Some(steps) => steps.as_slice(),
            None => std::slice::from_ref(&self.normalizer),
        };
        let marks = |step: &Value| {
            step["type"] == "Replace" && step["pattern"]["String"] == " " && step["content"] == SPACE
        };
        let begins = |step: &Value| step["type"] == "Prepend" && step["prepend"] == SPACE;
        let pre = &self.pre_tokenizer;
        match steps {
            [step] if marks(step) => Some(false),
            [first, second] if begins(first) && marks(second) => Some(true),
            [step] if step.is_null() && pre["type"] == "Metaspace" && pre["split"] != true => {
                Some(pre["prepend_scheme"] != "never")
            }
            _ => None,
        }
    }
}

fn is_byte(text: &str) -> bool {
    let digits = text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    digits.is_some_and(|digits| digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

/// What begins and ends a text.
fn special(metadata: &mut Metadata, tokenizer: &Tokenizer) {
    let around = tokenizer.encode("").unwrap_or_default();
    let mut flag = |name: &str, is: bool| metadata.put_flag(format!("tokenizer.ggml.add_{name}_token"), is);
    flag("bos", tokenizer.bos().is_some_and(|bos| around.first() == Some(&bos)));
    flag("eos", around.len() > 1 && tokenizer.eos().iter().any(|eos| around.last() == Some(eos)));
    let ends = ["eos", "eot", "eom"].into_iter().zip(tokenizer.eos().iter().copied());
    for (role, id) in ends.chain(tokenizer.bos().map(|bos| ("bos", bos))) {
        metadata.put_u32(format!("tokenizer.ggml.{role}_token_id"), id);
    }
}
