//! What may stand around a value and says nothing about it: white space, LaTeX's layout, currency signs.

/// Commands and characters that are passed over.
const IDLE: [&str; 20] = [
    "\\left",
    "\\right",
    "\\displaystyle",
    "\\,",
    "\\!",
    "\\;",
    "\\:",
    "\\ ",
    "\\(",
    "\\)",
    "\\[",
    "\\]",
    "\\$",
    "$",
    "~",
    "€",
    "£",
    "\\quad",
    "\\big",
    "\u{feff}",
];

/// Commands whose argument is ordinary text.
pub(super) const TEXT: [&str; 7] =
    ["\\text{", "\\textbf{", "\\textit{", "\\mathrm{", "\\mathbf{", "\\mbox{", "\\operatorname{"];

/// The text without what it begins with and need not be read.
pub(super) fn skip(text: &str) -> &str {
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start();
        if trimmed.starts_with(|c: char| c.is_ascii_alphanumeric()) {
            return trimmed;
        }
        let next = IDLE.iter().find_map(|idle| trimmed.strip_prefix(idle)).unwrap_or(trimmed);
        if next.len() == rest.len() {
            return rest;
        }
        rest = next;
    }
}

/// What follows the first of `options` that comes next, once the rest is passed over.
pub(super) fn after<'a>(text: &'a str, options: &[&str]) -> Option<&'a str> {
    let text = skip(text);
    options.iter().find_map(|option| text.strip_prefix(option))
}
