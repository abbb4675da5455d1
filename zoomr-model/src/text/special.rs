//! A model's special and added tokens, which several small files name, merged as transformers 5 merges them.
//!
//! `tokenizer_config.json` comes first. Where it lists `added_tokens_decoder`, it is complete. Else the older files
//! count too: what `special_tokens_map.json` names goes before the configuration, and `added_tokens.json` adds words.
//! What a tokenizer does not have yet, it gets, in the order of the ids in these files; the ids themselves follow from
//! the tokenizer.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;
use serde_json::Value;
use tokenizers::AddedToken;

use super::sidecar::{FileError, read_optional};
use crate::gguf::{Gguf, GgufProblem};

/// The names that transformers has for special tokens.
const NAMES: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

/// The tokens that the files beside a tokenizer name.
#[derive(Debug, Default)]
pub(super) struct SpecialTokens {
    /// By name: `bos_token` and so on, and those that only this model has (`image_token`).
    named: BTreeMap<String, AddedToken>,
    /// Special, without a name.
    extra: Vec<AddedToken>,
    /// Special or not, in the order of their ids.
    added: Vec<AddedToken>,
}

/// A token as the files spell it.
#[derive(Clone, Debug, Deserialize)]
struct Spelled {
    content: String,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    normalized: Option<bool>,
    #[serde(default)]
    special: bool,
}

type Fields = BTreeMap<String, Value>;

impl SpecialTokens {
    /// Those of a model directory, or of a GGUF file.
    ///
    /// # Errors
    /// [`FileError`], where a file is there and of no use.
    pub(super) fn from_dir(dir: &Path) -> Result<Self, FileError> {
        if let Some(gguf) = Gguf::at(dir)? {
            return Ok(Self::from_gguf(&gguf).map_err(|problem| problem.of(dir))?);
        }
        let path = dir.join("tokenizer_config.json");
        let mut config: Fields = read_optional(&path)?.unwrap_or_default();
        let decoder = config.remove("added_tokens_decoder").filter(|decoder| !decoder.is_null());
        let mut tokens = Self::default();
        tokens.take(config, &path)?;
        match decoder {
            Some(decoder) => {
                tokens.added = listed(decoder).map_err(|source| FileError::parsing(&path, source))?;
            }
            None => {
                let path = dir.join("special_tokens_map.json");
                tokens.take(read_optional(&path)?.unwrap_or_default(), &path)?;
                let words: BTreeMap<String, u64> =
                    read_optional(&dir.join("added_tokens.json"))?.unwrap_or_default();
                tokens.added = tokens.words(words);
            }
        }
        Ok(tokens)
    }

    /// The tokens that metadata names by what they are for.
    pub(super) fn from_gguf(gguf: &Gguf) -> Result<Self, GgufProblem> {
        let mut named = BTreeMap::new();
        for (name, role) in
            [("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding")]
        {
            let text = gguf.special_text(role)?.filter(|text| !text.is_empty());
            named.extend(text.map(|text| (name.to_owned(), AddedToken::from(text, true))));
        }
        Ok(Self { named, ..Self::default() })
    }

    /// Takes the tokens that fields name; later ones go before earlier ones.
    fn take(&mut self, fields: Fields, path: &Path) -> Result<(), FileError> {
        for (name, value) in fields {
            let is_standard = NAMES.contains(&name.as_str());
            if matches!(name.as_str(), "additional_special_tokens" | "extra_special_tokens") {
                self.take_extra(value);
            } else if is_standard && value.is_null() {
                self.named.remove(&name);
            } else if let Some(token) = token(&value) {
                // `add_bos_token` and the like hold no token.
                if name.ends_with("_token") {
                    self.named.insert(name, token);
                }
            } else if is_standard {
                let message = format!("{name} is neither a text nor an object with `content`");
                return Err(FileError::parsing(path, serde::de::Error::custom(message)));
            }
        }
        Ok(())
    }

    fn take_extra(&mut self, value: Value) {
        match value {
            Value::Array(list) => self.extra.extend(list.iter().filter_map(token)),
            Value::Object(named) => {
                self.named
                    .extend(named.iter().filter_map(|(name, value)| Some((name.clone(), token(value)?))));
            }
            _ => {}
        }
    }

    /// The words of `added_tokens.json`: special where another file says so, and else found in normalized text.
    fn words(&self, words: BTreeMap<String, u64>) -> Vec<AddedToken> {
        let mut words: Vec<(u64, String)> = words.into_iter().map(|(word, id)| (id, word)).collect();
        words.sort_unstable();
        let is_special =
            |word: &String| self.named.values().chain(&self.extra).any(|token| token.content == *word);
        let token = |(_, word): (u64, String)| {
            let special = is_special(&word);
            AddedToken::from(word, special).normalized(!special)
        };
        words.into_iter().map(token).collect()
    }

    /// The text of a token by name.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(|token| token.content.as_str())
    }

    /// The texts of the tokens that have names, as templates are given them.
    pub(super) fn into_texts(self) -> Vec<(String, String)> {
        self.named.into_iter().map(|(name, token)| (name, token.content)).collect()
    }

    /// All tokens that a tokenizer should know, in the order in which it gets those that it does not.
    pub(super) fn into_all(self) -> Vec<AddedToken> {
        let mut all = self.added;
        let standard = NAMES.into_iter().filter_map(|name| self.named.get(name));
        let own =
            self.named.iter().filter(|(name, _)| !NAMES.contains(&name.as_str())).map(|(_, token)| token);
        let special = standard.chain(own).chain(&self.extra);
        for token in special {
            match all.iter_mut().find(|known| known.content == token.content) {
                Some(known) => known.special = true,
                None => all.push(token.clone()),
            }
        }
        all
    }
}

/// A special token: its text, or an object that holds its text.
fn token(value: &Value) -> Option<AddedToken> {
    match value {
        Value::String(text) => Some(AddedToken::from(text, true)),
        Value::Object(_) => Spelled::deserialize(value).ok().map(|spelled| spelled.token(true)),
        _ => None,
    }
}

/// The tokens of `added_tokens_decoder`, by id.
fn listed(decoder: Value) -> Result<Vec<AddedToken>, serde_json::Error> {
    let by_id: BTreeMap<String, Spelled> = serde_json::from_value(decoder)?;
    let mut listed = Vec::new();
    for (id, spelled) in by_id {
        let id: u64 = id
            .parse()
            .map_err(|_| serde::de::Error::custom(format!("added_tokens_decoder: {id:?} is not an id")))?;
        let special = spelled.special;
        listed.push((id, spelled.token(special)));
    }
    listed.sort_by_key(|(id, _)| *id);
    Ok(listed.into_iter().map(|(_, token)| token).collect())
}

impl Spelled {
    fn token(self, special: bool) -> AddedToken {
        AddedToken::from(self.content, special)
            .single_word(self.single_word)
            .lstrip(self.lstrip)
            .rstrip(self.rstrip)
            .normalized(self.normalized.unwrap_or(!special))
    }
}
