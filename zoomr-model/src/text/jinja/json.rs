//! `tojson` as Hugging Face defines it: Python's `json.dumps`, with its arguments.

use std::fmt::Write;

use minijinja::{Error, Value, value::ValueKind};

use super::{
    arguments::Bound,
    failed,
    meter::{Limit, Meter, WIDTH, items},
    repr,
};

/// The filter's parameters.
pub(super) const PARAMETERS: [&str; 5] = ["value", "ensure_ascii", "indent", "separators", "sort_keys"];

/// The filter.
///
/// # Errors
/// Where a value cannot be written, or a limit is passed.
pub(super) fn tojson(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let value = args.value(0).ok_or_else(|| failed("tojson: the value is undefined"))?;
    meter.text(value)?;
    let indent = args.some(2).map(indentation).transpose()?;
    let separators = args.some(3).map(items).transpose()?;
    let separator = |place: usize, default: &str| {
        let given = separators.as_ref().and_then(|both| both.get(place)).and_then(Value::as_str);
        given.unwrap_or(default).to_owned()
    };
    let mut writer = Writer {
        meter,
        out: String::new(),
        item: separator(0, if indent.is_some() { "," } else { ", " }),
        key: separator(1, ": "),
        indent,
        ascii: args.flag(1),
        sorted: args.flag(4),
    };
    writer.value(value, 0)?;
    Ok(Value::from(writer.out))
}

/// What each level is indented by: a number of spaces, or a text.
fn indentation(value: &Value) -> Result<String, Error> {
    if let Some(text) = value.as_str() {
        return Ok(text.to_owned());
    }
    let width = i128::try_from(value.clone())?.max(0);
    match usize::try_from(width).ok().filter(|width| *width as u64 <= WIDTH) {
        Some(width) => Ok(" ".repeat(width)),
        None => Err(Limit::Width(u64::try_from(width).unwrap_or(u64::MAX)).into()),
    }
}

struct Writer<'a> {
    meter: &'a Meter,
    out: String,
    item: String,
    key: String,
    indent: Option<String>,
    ascii: bool,
    sorted: bool,
}

impl Writer<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.text(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable => self.list(value, depth)?,
            ValueKind::Map => self.map(value, depth)?,
            kind => return Err(failed(format!("tojson: a value of type {kind} cannot be written"))),
        }
        Ok(())
    }

    fn list(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let items = items(value)?;
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            self.begin(index, depth + 1)?;
            self.value(item, depth + 1)?;
        }
        self.end(items.is_empty(), depth)?;
        self.out.push(']');
        Ok(())
    }

    fn map(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        let mut keys = items(value)?;
        if self.sorted {
            keys.sort();
        }
        self.out.push('{');
        for (index, key) in keys.iter().enumerate() {
            self.begin(index, depth + 1)?;
            match key.kind() {
                ValueKind::String => self.text(key.as_str().unwrap_or_default()),
                _ => {
                    self.out.push('"');
                    self.value(key, depth)?;
                    self.out.push('"');
                }
            }
            self.out.push_str(&self.key);
            self.value(&value.get_item(key)?, depth + 1)?;
        }
        self.end(keys.is_empty(), depth)?;
        self.out.push('}');
        Ok(())
    }

    /// What stands before an item.
    fn begin(&mut self, index: usize, depth: usize) -> Result<(), Error> {
        if index > 0 {
            self.meter.spend(self.item.len() + self.key.len())?;
            self.out.push_str(&self.item);
        }
        self.line(depth)
    }

    /// What stands after the last item.
    fn end(&mut self, empty: bool, depth: usize) -> Result<(), Error> {
        if empty { Ok(()) } else { self.line(depth) }
    }

    fn line(&mut self, depth: usize) -> Result<(), Error> {
        if let Some(indent) = &self.indent {
            self.meter.spend(1 + indent.len() * depth)?;
            self.out.push('\n');
            self.out.extend(std::iter::repeat_n(indent.as_str(), depth));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                c if c < ' ' || (self.ascii && !c.is_ascii()) => {
                    self.escaped(c);
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    /// A character as one or two UTF-16 units.
    fn escaped(&mut self, c: char) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            // Writing to a string cannot fail.
            let _ = write!(self.out, "\\u{unit:04x}");
        }
    }
}

/// Python's numbers, and what it writes for those that JSON has not.
fn number(value: &Value) -> String {
    match repr::number(value).as_str() {
        "nan" => "NaN".to_owned(),
        "inf" => "Infinity".to_owned(),
        "-inf" => "-Infinity".to_owned(),
        number => number.to_owned(),
    }
}
