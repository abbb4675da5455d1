//! Methods of Python's strings that look at characters one by one, and take no arguments.

use super::repr::is_printable;

/// What a method such as `isdigit` says of a text; `None` where it is no such method.
///
/// Unicode's categories are taken from Rust's tables: `isdigit` knows superscripts but not every digit of every script.
pub(super) fn test(text: &str, method: &str) -> Option<bool> {
    let all = |is: fn(char) -> bool| !text.is_empty() && text.chars().all(is);
    Some(match method {
        "isalnum" => all(char::is_alphanumeric),
        "isalpha" => all(char::is_alphabetic),
        "isascii" => text.is_ascii(),
        "isdecimal" => all(is_decimal),
        "isdigit" => all(|c| is_decimal(c) || matches!(c, '²' | '³' | '¹' | '⁰' | '⁴'..='⁹' | '₀'..='₉')),
        "isnumeric" => all(char::is_numeric),
        "isidentifier" => {
            let starts = text.starts_with(|c: char| c.is_alphabetic() || c == '_');
            starts && all(|c| c.is_alphanumeric() || c == '_')
        }
        "islower" => text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        "isupper" => text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        "isprintable" => text.chars().all(is_printable),
        "isspace" => all(char::is_whitespace),
        "istitle" => text.chars().any(is_cased) && text == titled(text),
        _ => return None,
    })
}

/// What a method such as `upper` makes of a text; `None` where it is no such method.
pub(super) fn change(text: &str, method: &str) -> Option<String> {
    Some(match method {
        "capitalize" => {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            first + &chars.as_str().to_lowercase()
        }
        // Case folding is lower case, but for a few letters; this is the one that texts have.
        "casefold" => text.to_lowercase().replace('ß', "ss"),
        "lower" => text.to_lowercase(),
        "swapcase" => text.chars().map(|c| if c.is_uppercase() { lower(c) } else { upper(c) }).collect(),
        "title" => titled(text),
        "upper" => text.to_uppercase(),
        _ => return None,
    })
}

/// Upper case after everything that is not a letter, lower case after a letter.
fn titled(text: &str) -> String {
    let mut after_letter = false;
    let mut titled = String::with_capacity(text.len());
    for c in text.chars() {
        titled += &if after_letter { lower(c) } else { upper(c) };
        after_letter = is_cased(c);
    }
    titled
}

fn upper(c: char) -> String {
    c.to_uppercase().collect()
}

fn lower(c: char) -> String {
    c.to_lowercase().collect()
}

fn is_cased(c: char) -> bool {
    c.is_uppercase() || c.is_lowercase()
}

fn is_decimal(c: char) -> bool {
    // Decimal digits of other scripts come in runs of ten; those of the common ones.
    c.is_ascii_digit() || matches!(c, '٠'..='٩' | '۰'..='۹' | '०'..='९' | '０'..='９')
}
