//! Changes of a few bytes, as damage, slips and malice make them.

use proptest::{prelude::*, sample::Index};

/// A change of a few bytes.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Set(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
    /// A part again, at another place.
    Repeat(Index, usize, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let words = prop::sample::select(vec![
        "null",
        "{}",
        "[]",
        "\"\"",
        "-1",
        "1e999",
        "18446744073709551616",
        "4096",
        "{\"a\":",
        "[[",
        ",",
        "\\ud800",
        "\0",
        "{{",
        "%}",
        "\\frac{",
        "**",
        "é",
    ]);
    prop_oneof![
        3 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        3 => (any::<Index>(), words).prop_map(|(at, word)| Change::Insert(at, word.as_bytes().to_vec())),
        1 => (any::<Index>(), 1usize..20).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => any::<Index>().prop_map(Change::Cut),
        1 => (any::<Index>(), 1usize..90, any::<Index>()).prop_map(|(at, count, to)| Change::Repeat(at, count, to)),
    ]
}

/// One to three of them.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec(change(), 1..4)
}

/// Makes the changes.
pub(crate) fn apply(bytes: &mut Vec<u8>, changes: &[Change]) {
    for change in changes {
        if bytes.is_empty() {
            return;
        }
        let part = |at: &Index, count: usize| {
            at.index(bytes.len())..(at.index(bytes.len()) + count).min(bytes.len())
        };
        match change {
            Change::Set(at, byte) => *at.get_mut(bytes) = *byte,
            Change::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Change::Remove(at, count) => drop(bytes.drain(part(at, *count))),
            Change::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Change::Repeat(at, count, to) => {
                let again = bytes[part(at, *count)].to_vec();
                let to = to.index(bytes.len());
                bytes.splice(to..to, again);
            }
        }
    }
}
