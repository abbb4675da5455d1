//! What filters and methods both do to a text.

use minijinja::{Error, Value};

use super::meter::{Limit, Meter, WIDTH};

/// Where a text is filled up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Before it.
    Left,
    /// After it.
    Right,
    /// On both sides.
    Both,
}

/// A text filled up to a width, in characters.
///
/// # Errors
/// [`Limit::Width`].
pub(super) fn padded(meter: &Meter, text: &str, width: i64, fill: char, side: Side) -> Result<String, Error> {
    let width = u64::try_from(width).unwrap_or(0);
    if width > WIDTH {
        return Err(Limit::Width(width).into());
    }
    let length = text.chars().count();
    let missing = usize::try_from(width).unwrap_or(0).saturating_sub(length);
    meter.spend(text.len() + 4 * missing)?;
    let left = match side {
        Side::Left => missing,
        Side::Right => 0,
        // CPython puts the odd one before a text where the width is odd as well.
        Side::Both => missing / 2 + (missing & width as usize & 1),
    };
    let fill = |count: usize| std::iter::repeat_n(fill, count);
    Ok(fill(left).chain(text.chars()).chain(fill(missing - left)).collect())
}

/// A text with others put in the place of some; as often as may be, unless `count` says.
///
/// # Errors
/// Where the outcome passes a limit.
pub(super) fn replaced(
    meter: &Meter,
    text: &str,
    old: &str,
    new: &str,
    count: Option<i64>,
) -> Result<Value, Error> {
    meter.spend(text.len())?;
    let most = count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
    let found = text.matches(old).take(most).count();
    meter.spend(found.saturating_mul(new.len()))?;
    Ok(Value::from(text.replacen(old, new, most)))
}

/// The lines of a text, with their ends or without.
pub(super) fn lines(text: &str, keep_ends: bool) -> Vec<&str> {
    let is_end = |c: char| {
        matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        )
    };
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(is_end) {
        let after = rest[at..].strip_prefix("\r\n").unwrap_or_else(|| {
            let end = rest[at..].chars().next().map_or(0, char::len_utf8);
            &rest[at + end..]
        });
        lines.push(if keep_ends { &rest[..rest.len() - after.len()] } else { &rest[..at] });
        rest = after;
    }
    if !rest.is_empty() {
        lines.push(rest);
    }
    lines
}
