//! Numbers with suffixes, ranges and names, as value parsers for clap.

#[cfg(feature = "train")]
use std::path::PathBuf;
use std::{num::NonZeroUsize, ops::RangeInclusive, str::FromStr};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use zoomr_model::weights::Precision;

use crate::threads::MOST as MOST_THREADS;

/// A parser for one of the core's named settings, which lists the names in help and in errors.
pub(crate) fn named<T>(all: &[T], name: fn(T) -> &'static str) -> impl TypedValueParser<Value = T>
where
    T: FromStr<Err: std::error::Error + Send + Sync> + Copy + Send + Sync + 'static,
{
    let names = all.iter().map(|value| name(*value));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

/// A parser for the formats of weights, in either case, which lists them in help and in errors.
pub(crate) fn precision(all: &[Precision]) -> impl TypedValueParser<Value = Precision> + use<> {
    let names = all.iter().map(|precision| PossibleValue::new(precision.name()));
    PossibleValuesParser::new(names).try_map(|name| name.parse::<Precision>())
}

/// A directory to write to, which cannot be standard output, as a file could.
#[cfg(feature = "train")]
pub(crate) fn directory(text: &str) -> Result<PathBuf, String> {
    match text {
        "-" => Err("give a directory: several files are written (`./-` is one of that name)".to_owned()),
        path => Ok(path.into()),
    }
}

/// A count of bytes: a number with a suffix `k`, `M`, `G` or `T` (powers of 1024), or with none.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    scaled(text, 1024).ok_or_else(|| "give a number of bytes, as in 65536, 512k, 64M or 2G".to_owned())
}

/// A count of tokens: a number with a suffix `k` or `M` (powers of 1024), or with none.
pub(crate) fn token_count(text: &str) -> Result<usize, String> {
    let count = scaled(text, 1024).and_then(|count| count.try_into().ok());
    count.ok_or_else(|| "give a number of tokens, as in 2000, 32k or 1M".to_owned())
}

/// Where random numbers start.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("give a whole number, 0 to {}; each gives a text of its own", u64::MAX))
}

/// Texts for one problem, at most: so many say more than anybody asks.
#[cfg(feature = "train")]
const MOST_SAMPLES: usize = 4096;

/// A number of texts for one problem.
#[cfg(feature = "train")]
pub(crate) fn sample_count(text: &str) -> Result<NonZeroUsize, String> {
    counted(text, "texts", MOST_SAMPLES)
}

/// Needles, at most: so many say more than anybody asks.
#[cfg(feature = "train")]
const MOST_NEEDLES: usize = 4096;

/// A number of needles.
#[cfg(feature = "train")]
pub(crate) fn needle_count(text: &str) -> Result<NonZeroUsize, String> {
    counted(text, "needles", MOST_NEEDLES)
}

/// A number of threads.
pub(crate) fn thread_count(text: &str) -> Result<NonZeroUsize, String> {
    counted(text, "threads", MOST_THREADS)
}

/// A number of things, of which there may be so many.
fn counted(text: &str, things: &str, most: usize) -> Result<NonZeroUsize, String> {
    let count = text.parse::<NonZeroUsize>().ok().filter(|count| count.get() <= most);
    count.ok_or_else(|| format!("give a number of {things}, 1 to {most}"))
}

/// A whole number with a suffix that multiplies it by powers of `thousand`.
fn scaled(text: &str, thousand: u64) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let power = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(thousand.checked_pow(power)?)
}

/// A range of token counts, `MIN..MAX`, both included; a single number is both.
pub(crate) fn token_range(text: &str) -> Result<RangeInclusive<usize>, String> {
    let (min, max) = text.split_once("..").unwrap_or((text, text));
    let number = |text: &str| {
        let text = text.trim().trim_start_matches('=');
        text.parse::<usize>().map_err(|_| format!("`{text}` is no number; give MIN..MAX, as in 16..96"))
    };
    Ok(number(min)?..=number(max)?)
}

/// Token ids, separated by commas or white space; brackets around them, as in JSON, do no harm.
pub(crate) fn token_ids(text: &str) -> Result<Vec<u32>, String> {
    let list = text.trim().trim_start_matches('[').trim_end_matches(']');
    let words = list.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty());
    let id = |word: &str| {
        word.parse::<u32>().map_err(|_| format!("`{word}` is no token id; give numbers, as in 5,17,3"))
    };
    words.map(id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_take_suffixes() {
        assert_eq!(bytes("100"), Ok(100));
        assert_eq!(bytes("3k"), Ok(3072));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        for bad in ["", "M", "1.5M", "-1", "1KB", "99999999999T"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn counts_of_tokens_take_suffixes() {
        assert_eq!(token_count("2000"), Ok(2000));
        assert_eq!(token_count("32k"), Ok(32_768));
        for bad in ["", "k", "-1", "many", "1e6"] {
            assert!(token_count(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_are_inclusive() {
        assert_eq!(token_range("16..96"), Ok(16..=96));
        assert_eq!(token_range("16..=96"), Ok(16..=96));
        assert_eq!(token_range("64"), Ok(64..=64));
        for bad in ["", "..", "1..", "a..b", "-1..2"] {
            assert!(token_range(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ids_come_as_lists() {
        assert_eq!(token_ids("5,17, 3\n"), Ok(vec![5, 17, 3]));
        assert_eq!(token_ids("[1, 2]"), Ok(vec![1, 2]));
        assert_eq!(token_ids(" "), Ok(vec![]));
        assert_eq!(token_ids("1,two"), Err("`two` is no token id; give numbers, as in 5,17,3".to_owned()));
        assert!(token_ids("-1").is_err() && token_ids("4294967296").is_err());
    }
}
