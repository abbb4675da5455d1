//! Lints on any file: its size, and white space that no reader sees.

use super::sources::Source;
use crate::workspace::GOLDEN;

/// Larger files make a clone slow for good: git keeps them for ever.
const MAX_BYTES: u64 = 1 << 20;
/// The model inside of the binary may have more.
const MODEL: &str = "zoomr-cli/default-model/model.safetensors";
const MODEL_BYTES: u64 = 4 << 20;

pub(super) fn lint(source: &Source) -> Vec<String> {
    if source.path.starts_with(GOLDEN) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    let path = &source.path;
    let most = if path == MODEL { MODEL_BYTES } else { MAX_BYTES };
    if source.bytes > most {
        findings.push(format!("{path}: {} bytes, over {most}; such data belongs in {GOLDEN}", source.bytes));
    }
    for (number, line) in (1..).zip(source.text.iter().flat_map(|text| text.lines())) {
        if line.ends_with([' ', '\t']) {
            findings.push(format!("{path}:{number}: white space at the end of the line"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_at_the_end_of_a_line_is_found() {
        let found = lint(&Source::new("README.md", "good\nbad \nbad\t\n"));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("README.md:2: "), "{}", found[0]);
    }

    #[test]
    fn a_large_file_is_found_unless_it_is_test_data() {
        let large = "x".repeat(MAX_BYTES as usize + 1);
        assert_eq!(lint(&Source::new("notes.txt", &large)).len(), 1);
        assert!(lint(&Source::new("zoomr-model/tests/golden/a.json", &large)).is_empty());
        assert!(lint(&Source::new("notes.txt", &large[1..])).is_empty());
        assert!(lint(&Source::new(MODEL, &large)).is_empty());
        assert_eq!(lint(&Source::new(MODEL, &large.repeat(4))).len(), 1);
    }
}
