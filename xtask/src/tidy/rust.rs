//! Lints on Rust sources: one idea to a file, nothing left for later, unsafe code in few places.
//!
//! What clippy and rustc deny already (`unwrap` outside tests, missing docs) is not repeated.

use super::sources::Source;

/// A file longer than this holds more than one idea.
const MAX_LINES: usize = 450;

/// How a file says what it is: by itself, or, a crate, by its README.
const OPENINGS: [&str; 2] = ["//!", "#![doc = include_str!(\"../README.md\")]"];

/// Where unsafe code may be: the backends, and the one file that maps weights into memory.
const UNSAFE_CODE: [&str; 2] = ["zoomr-backend-", "zoomr-model/src/weights/map.rs"];

/// What no source may contain, and why. Put together from parts, lest this file find itself.
const BANNED: [(&str, &str); 5] = [
    (concat!("todo", "!("), "finish it, or leave it out"),
    (concat!("unimplemented", "!("), "finish it, or leave it out"),
    (concat!("#[", "ignore"), "a test runs, or says `SKIPPED: why` on a machine that cannot run it"),
    (
        concat!("```", "ignore"),
        "a doctest runs; use `text` for what is no Rust, `no_run` for what takes long",
    ),
    ("\t", "use spaces for indentation, and \\t in a string"),
];

/// What a file is written by that may be found empty when the process is killed.
const PLAIN_WRITES: [&str; 3] =
    [concat!("fs::", "write("), concat!(" File::", "create("), concat!("fs::", "copy(")];

/// Where that may be: what is below goes with the process, or is no part of what is delivered.
const PLAIN_WRITERS: [&str; 3] = ["zoomr-cli/src/builtin.rs", "xtask/", "fuzz/"];

/// The lint that every use of unsafe code has to lift first.
const UNSAFE_LINT: &str = concat!("unsafe", "_code");

pub(super) fn lint(source: &Source) -> Vec<String> {
    let Some(text) = &source.text else {
        return vec![format!("{}: no UTF-8", source.path)];
    };
    let mut findings = shape(&source.path, text);
    findings.extend(plain_writes(&source.path, text));
    for (number, line) in (1..).zip(text.lines()) {
        let banned = BANNED.iter().filter(|(what, _)| line.contains(what));
        findings.extend(
            banned.map(|(what, why)| format!("{}:{number}: `{}`: {why}", source.path, what.escape_default())),
        );
        if line.contains(UNSAFE_LINT) && !UNSAFE_CODE.iter().any(|place| source.path.starts_with(place)) {
            let places = UNSAFE_CODE.join("* or ");
            findings.push(format!("{}:{number}: unsafe code belongs in {places}", source.path));
        }
    }
    findings
}

/// Files that are written otherwise than whole or not at all, outside of tests.
fn plain_writes(path: &str, text: &str) -> Vec<String> {
    if !path.contains("/src/") || PLAIN_WRITERS.iter().any(|place| path.starts_with(place)) {
        return Vec::new();
    }
    let code = (1..).zip(text.lines()).take_while(|(_, line)| *line != "#[cfg(test)]");
    let found = code.filter(|(_, line)| PLAIN_WRITES.iter().any(|what| line.contains(what)));
    found.map(|(number, _)| format!("{path}:{number}: write files by `zoomr_model::atomic_file`")).collect()
}

fn shape(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !OPENINGS.iter().any(|opening| text.starts_with(opening)) {
        findings.push(format!("{path}:1: open with `//!`: what the file is, its rule, what it is not"));
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!("{path}: {lines} lines, over {MAX_LINES}; split it by ideas"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        lint(&Source::new(path, text)).len()
    }

    #[test]
    fn a_good_file_is_left_alone() {
        assert_eq!(findings("a/src/lib.rs", "//! What it is.\n\nfn f() {}\n"), 0);
        assert_eq!(findings("a/src/lib.rs", "#![doc = include_str!(\"../README.md\")]\n"), 0);
    }

    #[test]
    fn every_file_opens_by_saying_what_it_is() {
        assert_eq!(findings("a/tests/t.rs", "fn f() {}\n"), 1);
        assert_eq!(findings("a/src/lib.rs", ""), 1);
    }

    #[test]
    fn a_long_file_is_found() {
        let lines = |n: usize| format!("//! What it is.\n{}", "\n".repeat(n - 1));
        assert_eq!(findings("a/src/lib.rs", &lines(MAX_LINES)), 0);
        assert_eq!(findings("a/src/lib.rs", &lines(MAX_LINES + 1)), 1);
    }

    #[test]
    fn each_banned_text_is_found() {
        for (what, _) in BANNED {
            assert_eq!(findings("a/src/lib.rs", &format!("//! Doc.\n{what}\n")), 1, "{what:?}");
        }
    }

    #[test]
    fn files_are_written_whole() {
        let text = format!("//! Doc.\n{}p, b);\n", PLAIN_WRITES[0]);
        assert_eq!(findings("zoomr-model/src/text/grow.rs", &text), 1);
        let test = format!("//! Doc.\n#[cfg(test)]\nmod tests {{\n{}p, b);\n}}\n", PLAIN_WRITES[0]);
        assert_eq!(findings("zoomr-model/src/text/grow.rs", &test), 0);
        assert_eq!(findings("zoomr-cli/tests/cli/data.rs", &text), 0);
    }

    #[test]
    fn unsafety_stays_where_it_may_be() {
        let text = format!("//! Doc.\n#[expect({UNSAFE_LINT}, reason = \"\")]\n");
        assert_eq!(findings("zoomr-core/src/cache/mod.rs", &text), 1);
        assert_eq!(findings("zoomr-model/src/weights/mod.rs", &text), 1);
        assert_eq!(findings("zoomr-model/src/weights/map.rs", &text), 0);
        assert_eq!(findings("zoomr-backend-cpu/src/attend/avx2.rs", &text), 0);
    }
}
