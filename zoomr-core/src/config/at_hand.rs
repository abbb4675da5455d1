//! How much is at hand for blocks to be chosen from.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How much of a sequence's passages is at hand: resident, so that blocks of it may be chosen.
///
/// Written as `all`, `quarter` or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "WrittenAtHand", into = "WrittenAtHand")]
pub enum AtHand {
    /// Everything: right where there is no colder tier that costs less.
    #[default]
    All,
    /// 1,024 tokens, or a quarter of the sequence's where that is more.
    Quarter,
    /// So many tokens.
    Tokens(usize),
}

impl AtHand {
    /// Tokens at hand of a sequence of so many.
    pub fn of(self, tokens: usize) -> usize {
        match self {
            Self::All => usize::MAX,
            Self::Quarter => (tokens / 4).max(1024),
            Self::Tokens(at_hand) => at_hand,
        }
    }
}

impl FromStr for AtHand {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let reason = || format!("`{text}` is neither `all`, `quarter` nor a number of tokens");
        match text {
            "all" => Ok(Self::All),
            "quarter" => Ok(Self::Quarter),
            text => text
                .parse()
                .map(Self::Tokens)
                .map_err(|_| Error::Setting { name: "at-hand", reason: reason() }),
        }
    }
}

/// [`AtHand`] as it is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "neither `all`, `quarter` nor a number of tokens")]
enum WrittenAtHand {
    Word(AtHandWord),
    Tokens(usize),
}

/// What [`AtHand`] is written as, where that is no number.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AtHandWord {
    All,
    Quarter,
}

impl From<WrittenAtHand> for AtHand {
    fn from(written: WrittenAtHand) -> Self {
        match written {
            WrittenAtHand::Word(AtHandWord::All) => Self::All,
            WrittenAtHand::Word(AtHandWord::Quarter) => Self::Quarter,
            WrittenAtHand::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

impl From<AtHand> for WrittenAtHand {
    fn from(at_hand: AtHand) -> Self {
        match at_hand {
            AtHand::All => Self::Word(AtHandWord::All),
            AtHand::Quarter => Self::Word(AtHandWord::Quarter),
            AtHand::Tokens(tokens) => Self::Tokens(tokens),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_word_or_a_number() {
        for (text, at_hand) in
            [("all", AtHand::All), ("quarter", AtHand::Quarter), ("900", AtHand::Tokens(900))]
        {
            assert_eq!(text.parse::<AtHand>().unwrap(), at_hand);
        }
        let error = "half".parse::<AtHand>().unwrap_err().to_string();
        assert!(error.contains("at-hand") && error.contains("half"), "{error}");
        assert_eq!([2_000, 8_000].map(|tokens| AtHand::Quarter.of(tokens)), [1_024, 2_000]);
    }
}
