//! Digits as a number: with separators between thousands, decimals, a power of ten, or spelled out digit by digit.

use super::value::Value;

/// A number as it is written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Numeral {
    pub(super) value: Value,
    /// Digits and nothing else: with a fraction after it, it makes a mixed number.
    pub(super) is_integer: bool,
}

/// The number that a text begins with, and what follows it; with `commas`, one between thousands is part of it.
pub(super) fn numeral(text: &str, commas: bool) -> Option<(Numeral, &str)> {
    let (mut digits, rest) = whole(text, commas);
    let (decimals, rest) = match rest.strip_prefix('.').map(leading_digits) {
        Some((decimals, rest)) if !decimals.is_empty() => (decimals, rest),
        _ => ("", rest),
    };
    let (power, rest) = power_of_ten(rest);
    let is_integer = decimals.is_empty() && power.is_none();
    if is_integer && let Some((value, rest)) = spelled_out(&digits, rest).or_else(|| mixed(&digits, rest)) {
        return Some((Numeral { value, is_integer: false }, rest));
    }
    digits.push_str(decimals);
    let value = decimal(&digits, decimals.len(), power.unwrap_or(0))?;
    Some((Numeral { value, is_integer }, rest))
}

/// ASCII digits that a text begins with, and the rest.
fn leading_digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The digits before the point, without the separators between thousands: `1,234`, and in LaTeX `1{,}234`, `1\,234`,
/// `1,\! 234`.
fn whole(text: &str, commas: bool) -> (String, &str) {
    let (first, mut rest) = leading_digits(text);
    let mut digits = first.to_owned();
    if (1..=3).contains(&first.len()) {
        while let Some((group, after)) = thousands(rest, commas) {
            digits.push_str(group);
            rest = after;
        }
    }
    (digits, rest)
}

/// A separator and three digits, no more.
fn thousands(text: &str, commas: bool) -> Option<(&str, &str)> {
    let latex = ["{,}", ",\\!", "\\,"].iter().find_map(|separator| text.strip_prefix(separator));
    let after = latex.map(str::trim_start).or_else(|| text.strip_prefix(',').filter(|_| commas))?;
    Some(leading_digits(after)).filter(|(group, _)| group.len() == 3)
}

/// `e3`, `E-3`: at most four digits, more than any number needs.
fn power_of_ten(text: &str) -> (Option<i128>, &str) {
    let power = || {
        let after = text.strip_prefix(['e', 'E'])?;
        let (negative, after) = match after.strip_prefix('-') {
            Some(after) => (true, after),
            None => (false, after.strip_prefix('+').unwrap_or(after)),
        };
        let (digits, rest) = leading_digits(after);
        let power: i128 = digits.parse().ok().filter(|_| digits.len() <= 4)?;
        Some((Some(if negative { -power } else { power }), rest))
    };
    power().unwrap_or((None, text))
}

/// Single digits with single spaces between, as a model of digits writes them: `4 1 7`.
fn spelled_out<'a>(first: &str, rest: &'a str) -> Option<(Value, &'a str)> {
    let mut digits = first.to_owned();
    let mut rest = rest;
    while let Some(after) = rest.strip_prefix(' ')
        && let (digit, after) = leading_digits(after)
        && digit.len() == 1
        && !after.starts_with(['/', '.', ','])
    {
        digits.push_str(digit);
        rest = after;
    }
    (first.len() == 1 && digits.len() > 1).then_some(())?;
    Some((decimal(&digits, 0, 0)?, rest))
}

/// `3 1/2`: the integer, a space, a fraction.
fn mixed<'a>(first: &str, rest: &'a str) -> Option<(Value, &'a str)> {
    let (over, rest) = leading_digits(rest.strip_prefix(' ')?);
    let (under, rest) = leading_digits(rest.strip_prefix('/')?);
    let fraction = decimal(over, 0, 0)?.over(decimal(under, 0, 0)?)?;
    Some((decimal(first, 0, 0)?.plus(fraction)?, rest))
}

/// Digits, so many of them after the point, times a power of ten.
fn decimal(digits: &str, decimals: usize, power: i128) -> Option<Value> {
    let all = match digits.parse::<i128>() {
        Ok(all) => Value::integer(all),
        Err(_) if digits.is_empty() => return None,
        Err(_) => Value::real(digits.parse().ok()?)?,
    };
    let shift = power - i128::try_from(decimals).ok()?;
    let factor = Value::integer(10).to_the(Value::integer(shift.abs()))?;
    if shift < 0 { all.over(factor) } else { all.times(factor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(text: &str) -> Option<(i128, i128, &str)> {
        match numeral(text, true)? {
            (Numeral { value: Value::Ratio(a, b), .. }, rest) => Some((a, b, rest)),
            (Numeral { value: Value::Real(_), .. }, _) => None,
        }
    }

    #[test]
    fn numbers_as_they_are_written() {
        let cases = [
            ("42 cm", 42, 1, " cm"),
            ("0.75", 3, 4, ""),
            (".5.", 1, 2, "."),
            ("1,234,567.5", 2_469_135, 2, ""),
            ("1{,}234", 1234, 1, ""),
            ("1\\,234", 1234, 1, ""),
            ("11,\\! 111,\\!111", 11_111_111, 1, ""),
            ("1,23", 1, 1, ",23"),
            ("1234,567", 1234, 1, ",567"),
            ("1.5e3x", 1500, 1, "x"),
            ("2E-2", 1, 50, ""),
            ("2e", 2, 1, "e"),
            ("0 0 7 ;", 7, 1, " ;"),
            ("4 1/7", 29, 7, ""),
            ("12 345", 12, 1, " 345"),
        ];
        for (text, a, b, rest) in cases {
            assert_eq!(ratio(text), Some((a, b, rest)), "{text}");
        }
        let (_, rest) = numeral("1,234", false).unwrap();
        assert_eq!(rest, ",234", "a comma that separates");
        for text in ["", ".", "x", "-1", "\u{0663}", "1e9999"] {
            assert_eq!(numeral(text, true), None, "{text}");
        }
    }

    #[test]
    fn what_is_too_long_for_a_ratio_is_approximate() {
        let long = "9".repeat(60);
        let (number, _) = numeral(&long, true).unwrap();
        assert!(number.value.is(Value::real(1e60).unwrap()));
        assert_eq!(numeral(&"9".repeat(400), true), None);
    }
}
