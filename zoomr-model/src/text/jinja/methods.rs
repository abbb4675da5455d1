//! Methods of Python's strings, lists and dicts.
//!
//! Those that change a list or dict are not there: Hugging Face runs templates in a sandbox that forbids them.

use minijinja::{
    Error, ErrorKind, Value,
    value::{Tuple, ValueKind},
};

use super::{
    arguments::{Bound, bind, split as split_arguments},
    characters, failed,
    formats::braces,
    meter::{Cost, ITEM, Meter, items},
    repr,
    texts::{Side, lines, padded, replaced},
};

/// Calls a method that the value itself does not have.
///
/// # Errors
/// Where there is no such method, its arguments are wrong, or a limit is passed.
pub(super) fn call(meter: &Meter, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    for arg in args {
        meter.pay(if method == "join" { Cost::Text } else { Cost::Walk }, arg)?;
    }
    let outcome = match (value.kind(), value.as_str()) {
        (_, Some(text)) => string(meter, text, method, args),
        (ValueKind::Map, _) => dict(value, method, args),
        (ValueKind::Seq | ValueKind::Iterable, _) => list(meter, value, method, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    };
    meter.made(outcome?)
}

fn string(meter: &Meter, text: &str, method: &str, args: &[Value]) -> Result<Value, Error> {
    meter.spend(text.len())?;
    if let Some(answer) = characters::test(text, method) {
        bind(args, &[])?;
        return Ok(Value::from(answer));
    }
    if let Some(changed) = characters::change(text, method) {
        bind(args, &[])?;
        return Ok(Value::from(changed));
    }
    match method {
        "split" | "rsplit" => split(meter, text, &bind(args, &["sep", "maxsplit"])?, method == "rsplit"),
        "partition" | "rpartition" => partition(text, &bind(args, &["sep"])?, method == "rpartition"),
        "splitlines" => {
            let lines = lines(text, bind(args, &["keepends"])?.flag(0));
            meter.spend(lines.len() * ITEM)?;
            Ok(lines.into_iter().map(Value::from).collect())
        }
        "strip" | "lstrip" | "rstrip" => strip(text, &bind(args, &["chars"])?, method),
        "removeprefix" => {
            let bound = bind(args, &["prefix"])?;
            Ok(Value::from(text.strip_prefix(bound.required(0)?).unwrap_or(text)))
        }
        "removesuffix" => {
            let bound = bind(args, &["suffix"])?;
            Ok(Value::from(text.strip_suffix(bound.required(0)?).unwrap_or(text)))
        }
        "replace" => {
            let bound = bind(args, &["old", "new", "count"])?;
            replaced(meter, text, bound.required(0)?, bound.required(1)?, bound.int(2)?)
        }
        "startswith" | "endswith" => affix(text, &bind(args, &["affix", "start", "end"])?, method),
        "find" | "rfind" | "index" | "rindex" | "count" => {
            search(text, &bind(args, &["sub", "start", "end"])?, method)
        }
        "join" => join(meter, text, &bind(args, &["iterable"])?),
        "format" => braces(meter, text, args).map(Value::from),
        "zfill" | "center" | "ljust" | "rjust" => {
            pad(meter, text, &bind(args, &["width", "fillchar"])?, method)
        }
        "expandtabs" => expand_tabs(meter, text, &bind(args, &["tabsize"])?),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn split(meter: &Meter, text: &str, bound: &Bound, from_the_end: bool) -> Result<Value, Error> {
    let most = bound.int(1)?.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX - 1);
    let Some(separator) = bound.text(0)? else { return words(meter, text, most, from_the_end) };
    if separator.is_empty() {
        return Err(failed("split: the separator is empty"));
    }
    meter.spend((text.matches(separator).take(most).count() + 1) * ITEM)?;
    if !from_the_end {
        return Ok(text.splitn(most + 1, separator).map(Value::from).collect());
    }
    let mut parts: Vec<Value> = text.rsplitn(most + 1, separator).map(Value::from).collect();
    parts.reverse();
    Ok(Value::from(parts))
}

/// Words between whitespace, of which the last (or first) holds the rest where there are more than `most + 1`.
fn words(meter: &Meter, text: &str, most: usize, from_the_end: bool) -> Result<Value, Error> {
    let mut words = Vec::new();
    let mut rest = if from_the_end { text.trim_end() } else { text.trim_start() };
    while !rest.is_empty() {
        meter.spend(ITEM)?;
        let found =
            if from_the_end { rest.rfind(char::is_whitespace) } else { rest.find(char::is_whitespace) };
        let Some(at) = found.filter(|_| words.len() < most) else {
            words.push(Value::from(rest));
            break;
        };
        let (before, after) = rest.split_at(at);
        if from_the_end {
            words.push(Value::from(after.trim_start()));
            rest = before.trim_end();
        } else {
            words.push(Value::from(before));
            rest = after.trim_start();
        }
    }
    if from_the_end {
        words.reverse();
    }
    Ok(Value::from(words))
}

fn partition(text: &str, bound: &Bound, from_the_end: bool) -> Result<Value, Error> {
    let separator = bound.required(0)?;
    let found = if from_the_end { text.rsplit_once(separator) } else { text.split_once(separator) };
    let parts = match found {
        Some((before, after)) => [before, separator, after],
        None if from_the_end => ["", "", text],
        None => [text, "", ""],
    };
    Ok(Value::from(Tuple::from(parts.map(Value::from))))
}

fn strip(text: &str, bound: &Bound, method: &str) -> Result<Value, Error> {
    let chars = bound.text(0)?;
    let is_stripped = |c: char| chars.map_or(c.is_whitespace(), |chars| chars.contains(c));
    Ok(Value::from(match method {
        "lstrip" => text.trim_start_matches(is_stripped),
        "rstrip" => text.trim_end_matches(is_stripped),
        _ => text.trim_matches(is_stripped),
    }))
}

/// The part of a text between two places in characters, and where it begins; negative ones count from the end.
fn part<'a>(text: &'a str, bound: &Bound) -> Result<Option<(&'a str, usize)>, Error> {
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { (at + length).max(0) } else { at };
    let (start, end) = (bound.int(1)?.map_or(0, place), bound.int(2)?.map_or(length, place).min(length));
    if start > end {
        return Ok(None);
    }
    let byte = |at: i64| {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        text.char_indices().nth(at).map_or(text.len(), |(byte, _)| byte)
    };
    Ok(Some((&text[byte(start)..byte(end)], usize::try_from(start).unwrap_or(0))))
}

fn affix(text: &str, bound: &Bound, method: &str) -> Result<Value, Error> {
    let Some((text, _)) = part(text, bound)? else { return Ok(Value::from(false)) };
    let value = bound.value(0).ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let affixes = if value.is_tuple() { items(value)? } else { vec![value.clone()] };
    for affix in &affixes {
        let affix = affix
            .as_str()
            .ok_or_else(|| failed(format!("{method}: a string or a tuple of strings is expected")))?;
        if if method == "startswith" { text.starts_with(affix) } else { text.ends_with(affix) } {
            return Ok(Value::from(true));
        }
    }
    Ok(Value::from(false))
}

fn search(text: &str, bound: &Bound, method: &str) -> Result<Value, Error> {
    let wanted = bound.required(0)?;
    let inside = part(text, bound)?;
    if method == "count" {
        return Ok(Value::from(inside.map_or(0, |(text, _)| text.matches(wanted).count())));
    }
    let found = inside.and_then(|(text, start)| {
        let at = if method.starts_with('r') { text.rfind(wanted) } else { text.find(wanted) };
        Some(start + text[..at?].chars().count())
    });
    match found {
        Some(at) => Ok(Value::from(at)),
        None if method.ends_with("index") => Err(failed(format!("{method}: the text is not there"))),
        None => Ok(Value::from(-1)),
    }
}

fn join(meter: &Meter, separator: &str, bound: &Bound) -> Result<Value, Error> {
    let value = bound.value(0).ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let mut texts = Vec::new();
    for item in items(value)? {
        meter.spend(separator.len() + ITEM)?;
        match item.as_str() {
            Some(text) => texts.push(text.to_owned()),
            None => return Err(failed(format!("join: a string is expected, not {}", repr::text(&item)))),
        }
    }
    Ok(Value::from(texts.join(separator)))
}

fn pad(meter: &Meter, text: &str, bound: &Bound, method: &str) -> Result<Value, Error> {
    let width = bound.int(0)?.ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let fill = bound.text(1)?.and_then(|fill| fill.chars().next()).unwrap_or(' ');
    let padded = match method {
        "zfill" => {
            let digits = text.trim_start_matches(['+', '-']);
            let sign = if text.len() - digits.len() == 1 { &text[..1] } else { "" };
            let rest = &text[sign.len()..];
            sign.to_owned() + &padded(meter, rest, width - sign.len() as i64, '0', Side::Left)?
        }
        "ljust" => padded(meter, text, width, fill, Side::Right)?,
        "rjust" => padded(meter, text, width, fill, Side::Left)?,
        _ => padded(meter, text, width, fill, Side::Both)?,
    };
    Ok(Value::from(padded))
}

fn expand_tabs(meter: &Meter, text: &str, bound: &Bound) -> Result<Value, Error> {
    let size = usize::try_from(bound.int(0)?.unwrap_or(8)).unwrap_or(0);
    meter.spend(text.matches('\t').count().saturating_mul(size))?;
    let (mut out, mut column) = (String::new(), 0);
    for c in text.chars() {
        match c {
            '\t' if size > 0 => {
                let spaces = size - column % size;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\t' => {}
            c => {
                out.push(c);
                column = if matches!(c, '\n' | '\r') { 0 } else { column + 1 };
            }
        }
    }
    Ok(Value::from(out))
}

fn dict(value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let pairs = || -> Result<Vec<(Value, Value)>, Error> {
        items(value)?.into_iter().map(|key| Ok((key.clone(), value.get_item(&key)?))).collect()
    };
    if method == "get" {
        let (positional, _) = split_arguments(args)?;
        let key = positional.first().ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
        let found = value.get_item(key).ok().filter(|found| !found.is_undefined());
        return Ok(found.unwrap_or_else(|| positional.get(1).cloned().unwrap_or_else(|| Value::from(()))));
    }
    bind(args, &[])?;
    match method {
        "keys" => Ok(Value::from(items(value)?)),
        "values" => Ok(pairs()?.into_iter().map(|(_, value)| value).collect()),
        "items" => {
            Ok(pairs()?.into_iter().map(|(key, value)| Value::from(Tuple::from([key, value]))).collect())
        }
        "copy" => Ok(Value::from_pairs(pairs()?)),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

fn list(meter: &Meter, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    if !matches!(method, "index" | "count" | "copy") {
        return Err(Error::from(ErrorKind::UnknownMethod));
    }
    meter.walk(value)?;
    let items = items(value)?;
    if method == "copy" {
        bind(args, &[])?;
        return Ok(Value::from(items));
    }
    let bound = bind(args, &["value"])?;
    let wanted = bound.value(0).ok_or_else(|| Error::from(ErrorKind::MissingArgument))?;
    let mut places = items.iter().enumerate().filter(|(_, item)| *item == wanted).map(|(at, _)| at);
    match method {
        "count" => Ok(Value::from(places.count())),
        _ => places.next().map(Value::from).ok_or_else(|| failed("index: the value is not in the list")),
    }
}
