//! Files of one crate that import each other in a circle: neither can be read, tested or moved without the other.
//!
//! What counts is the `use` paths of a file, tests aside, that lead to another file: `crate::..`, `super::..` and
//! `self::..`. A module with files below it is a map: it names them and they take what it re-exports, so that
//! neither its imports nor those of it count.

use std::collections::{BTreeMap, BTreeSet};

use super::sources::Source;

/// A module, as its path from the crate's root.
type Module = Vec<String>;

/// A finding for each circle, in the order of the files.
pub(super) fn lint(sources: &[Source]) -> Vec<String> {
    let mut crates: BTreeMap<&str, BTreeMap<Module, &Source>> = BTreeMap::new();
    for source in sources {
        if let Some((package, module)) = module(&source.path) {
            crates.entry(package).or_default().insert(module, source);
        }
    }
    crates.values().flat_map(lint_crate).collect()
}

fn lint_crate(files: &BTreeMap<Module, &Source>) -> Vec<String> {
    let is_map = |module: &Module| {
        module.is_empty() || files.keys().any(|other| other.len() > module.len() && other.starts_with(module))
    };
    let leaves: BTreeMap<&Module, &str> = files
        .iter()
        .filter(|(module, _)| !is_map(module))
        .filter_map(|(module, source)| Some((module, source.text.as_deref()?)))
        .collect();
    let imports: BTreeMap<&Module, BTreeSet<&Module>> = leaves
        .iter()
        .map(|(&module, text)| {
            let targets = imports(text).into_iter().filter_map(|path| target(module, &path, files));
            (module, targets.filter(|target| leaves.contains_key(target) && *target != module).collect())
        })
        .collect();
    circles(&imports).into_iter().map(|circle| finding(&circle, files)).collect()
}

fn finding(circle: &[&Module], files: &BTreeMap<Module, &Source>) -> String {
    let mut paths = circle.iter().filter_map(|&module| files.get(module)).map(|source| source.path.as_str());
    let first = paths.next().unwrap_or_default();
    let others = paths.collect::<Vec<_>>().join(", ");
    format!("{first}: imports itself by way of {others}; move what they share into a file of its own")
}

/// The package that a source file belongs to, and its module there; `None` for what is no module of a library or
/// program.
fn module(path: &str) -> Option<(&str, Module)> {
    let (package, file) = path.split_once("/src/")?;
    let mut parts: Module = file.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    let is_root = parts.len() == 1 && matches!(parts[0].as_str(), "lib" | "main");
    if is_root || parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    Some((package, parts))
}

/// The file that an import of `from` leads to: the longest part of its path that is a module.
fn target<'a>(from: &Module, path: &[String], files: &'a BTreeMap<Module, &Source>) -> Option<&'a Module> {
    let mut at: Module = match path.first()?.as_str() {
        "crate" => Module::new(),
        "self" | "super" => from.clone(),
        _ => return None,
    };
    for part in path {
        match part.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            name => at.push(name.to_owned()),
        }
    }
    (1..=at.len()).rev().find_map(|len| files.get_key_value(&at[..len])).map(|(module, _)| module)
}

/// The paths that a file imports, groups taken apart; those of its test modules are left out.
fn imports(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    let mut open: Option<String> = None;
    for line in without_tests(text) {
        let line = line.split("//").next().unwrap_or_default().trim();
        match &mut open {
            Some(statement) => statement.push_str(line),
            None => open = after_use(line).map(str::to_owned),
        }
        if let Some(statement) = open.take_if(|statement| statement.contains(';')) {
            expand(&[], statement.split(';').next().unwrap_or_default(), &mut paths);
        }
    }
    paths
}

/// A file's lines but for modules under `#[cfg(test)]`, which end at a brace in the first column.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        if line != "#[cfg(test)]" {
            return Some(line);
        }
        let item = lines.next()?;
        if item.starts_with("mod ") && item.ends_with('{') {
            return lines.by_ref().find(|line| *line == "}");
        }
        Some(item)
    })
}

/// What a line imports, if it begins an import.
fn after_use(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub") {
        Some(rest) if rest.starts_with('(') => rest.split_once(") ")?.1,
        Some(rest) => rest.trim_start(),
        None => line,
    };
    line.strip_prefix("use ")
}

/// Adds to `paths` those of a tree of imports below `prefix`: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn expand(prefix: &[String], tree: &str, paths: &mut Vec<Vec<String>>) {
    for branch in branches(tree) {
        let (head, group) = match branch.split_once('{') {
            Some((head, rest)) => (head, rest.rsplit_once('}').map(|(group, _)| group)),
            None => (branch, None),
        };
        let head = head.split(" as ").next().unwrap_or_default();
        let parts = head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned);
        let path: Vec<String> = prefix.iter().cloned().chain(parts).collect();
        match group {
            Some(group) => expand(&path, group, paths),
            None => paths.push(path),
        }
    }
}

/// The parts of a tree between commas that are in no group.
fn branches(tree: &str) -> Vec<&str> {
    let mut depth = 0;
    let at_top = |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        c == ',' && depth == 0
    };
    tree.split(at_top).map(str::trim).filter(|branch| !branch.is_empty()).collect()
}

/// The strongly connected components of more than one module.
fn circles<'a>(imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>) -> Vec<Vec<&'a Module>> {
    let reached: BTreeMap<&Module, BTreeSet<&Module>> =
        imports.keys().map(|&from| (from, reached(from, imports))).collect();
    let mut circles = Vec::new();
    let mut seen = BTreeSet::new();
    for (&from, to) in &reached {
        let circle: Vec<&Module> = to.iter().copied().filter(|to| reached[to].contains(from)).collect();
        if !circle.is_empty() && circle.iter().all(|module| seen.insert(*module)) {
            circles.push(circle);
        }
    }
    circles
}

/// The modules that imports lead to from one of them; it is among them only if a circle leads back.
fn reached<'a>(
    from: &'a Module,
    imports: &BTreeMap<&'a Module, BTreeSet<&'a Module>>,
) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        let fresh = imports.get(module).into_iter().flatten().filter(|target| reached.insert(**target));
        next.extend(fresh.copied());
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(files: &[(&str, &str)]) -> Vec<String> {
        lint(&files.iter().map(|(path, text)| Source::new(path, text)).collect::<Vec<_>>())
    }

    #[test]
    fn two_files_that_import_each_other_are_found_once() {
        let found = findings(&[
            ("a/src/lib.rs", "mod data;\n"),
            ("a/src/data/mod.rs", "mod lines;\nmod whole;\n"),
            ("a/src/data/lines.rs", "use super::{DataError, whole::WholeFile};\n"),
            ("a/src/data/whole.rs", "use super::lines::Existing;\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("a/src/data/lines.rs: "), "{found:?}");
        assert!(found[0].contains("a/src/data/whole.rs"), "{found:?}");
    }

    #[test]
    fn a_longer_circle_names_all_of_its_files() {
        let found = findings(&[
            ("a/src/lora.rs", "use crate::{\n    config::Config,\n    parameters::{self, Parameters},\n};\n"),
            ("a/src/parameters.rs", "pub(crate) use crate::save::{Dtype as D, encode};\n"),
            ("a/src/save.rs", "fn f() {\n    use crate::lora::*;\n}\n"),
            ("a/src/config.rs", "use crate::{Error, error::Reason};\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("by way of a/src/parameters.rs, a/src/save.rs;"), "{found:?}");
    }

    #[test]
    fn two_circles_are_two_findings() {
        let text = |other: &str| format!("use super::{other};\n");
        let [a, b, c, d] = ["b", "a", "d", "c"].map(text);
        let found =
            findings(&[("x/src/a.rs", &a), ("x/src/b.rs", &b), ("x/src/c.rs", &c), ("x/src/d.rs", &d)]);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_map_and_its_files_are_no_circle() {
        let found = findings(&[
            ("a/src/lib.rs", "pub use crate::data::Error;\n"),
            ("a/src/data/mod.rs", "pub use self::{error::Error, lines::read};\n"),
            ("a/src/data/error.rs", "use crate::Thing;\n"),
            ("a/src/data/lines.rs", "use super::Error;\nuse crate::data;\n"),
        ]);
        assert!(found.is_empty(), "{found:?}");
    }

    #[test]
    fn tests_and_comments_import_what_they_like() {
        let tests = "#[cfg(test)]\nmod tests {\n    use crate::b::make;\n}\n";
        assert!(findings(&[("x/src/a.rs", tests), ("x/src/b.rs", "use crate::a;\n")]).is_empty());
        let comment = "// use crate::b;\n/// use crate::b;\n";
        assert!(findings(&[("x/src/a.rs", comment), ("x/src/b.rs", "use crate::a;\n")]).is_empty());
        let after = format!("{tests}use crate::b;\n");
        assert_eq!(findings(&[("x/src/a.rs", &after), ("x/src/b.rs", "use crate::a;\n")]).len(), 1);
    }

    #[test]
    fn files_of_different_crates_do_not_meet() {
        assert!(findings(&[("x/src/a.rs", "use crate::b;\n"), ("y/src/b.rs", "use crate::a;\n")]).is_empty());
    }

    #[test]
    fn a_path_ends_at_the_last_module_in_it() {
        let found = findings(&[
            ("x/src/deep/mod.rs", ""),
            ("x/src/deep/a.rs", "use super::super::b::Type;\n"),
            ("x/src/b.rs", "use crate::deep::a::Other::{One, Two};\n"),
        ]);
        assert_eq!(found.len(), 1, "{found:?}");
    }
}
