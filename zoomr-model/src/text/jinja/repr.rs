//! Values as Python's `str` and `repr` write them.

use std::fmt::Write;

use minijinja::{Value, value::ValueKind};

/// A value as Jinja2 prints it: a text as it is, everything else as Python shows it.
pub(super) fn text(value: &Value) -> String {
    match value.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let mut out = String::new();
            write(&mut out, value);
            out
        }
    }
}

/// Python's `repr` of a value.
fn write(out: &mut String, value: &Value) {
    match value.kind() {
        ValueKind::Undefined => {}
        ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quoted(out, value.as_str().unwrap_or_default()),
        ValueKind::Seq | ValueKind::Iterable => list(out, value),
        ValueKind::Map => dict(out, value),
        _ => out.push_str(&value.to_string()),
    }
}

fn list(out: &mut String, value: &Value) {
    let (open, close) = if value.is_tuple() { ('(', ')') } else { ('[', ']') };
    out.push(open);
    for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        write(out, &item);
    }
    if value.is_tuple() && value.len() == Some(1) {
        out.push(',');
    }
    out.push(close);
}

fn dict(out: &mut String, value: &Value) {
    out.push('{');
    for (index, key) in value.try_iter().into_iter().flatten().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        write(out, &key);
        out.push_str(": ");
        write(out, &value.get_item(&key).unwrap_or_default());
    }
    out.push('}');
}

/// A number as Python writes it.
pub(super) fn number(value: &Value) -> String {
    match f64::try_from(value.clone()) {
        Ok(real) if !value.is_integer() => float(real),
        _ => value.to_string(),
    }
}

/// The shortest digits that mean this number; an exponent below 1e-4 and from 1e16 on.
fn float(real: f64) -> String {
    if !real.is_finite() {
        return if real.is_nan() {
            "nan"
        } else if real > 0.0 {
            "inf"
        } else {
            "-inf"
        }
        .to_owned();
    }
    let scientific = format!("{real:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..16).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    let plain = real.to_string();
    if plain.contains('.') { plain } else { plain + ".0" }
}

/// A text in quotes: single ones, unless that means more escapes.
fn quoted(out: &mut String, text: &str) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            c => escaped(out, u32::from(c)),
        }
    }
    out.push(quote);
}

fn escaped(out: &mut String, code: u32) {
    // Writing to a string cannot fail.
    let _ = match code {
        0..=0xFF => write!(out, "\\x{code:02x}"),
        0x100..=0xFFFF => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Whether Python shows a character as it is.
pub(super) fn is_printable(c: char) -> bool {
    // Rust escapes what it takes to be unprintable, and marks that combine, which Python prints.
    !c.is_control()
        && (c == ' ' || !c.is_whitespace())
        && (c.is_alphanumeric() || !c.escape_debug().to_string().starts_with("\\u"))
}
