//! What the README says of the tests.

use super::sources::Source;

/// What a test says that wants a real model.
const WANTS: &str = concat!("real_model() ", "else");

/// The README counts the tests that are skipped where there is no real model.
pub(super) fn lint(sources: &[Source]) -> Vec<String> {
    let text = |source: &Source| source.text.clone().unwrap_or_default();
    let wanting: usize = sources.iter().map(|source| text(source).matches(WANTS).count()).sum();
    let said = format!("({wanting} of them want a real model");
    let readme = sources.iter().filter(|source| source.path == "README.md");
    let silent = readme
        .filter(|source| !text(source).split_whitespace().collect::<Vec<_>>().join(" ").contains(&said));
    silent.map(|source| format!("{}: it does not say `{said}`", source.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_counts_the_tests_that_want_a_model() {
        let test = format!("let Some(dir) = {WANTS} {{ return }};\n").repeat(2);
        let found = |text: &str| lint(&[Source::new("README.md", text), Source::new("a/tests/b.rs", &test)]);
        assert_eq!(found("the tests (2 of them\nwant a real model)"), Vec::<String>::new());
        assert_eq!(found("the tests (3 of them want a real model)").len(), 1);
    }
}
