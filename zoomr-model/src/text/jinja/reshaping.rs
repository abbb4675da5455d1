//! Filters that MiniJinja has not, or has without arguments that Jinja2 gives them.

use std::sync::Arc;

use minijinja::{Environment, Error, Value, value::ValueKind};

use super::{
    arguments::{Bound, Given, bind},
    failed,
    formats::printf,
    json,
    meter::{Cost, Meter, items},
    repr,
    texts::{Side, lines, padded, replaced},
};

/// A filter on bound arguments, the value being the first.
type Filter = fn(&Meter, &Bound) -> Result<Value, Error>;

/// Adds the filters.
pub(super) fn register(environment: &mut Environment<'static>, meter: &Arc<Meter>) {
    let filters: [(&'static str, &'static [&'static str], Filter); 13] = [
        ("center", &["value", "width"], center),
        ("e", &["s"], escape),
        ("escape", &["s"], escape),
        ("float", &["value", "default"], float),
        ("indent", &["s", "width", "first", "blank"], indent),
        ("int", &["value", "default", "base"], int),
        ("join", &["value", "d", "attribute"], join),
        ("replace", &["s", "old", "new", "count"], replace),
        ("round", &["value", "precision", "method"], round),
        ("string", &["value"], string),
        ("sum", &["iterable", "attribute", "start"], sum),
        ("tojson", &json::PARAMETERS, json::tojson),
        ("wordcount", &["s"], wordcount),
    ];
    for (name, parameters, filter) in filters {
        let meter = Arc::clone(meter);
        environment.add_filter(name, move |args: Given| {
            let bound = bind(&args.into_values(), parameters)?;
            meter.made(filter(&meter, &bound)?)
        });
    }
    let meter = Arc::clone(meter);
    environment
        .add_filter("format", move |pattern: &str, args: Given| printf(&meter, pattern, &args.into_values()));
}

/// The value that a filter is applied to, as text.
fn subject(meter: &Meter, args: &Bound) -> Result<String, Error> {
    let value = args.value(0).cloned().unwrap_or_default();
    meter.text(&value)?;
    Ok(repr::text(&value))
}

fn string(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    subject(meter, args).map(Value::from)
}

/// HTML's characters, as MarkupSafe writes them.
fn escape(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let text = subject(meter, args)?;
    if args.value(0).is_some_and(Value::is_safe) {
        return Ok(Value::from_safe_string(text));
    }
    meter.spend(text.matches(['&', '<', '>', '"', '\'']).count() * 5)?;
    let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Ok(Value::from_safe_string(escaped.replace('"', "&#34;").replace('\'', "&#39;")))
}

fn wordcount(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let text = subject(meter, args)?;
    let words = text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    Ok(Value::from(words.count()))
}

fn center(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let text = subject(meter, args)?;
    padded(meter, &text, args.int(1)?.unwrap_or(80), ' ', Side::Both).map(Value::from)
}

fn indent(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let text = subject(meter, args)?;
    let margin = match args.some(1) {
        Some(width) if width.as_str().is_some() => width.to_string(),
        _ => padded(meter, "", args.int(1)?.unwrap_or(4), ' ', Side::Right)?,
    };
    let (first, blank) = (args.flag(2), args.flag(3));
    meter.spend(margin.len().saturating_mul(text.lines().count()))?;
    let mut lines = lines(&text, false);
    if text.ends_with('\n') || text.is_empty() {
        lines.push("");
    }
    let line = |(index, line): (usize, &&str)| match index {
        0 if !first => (*line).to_owned(),
        index if index > 0 && line.is_empty() && !blank => String::new(),
        _ => format!("{margin}{line}"),
    };
    Ok(Value::from(lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")))
}

fn join(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let value = args.value(0).cloned().unwrap_or_default();
    meter.pay(Cost::Items, &value)?;
    let separator = args.some(1).map(repr::text).unwrap_or_default();
    let mut texts = Vec::new();
    for item in items(&value)? {
        let item = attribute(item, args.some(2))?;
        meter.text(&item)?;
        meter.spend(separator.len())?;
        texts.push(repr::text(&item));
    }
    Ok(Value::from(texts.join(&separator)))
}

/// An item, or an attribute of it, by a path with dots.
fn attribute(item: Value, path: Option<&Value>) -> Result<Value, Error> {
    let Some(path) = path.map(repr::text) else { return Ok(item) };
    path.split('.').try_fold(item, |item, name| match name.parse::<usize>() {
        Ok(index) => item.get_item(&Value::from(index)),
        Err(_) => item.get_attr(name),
    })
}

fn replace(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let text = subject(meter, args)?;
    replaced(meter, &text, args.required(1)?, args.required(2)?, args.int(3)?)
}

fn int(_: &Meter, args: &Bound) -> Result<Value, Error> {
    let default = args.value(1).cloned().unwrap_or_else(|| Value::from(0));
    let Some(value) = args.value(0) else { return Ok(default) };
    if let Some(text) = value.as_str() {
        let text = text.trim().replace('_', "");
        let base = args.int(2)?.unwrap_or(10);
        let whole = whole(&text, base).or_else(|| text.parse::<f64>().ok().and_then(truncated));
        return Ok(whole.map_or(default, Value::from));
    }
    Ok(match value.kind() {
        ValueKind::Bool => Value::from(i64::from(value.is_true())),
        ValueKind::Number if value.is_integer() => value.clone(),
        ValueKind::Number => {
            f64::try_from(value.clone()).ok().and_then(truncated).map_or(default, Value::from)
        }
        _ => default,
    })
}

/// A whole number in a base from 2 to 36; a prefix (`0x`) may say the same.
fn whole(text: &str, base: i64) -> Option<i64> {
    let base = u32::try_from(base).ok().filter(|base| (2..=36).contains(base))?;
    let prefix = match base {
        2 => "0b",
        8 => "0o",
        16 => "0x",
        _ => "",
    };
    let digits = text.to_lowercase();
    i64::from_str_radix(digits.strip_prefix(prefix).unwrap_or(&digits), base).ok()
}

fn truncated(real: f64) -> Option<i64> {
    (real.abs() < 9e18).then_some(real as i64)
}

fn float(_: &Meter, args: &Bound) -> Result<Value, Error> {
    let default = args.value(1).cloned().unwrap_or_else(|| Value::from(0.0));
    let Some(value) = args.value(0) else { return Ok(default) };
    let real = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    Ok(real.map_or(default, Value::from))
}

fn round(_: &Meter, args: &Bound) -> Result<Value, Error> {
    let value = args.value(0).cloned().unwrap_or_default();
    let (real, precision) = (f64::try_from(value)?, args.int(1)?.unwrap_or(0));
    let scale = 10f64.powi(i32::try_from(precision).unwrap_or(0).clamp(-300, 300));
    let rounded = match args.text(2)?.unwrap_or("common") {
        "common" if (0..=300).contains(&precision) => {
            format!("{real:.places$}", places = precision as usize).parse().unwrap_or(real)
        }
        "common" => (real * scale).round_ties_even() / scale,
        "ceil" => (real * scale).ceil() / scale,
        "floor" => (real * scale).floor() / scale,
        _ => return Err(failed("round: the method is common, ceil or floor")),
    };
    Ok(Value::from(rounded))
}

fn sum(meter: &Meter, args: &Bound) -> Result<Value, Error> {
    let value = args.value(0).cloned().unwrap_or_default();
    meter.pay(Cost::Items, &value)?;
    let (mut whole, mut real, mut is_whole) = (0i64, 0.0, true);
    let start = args.some(2).cloned().into_iter();
    let items = items(&value)?.into_iter().map(|item| attribute(item, args.some(1)));
    for item in start.map(Ok).chain(items) {
        let item = item?;
        is_whole &= item.is_integer();
        real += f64::try_from(item.clone())?;
        if is_whole {
            whole =
                whole.checked_add(i64::try_from(item)?).ok_or_else(|| failed("sum: a number too large"))?;
        }
    }
    Ok(if is_whole { Value::from(whole) } else { Value::from(real) })
}
