//! `tokenizer.json` before it is believed: what would make the `tokenizers` crate panic, run out of memory or never
//! end is refused here, by its name.
//!
//! Ids are bounded by the number of tokens, since tables are as long as the highest id. A text may grow in each step
//! of a normalizer, pre-tokenizer, post-processor or decoder, and steps multiply, so that the product is bounded. What
//! still panics is caught.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::Value;
use tokenizers::{ModelWrapper, Tokenizer};

use super::charsmap;
use crate::entries::Entries;

/// How often the number of tokens the highest id may be, and how much more.
const SPARSE: (u64, u64) = (4, 1 << 20);
/// How many times as long a text may get on its way through a tokenizer.
const GROWTH: f64 = 64.0;
/// The longest text that one step may put in, in bytes.
const INSERTED: usize = 1_000;
/// The most bytes that the words of added tokens may have together: the crate makes an automaton of them.
const ADDED: usize = 4 << 20;

/// Why a file is no tokenizer.
#[derive(Debug)]
pub(super) enum Fault {
    /// None can be made of it: what the parser or the `tokenizers` crate says.
    Corrupt(tokenizers::Error),
    /// It asks for more than any text needs.
    Refused(String),
}

/// A tokenizer of a file's bytes, without padding, truncation or dropout: a prompt arrives whole, and the same each time.
///
/// # Errors
/// [`Fault`].
pub(super) fn load(bytes: &[u8]) -> Result<Tokenizer, Fault> {
    let outline: Outline = serde_json::from_slice(bytes).map_err(|error| Fault::Corrupt(Box::new(error)))?;
    outline.check().map_err(Fault::Refused)?;
    let mut tokenizer = caught(|| Tokenizer::from_bytes(bytes)).map_err(Fault::Corrupt)?;
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(Fault::Corrupt)?;
    if let ModelWrapper::BPE(bpe) = tokenizer.get_model()
        && bpe.dropout.is_some()
    {
        let mut sure = bpe.clone();
        sure.dropout = None;
        tokenizer.with_model(ModelWrapper::BPE(sure));
    }
    Ok(tokenizer)
}

/// What a call into the crate returns; a panic is an error.
pub(super) fn caught<T>(call: impl FnOnce() -> tokenizers::Result<T>) -> tokenizers::Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|_| Err("its settings do not fit each other".into()))
}

/// Refuses a post-processor that puts in ids which no token has.
///
/// # Errors
/// What is wrong.
pub(super) fn check_inserted(tokenizer: &Tokenizer) -> Result<(), String> {
    // Where not even nothing can be encoded, every text will say so.
    let inserted = caught(|| Ok(tokenizer.encode_fast("", true)?.get_ids().to_vec())).unwrap_or_default();
    match inserted.into_iter().find(|id| tokenizer.id_to_token(*id).is_none()) {
        Some(id) => Err(format!("its post_processor puts in the id {id}, which no token has")),
        None => Ok(()),
    }
}

/// Refuses words that are too many or too long to be looked for in every text.
///
/// # Errors
/// What is wrong.
pub(super) fn check_words<'a>(mut words: impl Iterator<Item = &'a str>) -> Result<(), String> {
    let within = words.try_fold(0usize, |total, word| {
        let total = total.saturating_add(word.len());
        (total <= ADDED).then_some(total)
    });
    within.map(|_| ()).ok_or_else(|| format!("its added tokens have more than {ADDED} bytes"))
}

/// What is looked at of the file; the rest is the crate's to judge.
#[derive(Deserialize)]
struct Outline {
    #[serde(default)]
    added_tokens: Vec<Added>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: Model,
}

#[derive(Deserialize)]
struct Added {
    id: u64,
    content: String,
}

#[derive(Deserialize)]
struct Model {
    #[serde(default)]
    vocab: Vocabulary,
}

/// The words of a model by id, where the file gives ids; else how many there are.
#[derive(Default)]
struct Vocabulary {
    count: u64,
    words: Vec<(u64, String)>,
}

impl Outline {
    fn check(mut self) -> Result<(), String> {
        self.check_ids()?;
        check_words(self.added_tokens.iter().map(|token| token.content.as_str()))?;
        let into_the_model = [&self.normalizer, &self.pre_tokenizer, &self.post_processor];
        let encoded = into_the_model.into_iter().flatten().map(growth).product::<Result<f64, String>>()?;
        let decoded = self.decoder.as_ref().map_or(Ok(1.0), growth)?;
        if encoded > GROWTH || decoded > GROWTH {
            let way = if encoded > GROWTH { "normalizer and its fellows make" } else { "decoder makes" };
            return Err(format!("its {way} a text more than {GROWTH} times as long"));
        }
        Ok(())
    }

    fn check_ids(&mut self) -> Result<(), String> {
        let Vocabulary { count, words } = &mut self.model.vocab;
        let most = SPARSE.0 * (*count + self.added_tokens.len() as u64) + SPARSE.1;
        let added = self.added_tokens.iter().map(|token| (token.id, &token.content));
        let mut all = words.iter().map(|(id, word)| (*id, word)).chain(added);
        if let Some((id, word)) = all.find(|(id, _)| *id >= most) {
            let count = *count;
            return Err(format!("{word:?} has the id {id}, far beyond its {count} tokens"));
        }
        words.sort_unstable();
        match words.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some([(id, one), (_, other)]) => Err(format!(
                "{one:?} and {other:?} both have the id {id}: it cannot be known which one it stands for"
            )),
            _ => Ok(()),
        }
    }
}

/// How many times as long a step can make a text, at most.
fn growth(step: &Value) -> Result<f64, String> {
    for field in ["content", "prepend", "replacement", "prefix", "suffix"] {
        if step[field].as_str().is_some_and(|text| text.len() > INSERTED) {
            return Err(format!("a step's {field} has more than {INSERTED} bytes"));
        }
    }
    match step["type"].as_str() {
        Some("Sequence") => {
            let lists = ["normalizers", "pretokenizers", "processors", "decoders"];
            let steps = lists.iter().filter_map(|list| step[*list].as_array()).flatten();
            steps.map(growth).product()
        }
        Some("Replace") => replaced(step),
        // Each byte becomes a character of one or two.
        Some("ByteLevel") => Ok(2.0),
        Some("Precompiled") => {
            charsmap::check(step["precompiled_charsmap"].as_str().unwrap_or_default()).map(|()| 1.0)
        }
        Some("TemplateProcessing") => {
            let pieces = step["single"].as_array().map_or(&[][..], Vec::as_slice);
            // The crate would panic at the first text.
            let mut put_in = pieces.iter().filter_map(|piece| piece["SpecialToken"]["id"].as_str());
            if let Some(name) = put_in.find(|name| step["special_tokens"].get(name).is_none()) {
                return Err(format!("its post_processor puts in {name:?}, which its special_tokens lack"));
            }
            let times = pieces.iter().filter(|piece| piece.get("Sequence").is_some()).count();
            Ok(times.max(1) as f64)
        }
        _ => Ok(1.0),
    }
}

fn replaced(step: &Value) -> Result<f64, String> {
    let inserted = step["content"].as_str().unwrap_or_default().chars().count();
    let pattern = &step["pattern"];
    let taken = pattern["String"].as_str().map_or(1, |text| text.chars().count());
    let empty = pattern["String"].as_str().or_else(|| pattern["Regex"].as_str()).is_some_and(str::is_empty);
    if empty {
        return Err("a Replace has an empty pattern".to_owned());
    }
    Ok((inserted as f64 / taken as f64).max(1.0))
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EitherForm)
    }
}

/// Reads a vocabulary in either form: an object of ids, or a list of words with scores, whose places are their ids.
struct EitherForm;

impl<'de> Visitor<'de> for EitherForm {
    type Value = Vocabulary;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a vocabulary: words with ids, or a list of words with scores")
    }

    fn visit_map<M: MapAccess<'de>>(self, map: M) -> Result<Vocabulary, M::Error> {
        let Entries(words) = Entries::deserialize(MapAccessDeserializer::new(map))?;
        let words: Vec<(u64, String)> = words.into_iter().map(|(word, id)| (id, word)).collect();
        Ok(Vocabulary { count: words.len() as u64, words })
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<Vocabulary, S::Error> {
        let mut count = 0;
        while list.next_element::<IgnoredAny>()?.is_some() {
            count += 1;
        }
        Ok(Vocabulary { count, words: Vec::new() })
    }
}
