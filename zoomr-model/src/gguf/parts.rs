//! Models in several files, `NAME-00001-of-00003.gguf` and so on, as llama.cpp's `llama-gguf-split` makes them.

use std::path::{Path, PathBuf};

use super::{error::GgufProblem, metadata::Metadata};

/// More parts than any model has; the name has five digits.
const MOST: u64 = 99_999;

/// A file's name taken apart: `NAME`, the number of the part from 1, and how many there are.
pub(crate) struct PartName<'a> {
    pub(crate) name: &'a str,
    pub(crate) part: u64,
    pub(crate) count: u64,
}

impl<'a> PartName<'a> {
    /// The parts of a name without its `.gguf`; none where it is no part's.
    pub(crate) fn parse(stem: &'a str) -> Option<Self> {
        let (rest, count) = stem.rsplit_once("-of-")?;
        let (name, part) = rest.rsplit_once('-')?;
        let number = |digits: &str| {
            let five = digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
            five.then(|| digits.parse::<u64>().ok())?
        };
        Some(Self { name, part: number(part)?, count: number(count)? })
    }
}

/// The files after the first, where metadata says that there are more.
///
/// # Errors
/// Where `path` is not the first part, or its name has not the number of parts that metadata claims.
pub(super) fn others(path: &Path, metadata: &Metadata) -> Result<Vec<PathBuf>, GgufProblem> {
    let count = metadata.count("split.count")?.unwrap_or(1);
    if count <= 1 {
        return Ok(Vec::new());
    }
    let name = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".gguf"));
    let Some(parts) = name.and_then(PartName::parse).filter(|parts| parts.count == count && count <= MOST)
    else {
        return Err(GgufProblem::Unsupported(format!(
            "is one of {count} parts of a model, and its name does not end in `-00001-of-{count:05}.gguf`; give it its \
             name back, or join the parts with llama.cpp's `llama-gguf-split --merge`"
        )));
    };
    let part = |number: u64| path.with_file_name(format!("{}-{number:05}-of-{count:05}.gguf", parts.name));
    if parts.part != 1 || metadata.count("split.no")?.unwrap_or(0) != 0 {
        let first = part(1);
        return Err(GgufProblem::Unsupported(format!(
            "is a part of a model, and not its first; give the first, {}",
            first.display()
        )));
    }
    Ok((2..=count).map(part).collect())
}

/// Makes sure that a file is the part `number`, counted from 0, of `count`.
///
/// # Errors
/// Where it says something else.
pub(super) fn check(metadata: &Metadata, number: usize, count: usize) -> Result<(), GgufProblem> {
    let found = [metadata.count("split.no")?, metadata.count("split.count")?];
    match found == [Some(number as u64), Some(count as u64)] {
        true => Ok(()),
        false => Err(GgufProblem::Damaged(format!(
            "its name says that it is part {} of {count}, and its metadata something else",
            number + 1
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parts_are_taken_apart() {
        let parts = PartName::parse("some-model-Q4_K_M-00002-of-00010").unwrap();
        assert_eq!((parts.name, parts.part, parts.count), ("some-model-Q4_K_M", 2, 10));
        for other in ["model", "model-2-of-10", "model-00002-of-", "model-0000x-of-00010", ""] {
            assert!(PartName::parse(other).is_none(), "{other}");
        }
    }
}
