//! Patterns with places to fill in: `'%s' % x`, and `'{}'.format(x)`.
//!
//! MiniJinja fills them in; here values become what Python would show, and widths are kept within bounds.

use minijinja::{
    Error, Value,
    formatting::{FormatStyle, format},
    value::{Kwargs, ValueKind},
};

use super::{
    failed,
    meter::{Limit, Meter, WIDTH},
    repr,
};

/// What may stand between `%` and the letter that says what is shown.
const FLAGS: &str = "-+ #0123456789.*";

/// `printf`-style formatting; a dict among the values fills in the names of `%(name)s`.
///
/// # Errors
/// Where the pattern does not fit the values, or a limit is passed.
pub(super) fn printf(meter: &Meter, pattern: &str, values: &[Value]) -> Result<String, Error> {
    for place in pattern.split('%').skip(1) {
        let unnamed =
            place.strip_prefix('(').and_then(|name| name.split_once(')')).map_or(place, |(_, rest)| rest);
        let end = unnamed.find(|c| !FLAGS.contains(c)).unwrap_or(unnamed.len());
        check_width(&unnamed[..end])?;
    }
    let by_name = pattern.contains("%(");
    let mut shown = Vec::new();
    for value in values {
        meter.text(value)?;
        shown.push(match value.kind() {
            ValueKind::Map if by_name => Value::from(by_names(value)?),
            ValueKind::Number | ValueKind::String => value.clone(),
            ValueKind::Bool if !pattern.contains("%s") => Value::from(i64::from(value.is_true())),
            _ => Value::from(repr::text(value)),
        });
    }
    filled(meter, FormatStyle::Printf, pattern, &shown)
}

/// Python's `str.format`; the last value may hold the named ones.
///
/// # Errors
/// Where the pattern does not fit the values, or a limit is passed.
pub(super) fn braces(meter: &Meter, pattern: &str, values: &[Value]) -> Result<String, Error> {
    for place in pattern.replace("{{", "").split('{').skip(1) {
        match (place.split_once('}'), place.split_once(':')) {
            (Some((inside, _)), _) => check_width(inside.split_once(':').map_or("", |(_, spec)| spec))?,
            (None, Some(_)) => {
                return Err(failed("format: a width that is a value (`{:{}}`) is not supported"));
            }
            (None, None) => {}
        }
    }
    for value in values {
        meter.text(value)?;
    }
    filled(meter, FormatStyle::StrFormat, pattern, values)
}

fn filled(meter: &Meter, style: FormatStyle, pattern: &str, values: &[Value]) -> Result<String, Error> {
    let places = pattern.matches(['%', '{']).count();
    let longest = values.iter().filter_map(Value::as_str).map(str::len).max().unwrap_or(0);
    // `{0}` may be there any number of times.
    let repeated = if style == FormatStyle::StrFormat { longest.saturating_mul(places) } else { 0 };
    meter.spend(pattern.len().saturating_add(repeated))?;
    let text = format(style, pattern, values)?;
    meter.spend(text.len())?;
    Ok(text)
}

fn by_names(map: &Value) -> Result<Kwargs, Error> {
    let pair = |key: Value| Ok((repr::text(&key), map.get_item(&key)?));
    map.try_iter()?.map(pair).collect::<Result<Vec<_>, Error>>().map(Kwargs::from_iter)
}

/// Refuses widths and precisions beyond [`WIDTH`], and those that values give.
fn check_width(spec: &str) -> Result<(), Error> {
    if spec.contains('*') && !spec.contains(['<', '>', '^']) {
        return Err(failed("a width that is a value (`*`) is not supported"));
    }
    for digits in spec.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty()) {
        let width = digits.parse().unwrap_or(u64::MAX);
        if width > WIDTH {
            return Err(Limit::Width(width).into());
        }
    }
    Ok(())
}
