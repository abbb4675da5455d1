//! The words of all synthetic problems, and the tokenizer that makes one token of each.
//!
//! The order is fixed, as ids are: special tokens, then `answer`, then the words of the formats. A word that is
//! not here is no token at all: the tokenizer refuses it by name, instead of reading something else.

use std::{fs, ops::RangeInclusive, path::Path};

use tokenizers::{AddedToken, models::wordlevel::WordLevel, pre_tokenizers::whitespace::WhitespaceSplit};

use crate::{
    atomic_file::{AtomicFile, Existing},
    data::{DataError, example::Example, render},
    reasoning_format::Markers,
};

/// Fills up batches; never part of a text.
pub const PAD: &str = "<pad>";
/// Ends a text.
pub const EOS: &str = "<eos>";
/// Opens and closes a thought.
pub const THOUGHT: [&str; 2] = ["<thought>", "</thought>"];
/// Opens and closes a summary.
pub const SUMMARY: [&str; 2] = ["<summary>", "</summary>"];
/// Opens the answer: an ordinary word.
pub const ANSWER: &str = "answer";

/// The tokens that are no text, in the order of their ids.
pub const SPECIAL: [&str; 6] = [PAD, EOS, THOUGHT[0], THOUGHT[1], SUMMARY[0], SUMMARY[1]];

/// What the tokenizer is in.
pub const FILES: [&str; 2] = ["tokenizer.json", "tokenizer_config.json"];

/// Values are below this, so that sums of all kinds are sums of digits; it is a word itself, as the modulus of lagged
/// sums.
pub(super) const VALUES: usize = 10;
/// Labels `t0`, `t1` and so on: what values are called, each by one of its own.
pub(super) const LABELS: usize = 600;
/// Scalars of programs.
pub(super) const SCALARS: [&str; 4] = ["x", "y", "z", "w"];
/// Accounts.
pub(super) const ACCOUNTS: [&str; 26] = [
    "Ann", "Bob", "Cid", "Dan", "Eve", "Fay", "Gus", "Hal", "Ida", "Jim", "Kay", "Lou", "Max", "Ned", "Oda",
    "Pam", "Quin", "Roy", "Sue", "Tom", "Uma", "Val", "Wes", "Xia", "Yan", "Zoe",
];
/// Sums and differences of two digits, as they are before the wrap: `=-9` to `=18`.
const RESULTS: RangeInclusive<i32> = -9..=18;
/// Words of questions, signs, the arrow to what is worked out, and the array `a`.
const OTHERS: [&str; 24] = [
    "lagged", "sums", "mod", "rule", "find", "ledger", "pays", "ring", "until", "program", "loop", ":", ";",
    ".", "?", "=", "+", "-", "->", "a", "x", "y", "z", "w",
];

/// All tokens; the place of each is its id.
pub fn words() -> Vec<String> {
    let numbered = |letter: &'static str, numbers: std::ops::Range<usize>| {
        numbers.map(move |number| format!("{letter}{number}"))
    };
    let fixed = |words: &'static [&'static str]| words.iter().map(ToString::to_string);
    fixed(&SPECIAL)
        .chain(fixed(&[ANSWER]))
        .chain(fixed(&OTHERS))
        .chain(fixed(&ACCOUNTS))
        .chain(RESULTS.map(|result| format!("={result}")))
        .chain(numbered("", 0..VALUES + 1))
        .chain(numbered("t", 0..LABELS))
        .collect()
}

/// The markers of synthetic texts, with single spaces between words.
pub fn markers() -> Markers {
    let around = |[begin, end]: [&str; 2]| [format!(" {begin} "), format!(" {end}")];
    Markers {
        thought: around(THOUGHT),
        summary: around(SUMMARY),
        answer: format!(" {ANSWER} "),
        end: format!(" {EOS}"),
    }
}

/// Tokens of an example's whole text, question, markers and end included.
pub fn count(example: &Example) -> usize {
    let markers = markers();
    let pieces = render::pieces(example, &markers);
    pieces.iter().map(|piece| piece.text.split_ascii_whitespace().count()).sum()
}

/// Writes `tokenizer.json` and `tokenizer_config.json` into a directory; one that is there and the same stays.
///
/// # Errors
/// [`DataError`] where another one is there already and must not be replaced, or one cannot be written.
pub fn write_tokenizer(dir: &Path, existing: Existing) -> Result<(), DataError> {
    let [path, config_path] = FILES.map(|name| dir.join(name));
    let failed = |source: tokenizers::Error| DataError::Write {
        path: path.clone(),
        source: std::io::Error::other(source),
    };
    let config = serde_json::json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": EOS,
        "pad_token": PAD,
        "clean_up_tokenization_spaces": false,
    });
    let tokenizer = tokenizer().and_then(|tokenizer| tokenizer.to_string(true)).map_err(failed)?;
    let files = [(path.clone(), tokenizer), (config_path, format!("{config:#}"))];
    let files = files.map(|(path, text)| (path, text + "\n"));
    let missing =
        files.iter().filter(|(path, text)| !fs::read(path).is_ok_and(|found| found == text.as_bytes()));
    // Both are started before either is finished: a refusal leaves neither.
    let files = missing.map(|(path, text)| {
        let mut file = AtomicFile::create(path, existing)?;
        file.write(text.as_bytes())?;
        Ok(file)
    });
    let files: Vec<AtomicFile> = files.collect::<Result<_, DataError>>()?;
    Ok(files.into_iter().try_for_each(AtomicFile::finish)?)
}

/// Words between white space, one token each. Without a decoder, words are joined by single spaces.
fn tokenizer() -> Result<tokenizers::Tokenizer, tokenizers::Error> {
    let vocabulary = (0..).zip(words()).map(|(id, word)| (word, id));
    // The name of the unknown word's token must be given; as no such token exists, unknown words are errors.
    let model = WordLevel::builder().vocab(vocabulary.collect()).unk_token("<unk>".into()).build()?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(WhitespaceSplit));
    tokenizer.add_special_tokens(&SPECIAL.map(|token| AddedToken::from(token, true)));
    Ok(tokenizer)
}
