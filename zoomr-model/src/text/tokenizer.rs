//! Text to token ids, and token ids to the bytes they stand for.
//!
//! A thin layer over the `tokenizers` crate: it reads `tokenizer.json` and the small files beside it, says
//! clearly what is wrong with them, and knows every token's bytes, so that text can be streamed and segmented
//! token by token. It is not a decoder of whole texts; [`stream`](super::stream) makes text of bytes.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::{
    checked::{self, Fault},
    pieces::Pieces,
    sidecar::{EndIds, FileError, read_if_there, read_optional},
    special::SpecialTokens,
};
use crate::gguf::{Gguf, GgufProblem};

/// The most characters of an unknown word that a message repeats.
const SHOWN: usize = 40;

/// What can be wrong with a model's tokenizer, or with a text given to it.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The directory has no `tokenizer.json`.
    #[error("no tokenizer.json in {dir}; fetch it with the model, or give token ids instead of text{hint}")]
    Missing {
        /// The model directory.
        dir: PathBuf,
        /// What to do about another tokenizer format that was found, or nothing.
        hint: &'static str,
    },
    /// A file cannot be read or is not valid JSON.
    #[error(transparent)]
    File(#[from] FileError),
    /// `tokenizer.json` is there, but no tokenizer can be made of it.
    #[error("{path} is not a usable tokenizer: {source}; the file is damaged or too new: fetch it again")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the `tokenizers` crate says.
        source: tokenizers::Error,
    },
    /// `tokenizer.json` asks for more than any text needs.
    #[error("{path} is refused: {reason}")]
    Refused {
        /// The file.
        path: PathBuf,
        /// What it asks for.
        reason: String,
    },
    /// The tokenizer's decoder gives single tokens no bytes of their own.
    #[error(
        "{path}: decoder {decoder} is not supported; known are ByteLevel, Metaspace, and sequences of \
         Replace, ByteFallback, Fuse and Strip; a WordLevel model needs none"
    )]
    Decoder {
        /// The file.
        path: PathBuf,
        /// The decoder's name, or `none`.
        decoder: String,
    },
    /// The tokenizer makes ids that the model has no embedding for.
    #[error(
        "the tokenizer in {dir} has ids up to {highest}, but the model's vocab_size is {vocab_size}: a text with a \
         token from there on cannot be run; are tokenizer and weights of one model?"
    )]
    Vocabulary {
        /// The model directory.
        dir: PathBuf,
        /// The tokenizer's highest id.
        highest: usize,
        /// The rows of the model's embedding.
        vocab_size: usize,
    },
    /// A word of the text is not in a vocabulary that has nothing for unknown words.
    #[error("the tokenizer in {dir} has no token for `{word}`, word {number} of the text")]
    UnknownWord {
        /// The model directory.
        dir: PathBuf,
        /// The word, cut if it is long.
        word: String,
        /// Which word of the text it is, counted from 1.
        number: usize,
    },
    /// The text cannot be tokenized.
    #[error("the tokenizer in {dir} cannot encode the text: {source}")]
    Encode {
        /// The model directory.
        dir: PathBuf,
        /// What the `tokenizers` crate says.
        source: tokenizers::Error,
    },
}

impl TokenizerError {
    /// Why a file is no tokenizer.
    pub(super) fn loading(path: &Path, fault: Fault) -> Self {
        let path = path.to_owned();
        match fault {
            Fault::Corrupt(source) => Self::Corrupt { path, source },
            Fault::Refused(reason) => Self::Refused { path, reason },
        }
    }

    /// The directory has no `tokenizer.json`.
    pub(crate) fn missing(dir: &Path) -> Self {
        let hint = if dir.join("tokenizer.model").exists() {
            ". It has a tokenizer.model; transformers' AutoTokenizer.save_pretrained makes a tokenizer.json of it"
        } else {
            ""
        };
        Self::Missing { dir: dir.to_owned(), hint }
    }
}

/// A model's tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    dir: PathBuf,
    inner: tokenizers::Tokenizer,
    pieces: Pieces,
    bos: Option<u32>,
    eos: Vec<u32>,
}

impl Tokenizer {
    /// Reads the tokenizer of a model directory, or of a GGUF file.
    ///
    /// # Errors
    /// [`TokenizerError`], naming the file, where `tokenizer.json` is missing or a file is of no use.
    pub fn from_dir(dir: &Path) -> Result<Self, TokenizerError> {
        if let Some(gguf) = Gguf::at(dir).map_err(FileError::from)? {
            return Self::from_gguf(&gguf);
        }
        let path = dir.join("tokenizer.json");
        let json = read_if_there(&path)?.ok_or_else(|| TokenizerError::missing(dir))?;
        let mut made = Self::made(dir, &path, json.as_bytes(), SpecialTokens::from_dir(dir)?)?;
        made.eos = end_ids(dir, made.eos.first().copied())?;
        Ok(made)
    }

    fn from_gguf(gguf: &Gguf) -> Result<Self, TokenizerError> {
        let path = gguf.path();
        let in_file = |problem: GgufProblem| FileError::from(problem.of(path));
        let json = gguf.tokenizer_json().map_err(in_file)?.ok_or_else(|| TokenizerError::missing(path))?;
        let special = SpecialTokens::from_gguf(gguf).map_err(in_file)?;
        let mut made = Self::made(path, path, json.to_string().as_bytes(), special)?;
        made.eos = gguf.end_ids().map_err(in_file)?;
        Ok(made)
    }

    /// The tokenizer that a `tokenizer.json` describes, with `special` tokens; it is in `path`, and messages say `dir`.
    fn made(dir: &Path, path: &Path, json: &[u8], special: SpecialTokens) -> Result<Self, TokenizerError> {
        let refused = |reason| TokenizerError::Refused { path: path.to_owned(), reason };
        let mut inner = checked::load(json).map_err(|fault| TokenizerError::loading(path, fault))?;
        let named = ["bos_token", "eos_token"].map(|name| special.text(name).map(str::to_owned));
        add_missing(&mut inner, special)
            .map_err(|reason| TokenizerError::Refused { path: dir.to_owned(), reason })?;
        checked::check_inserted(&inner).map_err(refused)?;
        let decoder = |decoder| TokenizerError::Decoder { path: path.to_owned(), decoder };
        let pieces = Pieces::new(&inner).map_err(decoder)?;
        let [bos, eos] = named.map(|token| inner.token_to_id(&token?));
        Ok(Self { dir: dir.to_owned(), inner, pieces, bos, eos: eos.into_iter().collect() })
    }

    /// The same tokenizer, which messages call that of `dir`: for a copy in a place that means nothing to anyone.
    pub fn known_as(self, dir: &Path) -> Self {
        Self { dir: dir.to_owned(), ..self }
    }

    /// Makes sure that the model has an embedding for every id that stands for text. Special tokens may have ids beyond
    /// them, for images, say: they matter only where a text has one.
    ///
    /// `vocab_size` is the number of rows of the model's embedding; it may well be larger (padding).
    ///
    /// # Errors
    /// [`TokenizerError::Vocabulary`] where it is smaller.
    pub fn check_vocabulary(&self, vocab_size: usize) -> Result<(), TokenizerError> {
        if (vocab_size..self.vocab_size()).all(|id| self.bytes_of(id as u32).is_empty()) {
            return Ok(());
        }
        Err(TokenizerError::Vocabulary { dir: self.dir.clone(), highest: self.vocab_size() - 1, vocab_size })
    }

    /// The ids of a text, with the special tokens that the model expects around it (often a first `<s>`).
    ///
    /// # Errors
    /// [`TokenizerError::UnknownWord`] or [`TokenizerError::Encode`] where the text cannot be tokenized.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(text, true)
    }

    /// The ids of a text and nothing else: for rendered chats, which spell out their special tokens, and for
    /// text that continues another.
    ///
    /// # Errors
    /// [`TokenizerError::UnknownWord`] or [`TokenizerError::Encode`] where the text cannot be tokenized.
    pub fn encode_verbatim(&self, text: &str) -> Result<Vec<u32>, TokenizerError> {
        self.encode_with(text, false)
    }

    fn encode_with(&self, text: &str, special: bool) -> Result<Vec<u32>, TokenizerError> {
        self.ids_of(text, special).map_err(|source| self.explain(text, source))
    }

    fn ids_of(&self, text: &str, special: bool) -> tokenizers::Result<Vec<u32>> {
        checked::caught(|| Ok(self.inner.encode_fast(text, special)?.get_ids().to_vec()))
    }

    /// Why a text has no ids: most often for one word, which the `tokenizers` crate does not name.
    fn explain(&self, text: &str, source: tokenizers::Error) -> TokenizerError {
        let dir = self.dir.clone();
        let unknown = |(_, word): &(usize, &str)| self.ids_of(word, false).is_err();
        match (1..).zip(text.split_whitespace()).find(unknown) {
            Some((number, word)) => {
                let word = word.chars().take(SHOWN).collect();
                TokenizerError::UnknownWord { dir, word, number }
            }
            None => TokenizerError::Encode { dir, source },
        }
    }

    /// What a token adds to a text: often part of a word, at times part of a character. Nothing for special
    /// tokens and for ids that no token has.
    pub fn bytes_of(&self, id: u32) -> &[u8] {
        if self.pieces.is_special(id) { &[] } else { self.pieces.bytes(id) }
    }

    /// As [`bytes_of`](Self::bytes_of), with special tokens spelled out (`<|im_end|>`).
    pub fn bytes_with_special(&self, id: u32) -> &[u8] {
        self.pieces.bytes(id)
    }

    /// The id of a token by its spelling in the vocabulary.
    pub fn id_of(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token that begins a text, where the model has one.
    pub fn bos(&self) -> Option<u32> {
        self.bos
    }

    /// The tokens that end a text, ascending: those of `generation_config.json` (or else `config.json`), and the
    /// tokenizer's own.
    pub fn eos(&self) -> &[u32] {
        &self.eos
    }

    /// What its `tokenizer.json` would say, with the tokens that other files have added.
    pub(crate) fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        serde_json::to_value(&self.inner)
    }

    /// One more than the highest id that this tokenizer makes.
    pub fn vocab_size(&self) -> usize {
        self.pieces.len()
    }
}

/// Gives a tokenizer the tokens that files beside it name and it does not have.
fn add_missing(tokenizer: &mut tokenizers::Tokenizer, special: SpecialTokens) -> Result<(), String> {
    let known = tokenizer.get_added_vocabulary().get_vocab();
    let mut missing = special.into_all();
    missing.retain(|token| !known.contains_key(&token.content));
    checked::check_words(missing.iter().map(|token| token.content.as_str()))?;
    tokenizer.add_tokens(&missing);
    Ok(())
}

fn end_ids(dir: &Path, own: Option<u32>) -> Result<Vec<u32>, FileError> {
    let mut ids = BTreeSet::from_iter(own);
    for file in ["generation_config.json", "config.json"] {
        if let Some(named) = read_optional::<EndIds>(&dir.join(file))?.and_then(EndIds::ids) {
            ids.extend(named);
            break;
        }
    }
    Ok(ids.into_iter().collect())
}
