//! What something depends on, hashed (FNV-1a, 128 bits): the same in every run and on every machine.
//!
//! Tells apart what differs by accident; nobody is kept from making two things that look the same.

use std::fmt;

use serde::{Deserialize, Serialize};

const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;

/// The hash of some parts. Its text is 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Digest(u128);

impl Digest {
    /// The hash of some parts, which differs where their bounds do.
    pub(crate) fn of(parts: impl IntoIterator<Item: AsRef<[u8]>>) -> Self {
        let add = |hash: u128, byte: &u8| (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        Self(parts.into_iter().fold(OFFSET, |hash, part| {
            let part = part.as_ref();
            let hash = (part.len() as u64).to_le_bytes().iter().fold(hash, add);
            part.iter().fold(hash, add)
        }))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u128::from_str_radix(&text, 16).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_same_everywhere_and_know_bounds() {
        assert_ne!(Digest::of(["ab", "c"]), Digest::of(["a", "bc"]));
        assert_eq!(Digest::of([""; 0]).to_string(), "6c62272e07bb014262b821756295c58d");
        let digest = Digest::of(["a"]);
        assert_eq!(Digest::try_from(digest.to_string()), Ok(digest));
        assert!(Digest::try_from("my notes".to_owned()).is_err());
    }
}
