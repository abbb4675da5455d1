//! What one rendering may use up.
//!
//! MiniJinja counts instructions (fuel) and nested calls, but one instruction can copy a text or walk a list of any
//! length. So whatever copies or walks draws on a budget first: one unit for each byte of text, [`ITEM`] for each
//! value that is put into a list, [`VISIT`] for each that is looked at. The budget grows with the conversation, which
//! is the user's own; a template of a few lines cannot make it grow.

use std::sync::atomic::{AtomicU64, Ordering};

use minijinja::{Error, ErrorKind, Value, value::ValueKind};

/// Instructions of one rendering: some hundred thousand turns through a loop.
pub(super) const FUEL: u64 = 5_000_000;
/// Nested calls, in MiniJinja's units: a macro takes 4 of them.
pub(super) const RECURSION: usize = 200;
/// Units that every rendering has.
const BASE: u64 = 96 << 20;
/// Units more for each byte of the conversation.
const PER_BYTE: u64 = 64;
/// Units of a value in a list: about the bytes that it takes.
pub(super) const ITEM: usize = 32;
/// Units of looking at a value.
const VISIT: usize = 8;
/// Bytes that are compared or searched for one unit.
const COMPARED: usize = 16;
/// The most lists and dicts in each other.
const DEPTH: usize = 64;

/// A limit that a template has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::text) enum Limit {
    /// Units are used up.
    #[error("it makes more text and lists than {} MiB and {PER_BYTE} times the conversation", BASE >> 20)]
    Made,
    /// Values nest too deep, or hold themselves.
    #[error("lists and dicts are more than {DEPTH} deep in each other")]
    Depth,
    /// Instructions are used up.
    #[error("it takes more than {FUEL} steps")]
    Steps,
    /// The template itself is too long.
    #[error("it is longer than {0} bytes")]
    Source(usize),
    /// One tag would nest too deep.
    #[error("one of its tags has more than {0} operators, or too many branches")]
    Tag(usize),
    /// A width, precision or count that no text needs.
    #[error("the width {0} is over {WIDTH}")]
    Width(u64),
}

/// The widest a value may be padded, in characters.
pub(super) const WIDTH: u64 = 10_000;

impl From<Limit> for Error {
    fn from(limit: Limit) -> Self {
        Self::new(ErrorKind::InvalidOperation, limit.to_string()).with_source(limit)
    }
}

/// How much a filter or test does to its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cost {
    /// Looks at what kind of values they are, or takes one out.
    Peek,
    /// Takes the items one by one; the characters of a text are made for that.
    Each,
    /// Puts each item into a new list.
    Items,
    /// Compares them with others, all through.
    Walk,
    /// Makes text of them, all through.
    Text,
}

/// The budget of one rendering.
#[derive(Debug)]
pub(super) struct Meter {
    left: AtomicU64,
}

impl Meter {
    /// A budget for a conversation of `given` bytes.
    pub(super) fn new(given: usize) -> Self {
        Self { left: AtomicU64::new(BASE + PER_BYTE.saturating_mul(given as u64)) }
    }

    /// Takes units out of the budget.
    ///
    /// # Errors
    /// [`Limit::Made`] where it holds fewer; from then on it is empty.
    pub(super) fn spend(&self, units: usize) -> Result<(), Error> {
        let before = self.left.load(Ordering::Relaxed);
        let left = before.checked_sub(units as u64);
        self.left.store(left.unwrap_or(0), Ordering::Relaxed);
        left.map(|_| ()).ok_or_else(|| Limit::Made.into())
    }

    /// Pays for what a function does to an argument.
    ///
    /// # Errors
    /// A [`Limit`].
    pub(super) fn pay(&self, cost: Cost, value: &Value) -> Result<(), Error> {
        match (cost, value.as_str()) {
            (Cost::Peek, text) => self.spend(VISIT + text.map_or(0, |text| text.len() / COMPARED)),
            (Cost::Each, None) => self.spend(VISIT),
            (Cost::Each | Cost::Items, Some(text)) => self.spend(text.len().saturating_mul(ITEM)),
            (Cost::Items, None) => self.spend(value.len().unwrap_or(1).saturating_mul(ITEM)),
            (Cost::Walk, _) => self.walk(value),
            (Cost::Text, _) => self.text(value),
        }
    }

    /// Pays for the text of a value, which may be all that a list holds.
    ///
    /// # Errors
    /// A [`Limit`].
    pub(super) fn text(&self, value: &Value) -> Result<(), Error> {
        self.weigh(value, 1, DEPTH)
    }

    /// Pays for comparing a value.
    ///
    /// # Errors
    /// A [`Limit`].
    pub(super) fn walk(&self, value: &Value) -> Result<(), Error> {
        self.weigh(value, COMPARED, DEPTH)
    }

    /// Pays for a new value; what would be computed when it is asked for, is computed now.
    ///
    /// # Errors
    /// A [`Limit`], or what computing it ends in.
    pub(super) fn made(&self, value: Value) -> Result<Value, Error> {
        match value.kind() {
            ValueKind::String => {
                self.spend(value.as_str().map_or(0, str::len))?;
                Ok(value)
            }
            ValueKind::Iterable => {
                let items = self.collect(&value)?;
                self.walk(&items)?;
                Ok(items)
            }
            _ => {
                self.walk(&value)?;
                Ok(value)
            }
        }
    }

    fn collect(&self, value: &Value) -> Result<Value, Error> {
        let mut items = Vec::new();
        for item in value.try_iter()? {
            self.spend(ITEM)?;
            items.push(valid(item)?);
        }
        Ok(Value::from(items))
    }

    fn weigh(&self, value: &Value, bytes_per_unit: usize, depth: usize) -> Result<(), Error> {
        self.spend(VISIT + value.as_str().map_or(0, |text| text.len() / bytes_per_unit))?;
        if !matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::Map) {
            return Ok(());
        }
        let depth = depth.checked_sub(1).ok_or(Limit::Depth)?;
        let map = value.kind() == ValueKind::Map;
        for item in value.try_iter()? {
            let item = valid(item)?;
            if map {
                self.weigh(&value.get_item(&item)?, bytes_per_unit, depth)?;
            }
            self.weigh(&item, bytes_per_unit, depth)?;
        }
        Ok(())
    }
}

/// The items of a list or tuple, or the keys of a dict.
///
/// # Errors
/// Where the value has none, or computing one fails.
pub(super) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    value.try_iter()?.map(valid).collect()
}

/// An item that may hold an error in its place.
fn valid(item: Value) -> Result<Value, Error> {
    match item.kind() {
        ValueKind::Invalid => Err(Error::new(ErrorKind::InvalidOperation, item.to_string())),
        _ => Ok(item),
    }
}
