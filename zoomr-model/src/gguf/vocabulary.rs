//! Metadata as `tokenizer.json`: the two kinds of vocabularies that our architectures have, GPT-2's (`gpt2`) and
//! SentencePiece's (`llama`).
//!
//! What comes out takes the same way as a file of that name: it is checked, and then made into a tokenizer.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::{
    Gguf, GgufProblem,
    metadata::{Number, Texts},
    pieces::{Piece, merges},
    pre::{KINDS, Pre},
};
use crate::config::Family;

/// The kinds of tokens, `tokenizer.ggml.token_type`.
pub(super) const NORMAL: i32 = 1;
pub(super) const UNKNOWN: i32 = 2;
pub(super) const CONTROL: i32 = 3;
pub(super) const USER_DEFINED: i32 = 4;
pub(super) const UNUSED: i32 = 5;
pub(super) const BYTE: i32 = 6;

/// What SentencePiece has for a space.
pub(super) const SPACE: &str = "\u{2581}";
/// Tokens that end a turn, whether metadata names them or not, as in llama.cpp.
const ENDS: [&str; 5] = ["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|eom_id|>"];
/// The special tokens of Phi 3, whose vocabulary has bytes, take the white space behind them along, but for these; no metadata says so.
const PHI_KEEP: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// The tokens of a file.
pub(super) struct Vocabulary<'a> {
    tokens: &'a Texts,
    /// The kind of each.
    kinds: Vec<i32>,
}

impl<'a> Vocabulary<'a> {
    fn iter(&self) -> impl Iterator<Item = (u32, &'a str, i32)> {
        (0..).zip(self.tokens.iter()).zip(&self.kinds).map(|((id, text), kind)| (id, text, *kind))
    }
}

impl Gguf {
    /// What `tokenizer.json` would say, if there is a vocabulary.
    ///
    /// # Errors
    /// Where metadata lacks something, or its kind of vocabulary is not known.
    pub(crate) fn tokenizer_json(&self) -> Result<Option<Value>, GgufProblem> {
        const MODEL: &str = "tokenizer.ggml.model";
        let Some(vocabulary) = self.vocabulary()? else { return Ok(None) };
        match self.metadata().text(MODEL)?.unwrap_or("none") {
            "gpt2" => self.byte_pairs(&vocabulary).map(Some),
            "llama" => self.sentence_pieces(&vocabulary).map(Some),
            "none" | "no_vocab" => Ok(None),
            other => {
                let reason = format!(
                    "is `{other:.40}`; zoomr knows `gpt2` and `llama`: give token ids instead of text"
                );
                Err(GgufProblem::field(MODEL, reason))
            }
        }
    }

    fn vocabulary(&self) -> Result<Option<Vocabulary<'_>>, GgufProblem> {
        const KINDS: &str = "tokenizer.ggml.token_type";
        let Some(tokens) = self.metadata().texts("tokenizer.ggml.tokens")? else { return Ok(None) };
        let kinds = match self.metadata().numbers(KINDS)? {
            None => vec![NORMAL; tokens.len()],
            Some(numbers) if numbers.len() == tokens.len() => numbers
                .into_iter()
                .map(|number| if let Number::Whole(kind) = number { kind as i32 } else { 0 })
                .collect(),
            Some(numbers) => {
                let reason = format!("has {} entries for {} tokens", numbers.len(), tokens.len());
                return Err(GgufProblem::field(KINDS, reason));
            }
        };
        Ok(Some(Vocabulary { tokens, kinds }))
    }

    /// The id of a special token by what it is for: `bos`, `eos`, `eot` and so on.
    fn special_id(&self, role: &str) -> Result<Option<u32>, GgufProblem> {
        let id = self.metadata().count(&format!("tokenizer.ggml.{role}_token_id"))?;
        // Some files say so of a token that there is none of.
        Ok(id.and_then(|id| u32::try_from(id).ok()).filter(|id| *id != u32::MAX))
    }

    /// The text of such a token.
    pub(crate) fn special_text(&self, role: &str) -> Result<Option<String>, GgufProblem> {
        let (Some(id), Some(vocabulary)) = (self.special_id(role)?, self.vocabulary()?) else {
            return Ok(None);
        };
        Ok(vocabulary.tokens.get(id as usize).map(str::to_owned))
    }

    /// The tokens that end a text, ascending.
    pub(crate) fn end_ids(&self) -> Result<Vec<u32>, GgufProblem> {
        let mut ids = BTreeSet::new();
        for role in ["eos", "eot", "eom"] {
            ids.extend(self.special_id(role)?);
        }
        if let Some(vocabulary) = self.vocabulary()? {
            let ends = vocabulary.iter().filter(|(_, text, kind)| *kind == CONTROL && ENDS.contains(text));
            ids.extend(ends.map(|(id, ..)| id));
        }
        Ok(ids.into_iter().collect())
    }

    /// The chat templates, by name; the one without a name is `default`.
    pub(crate) fn chat_templates(&self) -> BTreeMap<String, String> {
        const KEY: &str = "tokenizer.chat_template";
        let named = self.metadata().texts_below(KEY).filter_map(|(end, template)| {
            let name = if end.is_empty() { "default" } else { end.strip_prefix('.')? };
            Some((name.to_owned(), template.to_owned()))
        });
        named.collect()
    }

    /// GPT-2's kind: merges of bytes, each byte a character.
    fn byte_pairs(&self, vocabulary: &Vocabulary<'_>) -> Result<Value, GgufProblem> {
        const PRE: &str = "tokenizer.ggml.pre";
        const MERGES: &str = "tokenizer.ggml.merges";
        let known = || KINDS.iter().flat_map(|kind| kind.names).copied().collect::<Vec<_>>().join(", ");
        let name = self.metadata().text(PRE)?.unwrap_or("default");
        let pre = Pre::named(name).ok_or_else(|| {
            let reason = format!(
                "is `{name:.40}`: how that cuts text into words is not known here (known are {}); use the checkpoint that the \
                 model was made from, or convert it again",
                known()
            );
            GgufProblem::field(PRE, reason)
        })?;
        let merges =
            self.metadata().texts(MERGES)?.ok_or_else(|| GgufProblem::field(MERGES, "is missing"))?;
        let pair = |merge: &str| match merge.split_once(' ') {
            Some((left, right)) => Ok(json!([left, right])),
            None => Err(GgufProblem::field(MERGES, format!("has `{merge:.40}`, which are not two tokens"))),
        };
        let merges = merges.iter().map(pair).collect::<Result<Vec<_>, _>>()?;
        let words: Map<String, Value> = words(vocabulary).collect();
        let bytes =
            json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
        Ok(json!({
            "version": "1.0",
            "added_tokens": self.added(vocabulary),
            "normalizer": pre.composes.then(|| json!({"type": "NFC"})),
            "pre_tokenizer": pre.json(),
            "post_processor": self.around(pre.begins)?,
            "decoder": bytes,
            "model": {"type": "BPE", "vocab": words, "merges": merges, "ignore_merges": pre.whole_words},
        }))
    }

    /// SentencePiece's kind: pieces with scores, a mark for a space, and a token for each byte.
    fn sentence_pieces(&self, vocabulary: &Vocabulary<'_>) -> Result<Value, GgufProblem> {
        const SCORES: &str = "tokenizer.ggml.scores";
        let scores =
            self.metadata().numbers(SCORES)?.ok_or_else(|| GgufProblem::field(SCORES, "is missing"))?;
        if scores.len() != vocabulary.tokens.len() {
            let reason = format!("has {} entries for {} tokens", scores.len(), vocabulary.tokens.len());
            return Err(GgufProblem::field(SCORES, reason));
        }
        // Runs of spaces are pieces like others, which the converter has written as the text that they stand for.
        let marked: Vec<(u32, String, i32)> = vocabulary
            .iter()
            .filter(|(.., kind)| *kind != UNUSED)
            .map(|(id, text, kind)| {
                (id, if is_spaces(text, kind) { text.replace(' ', SPACE) } else { text.to_owned() }, kind)
            })
            .collect();
        let score = |id: u32| if let Number::Real(score) = scores[id as usize] { score as f32 } else { 0.0 };
        let can_merge = |(_, text, kind): &&(u32, String, i32)| {
            *kind == NORMAL || *kind == USER_DEFINED && !text.is_empty()
        };
        let pieces: Vec<Piece<'_>> = marked
            .iter()
            .filter(can_merge)
            .map(|(id, text, _)| Piece { text, id: *id, score: score(*id) })
            .collect();
        let merges: Vec<Value> = merges(&pieces).into_iter().map(|parts| json!(parts)).collect();
        let words: Map<String, Value> =
            marked.iter().map(|(id, text, _)| (text.clone(), json!(id))).collect();
        let unknown = vocabulary.iter().find(|(.., kind)| *kind == UNKNOWN).map(|(_, text, _)| text);
        let begins = self.metadata().flag("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
        let replace = |pattern: &str, content: &str| json!({"type": "Replace", "pattern": {"String": pattern}, "content": content});
        let mut normalizers = vec![replace(" ", SPACE)];
        let mut decoders =
            vec![replace(SPACE, " "), json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
        if begins {
            normalizers.insert(0, json!({"type": "Prepend", "prepend": SPACE}));
            decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
        }
        Ok(json!({
            "version": "1.0",
            "added_tokens": self.added(vocabulary),
            "normalizer": {"type": "Sequence", "normalizers": normalizers},
            "pre_tokenizer": null,
            "post_processor": self.around(true)?,
            "decoder": {"type": "Sequence", "decoders": decoders},
            "model": {
                "type": "BPE", "vocab": words, "merges": merges, "unk_token": unknown, "fuse_unk": true,
                "byte_fallback": vocabulary.kinds.contains(&BYTE),
            },
        }))
    }

    /// The tokens that are found in a text before anything else.
    fn added(&self, vocabulary: &Vocabulary<'_>) -> Vec<Value> {
        let is_phi = self.architecture.family == Family::Phi3 && vocabulary.kinds.contains(&BYTE);
        let added = vocabulary.iter().filter(|(_, text, kind)| {
            matches!(*kind, CONTROL | UNKNOWN | USER_DEFINED) && !is_spaces(text, *kind) && !text.is_empty()
        });
        let token = |(id, text, kind): (u32, &str, i32)| {
            let special = kind != USER_DEFINED;
            json!({
                "id": id, "content": text, "special": special, "single_word": false, "lstrip": false,
                "rstrip": is_phi && !PHI_KEEP.contains(&text), "normalized": false,
            })
        };
        added.map(token).collect()
    }

    /// The post-processor that puts the first token before a text and the last behind it; `begins` says whether there is a
    /// first one where metadata does not.
    fn around(&self, begins: bool) -> Result<Option<Value>, GgufProblem> {
        let flag = |name: &str| self.metadata().flag(&format!("tokenizer.ggml.add_{name}_token"));
        let role = |role: &str, wanted: bool| match wanted {
            true => Ok::<_, GgufProblem>(self.special_text(role)?.zip(self.special_id(role)?)),
            false => Ok(None),
        };
        let first = role("bos", flag("bos")?.unwrap_or(begins))?;
        let last = role("eos", flag("eos")?.unwrap_or(false))?;
        if first.is_none() && last.is_none() {
            return Ok(None);
        }
        let put_in = |(text, _): &(String, u32)| json!({"SpecialToken": {"id": text, "type_id": 0}});
        let around = |sequence: &str| {
            let text = json!({"Sequence": {"id": sequence, "type_id": 0}});
            let parts = first.iter().map(put_in).chain([text]).chain(last.iter().map(put_in));
            parts.collect::<Vec<_>>()
        };
        let tokens: Map<String, Value> = first
            .iter()
            .chain(&last)
            .map(|(text, id)| (text.clone(), json!({"id": text, "ids": [id], "tokens": [text]})))
            .collect();
        let pair = [around("A"), around("B")].concat();
        Ok(Some(json!({
            "type": "TemplateProcessing", "single": around("A"), "pair": pair, "special_tokens": tokens,
        })))
    }
}

/// Whether a token is a run of spaces that the converter has taken the marks out of.
fn is_spaces(text: &str, kind: i32) -> bool {
    kind == USER_DEFINED && !text.is_empty() && text.bytes().all(|byte| byte == b' ')
}

/// The words of a vocabulary with their ids.
fn words(vocabulary: &Vocabulary<'_>) -> impl Iterator<Item = (String, Value)> {
    vocabulary.iter().filter(|(.., kind)| *kind != UNUSED).map(|(id, text, _)| (text.to_owned(), json!(id)))
}
