//! The metadata of a file: named values of thirteen types, of which arrays have one level.
//!
//! Arrays stay as the file has them, bytes or one text with the places where its parts end, so that a header takes little
//! more memory than it has bytes.

use std::{collections::BTreeMap, io::Read};

use super::{error::GgufProblem, reader::Reader};

/// The longest name of a value, in bytes; the format's own limit.
const LONGEST_NAME: usize = 65_535;

/// The type of one number, or of all numbers of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    U64,
    I64,
    F64,
}

/// What stands for the types that are no numbers.
pub(super) const TEXT: u32 = 8;
pub(super) const ARRAY: u32 = 9;

impl Kind {
    const ALL: [(u32, Self); 11] = [
        (0, Self::U8),
        (1, Self::I8),
        (2, Self::U16),
        (3, Self::I16),
        (4, Self::U32),
        (5, Self::I32),
        (6, Self::F32),
        (7, Self::Bool),
        (10, Self::U64),
        (11, Self::I64),
        (12, Self::F64),
    ];

    fn of(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find_map(|(known, kind)| (known == code).then_some(kind))
    }

    /// The number that stands for it in a file.
    pub(super) fn code(self) -> u32 {
        Self::ALL.into_iter().find_map(|(code, kind)| (kind == self).then_some(code)).unwrap_or_default()
    }

    /// Bytes of a number.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The number in `bytes`, as many as it has.
    fn number(self, bytes: &[u8]) -> Number {
        let mut wide = [0; 8];
        wide[..bytes.len()].copy_from_slice(bytes);
        let bits = u64::from_le_bytes(wide);
        match self {
            Self::U8 | Self::U16 | Self::U32 | Self::U64 => Number::Whole(bits.into()),
            Self::I8 => Number::Whole((bits as i8).into()),
            Self::I16 => Number::Whole((bits as i16).into()),
            Self::I32 => Number::Whole((bits as i32).into()),
            Self::I64 => Number::Whole((bits as i64).into()),
            Self::Bool => Number::Flag(bits != 0),
            Self::F32 => Number::Real(as_written(f32::from_bits(bits as u32))),
            Self::F64 => Number::Real(f64::from_bits(bits)),
        }
    }
}

/// The shortest decimal that is this number in single precision: what a converter was given, 0.00001 and not
/// 0.0000099999997.
fn as_written(value: f32) -> f64 {
    value.to_string().parse().unwrap_or(f64::from(value))
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i128),
    Real(f64),
    Flag(bool),
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Number(Kind, Number),
    Text(String),
    Numbers(Kind, Vec<u8>),
    Texts(Texts),
}

/// Texts, back to back.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Texts {
    all: String,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Texts {
    pub(super) fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).map(|(begin, end)| &self.all[begin..*end])
    }

    pub(crate) fn get(&self, at: usize) -> Option<&str> {
        let begin = if at == 0 { 0 } else { *self.ends.get(at - 1)? };
        Some(&self.all[begin..*self.ends.get(at)?])
    }
}

impl<T: AsRef<str>> FromIterator<T> for Texts {
    fn from_iter<I: IntoIterator<Item = T>>(texts: I) -> Self {
        let mut all = Self::default();
        texts.into_iter().for_each(|text| all.push(text.as_ref()));
        all
    }
}

/// The metadata of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    /// Reads `count` values.
    pub(super) fn read<R: Read>(reader: &mut Reader<R>, count: u64) -> Result<Self, GgufProblem> {
        // A name, a type and a value take at least so many bytes.
        reader.check("values of metadata", count, 8 + 4 + 1)?;
        let mut values: BTreeMap<String, Value> = BTreeMap::new();
        for _ in 0..count {
            let name = reader.text()?;
            if name.len() > LONGEST_NAME {
                return Err(GgufProblem::damaged(format!("a name in its metadata has {} bytes", name.len())));
            }
            let value = value(reader, &name)?;
            if values.contains_key(&name) {
                return Err(GgufProblem::field(&name, "is there twice"));
            }
            values.insert(name, value);
        }
        Ok(Self { values })
    }

    /// All of them, by name.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = (&String, &Value)> {
        self.values.iter()
    }

    fn put(&mut self, key: String, value: Value) {
        self.values.insert(key, value);
    }

    pub(super) fn put_text(&mut self, key: impl Into<String>, text: impl Into<String>) {
        self.put(key.into(), Value::Text(text.into()));
    }

    pub(super) fn put_u32(&mut self, key: impl Into<String>, number: u32) {
        self.put(key.into(), Value::Number(Kind::U32, Number::Whole(number.into())));
    }

    pub(super) fn put_f32(&mut self, key: impl Into<String>, number: f64) {
        self.put(key.into(), Value::Number(Kind::F32, Number::Real(number)));
    }

    pub(super) fn put_flag(&mut self, key: impl Into<String>, flag: bool) {
        self.put(key.into(), Value::Number(Kind::Bool, Number::Flag(flag)));
    }

    pub(super) fn put_texts<T: AsRef<str>>(&mut self, key: &str, texts: impl IntoIterator<Item = T>) {
        self.put(key.to_owned(), Value::Texts(texts.into_iter().collect()));
    }

    pub(super) fn put_i32s(&mut self, key: &str, numbers: impl IntoIterator<Item = i32>) {
        let bytes = numbers.into_iter().flat_map(i32::to_le_bytes).collect();
        self.put(key.to_owned(), Value::Numbers(Kind::I32, bytes));
    }

    pub(super) fn put_f32s(&mut self, key: &str, numbers: impl IntoIterator<Item = f32>) {
        let bytes = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
        self.put(key.to_owned(), Value::Numbers(Kind::F32, bytes));
    }

    pub(super) fn put_flags(&mut self, key: String, flags: impl IntoIterator<Item = bool>) {
        self.put(key, Value::Numbers(Kind::Bool, flags.into_iter().map(u8::from).collect()));
    }

    /// A text, if there is such a value.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn text(&self, key: &str) -> Result<Option<&str>, GgufProblem> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(GgufProblem::field(key, "is no text")),
        }
    }

    /// Texts, if there is such a value.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn texts(&self, key: &str) -> Result<Option<&Texts>, GgufProblem> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Texts(texts)) => Ok(Some(texts)),
            Some(_) => Err(GgufProblem::field(key, "is no list of texts")),
        }
    }

    /// Numbers, if there is such a value; one number is a list of one.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn numbers(&self, key: &str) -> Result<Option<Vec<Number>>, GgufProblem> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Number(_, number)) => Ok(Some(vec![*number])),
            Some(Value::Numbers(kind, bytes)) => {
                Ok(Some(bytes.chunks_exact(kind.bytes()).map(|bytes| kind.number(bytes)).collect()))
            }
            Some(_) => Err(GgufProblem::field(key, "is neither a number nor a list of numbers")),
        }
    }

    /// One number, if there is such a value; a list in which all are the same will do.
    fn number(&self, key: &str) -> Result<Option<Number>, GgufProblem> {
        let Some(numbers) = self.numbers(key)? else { return Ok(None) };
        match numbers.split_first() {
            Some((first, others)) if others.iter().all(|other| other == first) => Ok(Some(*first)),
            _ => Err(GgufProblem::field(
                key,
                "differs from layer to layer; zoomr runs models where it is one number",
            )),
        }
    }

    /// A whole number that is not negative, if there is such a value.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn count(&self, key: &str) -> Result<Option<u64>, GgufProblem> {
        match self.number(key)? {
            None => Ok(None),
            Some(Number::Whole(number)) => u64::try_from(number)
                .map(Some)
                .map_err(|_| GgufProblem::field(key, format!("is {number}; it must not be negative"))),
            Some(_) => Err(GgufProblem::field(key, "is no whole number")),
        }
    }

    /// A number, if there is such a value.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn real(&self, key: &str) -> Result<Option<f64>, GgufProblem> {
        match self.number(key)? {
            None => Ok(None),
            Some(Number::Real(number)) => Ok(Some(number)),
            Some(Number::Whole(number)) => Ok(Some(number as f64)),
            Some(Number::Flag(_)) => Err(GgufProblem::field(key, "is no number")),
        }
    }

    /// A truth value, if there is such a value.
    ///
    /// # Errors
    /// Where it is something else.
    pub(super) fn flag(&self, key: &str) -> Result<Option<bool>, GgufProblem> {
        match self.values.get(key) {
            None => Ok(None),
            Some(Value::Number(_, Number::Flag(flag))) => Ok(Some(*flag)),
            Some(_) => Err(GgufProblem::field(key, "is neither true nor false")),
        }
    }

    /// Names that begin with `prefix`, without it, and their texts.
    pub(super) fn texts_below<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.values.iter().filter_map(move |(name, value)| match value {
            Value::Text(text) => Some((name.strip_prefix(prefix)?, text.as_str())),
            _ => None,
        })
    }
}

fn value<R: Read>(reader: &mut Reader<R>, name: &str) -> Result<Value, GgufProblem> {
    let unknown =
        |code| GgufProblem::field(name, format!("has the type {code}, which the format does not have"));
    match reader.u32()? {
        TEXT => Ok(Value::Text(reader.text()?)),
        ARRAY => {
            let (code, count) = (reader.u32()?, reader.u64()?);
            match code {
                TEXT => texts(reader, count),
                ARRAY => {
                    Err(GgufProblem::field(name, "is a list of lists, which no reader of the format takes"))
                }
                _ => {
                    let kind = Kind::of(code).ok_or_else(|| unknown(code))?;
                    reader.check("numbers", count, kind.bytes() as u64)?;
                    Ok(Value::Numbers(kind, reader.bytes(count * kind.bytes() as u64)?))
                }
            }
        }
        code => {
            let kind = Kind::of(code).ok_or_else(|| unknown(code))?;
            Ok(Value::Number(kind, kind.number(&reader.bytes(kind.bytes() as u64)?)))
        }
    }
}

fn texts<R: Read>(reader: &mut Reader<R>, count: u64) -> Result<Value, GgufProblem> {
    // Each has at least its length.
    reader.check("texts", count, 8)?;
    let mut texts = Texts::default();
    for _ in 0..count {
        texts.push(&reader.text()?);
    }
    Ok(Value::Texts(texts))
}
