//! A JSON object whose keys are names: each may be there once.
//!
//! Parsers keep the last of two values of one key, or the first, without a word. Where names are tensors, words or
//! patterns, that is a model of its own, so that a second one is refused. (Fields of a configuration are read as
//! transformers reads them.)

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};

/// The entries of an object, in the order of the file.
#[derive(Clone, Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(String, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Entries<T> {
    /// A key that is there twice.
    fn repeated(&self) -> Option<&str> {
        let mut keys: Vec<&str> = self.0.iter().map(|(key, _)| key.as_str()).collect();
        keys.sort_unstable();
        keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0])
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(object: D) -> Result<Self, D::Error> {
        object.deserialize_map(Object(PhantomData))
    }
}

/// Reads [`Entries`].
struct Object<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = Entries<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Entries<T>, A::Error> {
        let mut entries = Entries::default();
        while let Some(entry) = object.next_entry()? {
            entries.0.push(entry);
        }
        match entries.repeated() {
            Some(key) => Err(A::Error::custom(format!("`{key}` is there twice"))),
            None => Ok(entries),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_there_once() {
        let read = |json| serde_json::from_str::<Entries<u32>>(json);
        let Entries(entries) = read(r#"{"b": 1, "a": 2, "c": 1}"#).unwrap();
        assert_eq!(entries, [("b".to_owned(), 1), ("a".to_owned(), 2), ("c".to_owned(), 1)]);
        // Also where the values are the same, and where the spelling is not.
        for twice in [r#"{"b": 1, "a": 1, "b": 1}"#, r#"{"b": 1, "\u0062": 2}"#] {
            let error = read(twice).unwrap_err().to_string();
            assert!(error.contains("`b` is there twice"), "{error}");
        }
    }
}
