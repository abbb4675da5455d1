//! What was paid for already: summaries, written down one by one as they arrive.
//!
//! A log beside the output, so that a run that was killed is gone on with. Entries are found by a hash of everything
//! that a summary depends on: changed settings find none of the old ones, and the old ones stay for whoever changes
//! them back.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{AnnotateError, summary::Summary};
use crate::{
    data::{
        DataError,
        log::{Log, LogError},
    },
    digest::Digest,
};

/// What every line begins with.
const HEAD: &str = r#"{"key":""#;

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Entry<S> {
    key: Digest,
    #[serde(flatten)]
    summary: S,
}

/// The open file; no other run can have it open.
#[derive(Debug)]
pub(super) struct Journal {
    log: Log,
}

/// Where the journal of an output is: beside it.
pub(super) fn path_for(output: &Path) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(".journal");
    name.into()
}

impl Journal {
    /// Opens the journal of an output, or begins it; with what is in it.
    ///
    /// # Errors
    /// [`AnnotateError::Busy`] where another run has it, [`AnnotateError::Journal`] where a line is none
    /// of ours, and [`DataError`] where it cannot be read or written.
    pub(super) fn open(output: &Path) -> Result<(Self, HashMap<Digest, Summary>), AnnotateError> {
        let path = path_for(output);
        let (log, entries) = Log::open::<Entry<Summary>>(&path, HEAD).map_err(|error| match error {
            LogError::Busy => AnnotateError::Busy { path },
            LogError::Line(line) => AnnotateError::Journal { path, line },
            LogError::Data(error) => error.into(),
        })?;
        Ok((Self { log }, entries.into_iter().map(|entry| (entry.key, entry.summary)).collect()))
    }

    /// Writes a summary down.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub(super) fn add(&mut self, key: Digest, summary: &Summary) -> Result<(), DataError> {
        self.log.add(&Entry { key, summary })
    }

    /// Removes it: the output has everything now.
    ///
    /// # Errors
    /// [`DataError::Write`] where that fails.
    pub(super) fn remove(self) -> Result<(), DataError> {
        let path = self.log.path();
        fs::remove_file(path).map_err(|source| DataError::Write { path: path.to_owned(), source })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.log.is_empty() {
            // Nothing was paid for; where it stays nevertheless, it does no harm.
            let _ = fs::remove_file(self.log.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(text: &str, cut: bool) -> Summary {
        Summary { text: text.into(), cut }
    }

    #[test]
    fn what_is_written_down_is_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let (mut journal, entries) = Journal::open(&output).unwrap();
        assert!(entries.is_empty());
        let all = [
            ("a", summary("x \"= 5\"\u{2028}", false)),
            ("b", summary("y", true)),
            ("a", summary("z", false)),
        ];
        all.iter().for_each(|(key, summary)| journal.add(Digest::of([*key]), summary).unwrap());
        assert!(matches!(Journal::open(&output), Err(AnnotateError::Busy { .. })));
        drop(journal);
        let (journal, entries) = Journal::open(&output).unwrap();
        assert_eq!(
            entries,
            HashMap::from([
                (Digest::of(["a"]), summary("z", false)),
                (Digest::of(["b"]), summary("y", true))
            ])
        );
        journal.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn wherever_the_last_line_is_torn_the_rest_counts() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let (mut journal, _) = Journal::open(&output).unwrap();
        journal.add(Digest::of(["a"]), &summary("one", false)).unwrap();
        let first = fs::metadata(path_for(&output)).unwrap().len() as usize;
        journal.add(Digest::of(["b"]), &summary("two é", true)).unwrap();
        drop(journal);
        let bytes = fs::read(path_for(&output)).unwrap();
        for torn in first..bytes.len() {
            fs::write(path_for(&output), &bytes[..torn]).unwrap();
            let (mut journal, entries) = Journal::open(&output).unwrap();
            assert_eq!(entries, HashMap::from([(Digest::of(["a"]), summary("one", false))]), "{torn}");
            journal.add(Digest::of(["b"]), &summary("two é", true)).unwrap();
            drop(journal);
            assert_eq!(fs::read(path_for(&output)).unwrap(), bytes, "{torn}");
        }
    }

    #[test]
    fn a_strange_line_is_named_wherever_it_is_and_the_file_stays() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let good = format!("{{\"key\": \"{}\", \"summary\": \"x\"}}\n", Digest::of(["a"]));
        let torn = r#"{"key":"0"#;
        for (text, line) in [
            (format!("{good}my notes\n{good}"), "line 2"),
            (format!("{good}my notes\n"), "line 2"),
            (format!("{good}my notes"), "line 2"),
            ("my notes\n".to_owned(), "line 1"),
            ("my notes".to_owned(), "line 1"),
            ("\n".to_owned(), "line 1"),
            (r#"{"question":"x"#.to_owned(), "line 1"),
            (format!("{torn}\n"), "line 1"),
        ] {
            fs::write(path_for(&output), &text).unwrap();
            let message = Journal::open(&output).unwrap_err().to_string();
            assert!(message.contains("out.jsonl.journal") && message.contains(line), "{text}: {message}");
            assert_eq!(fs::read_to_string(path_for(&output)).unwrap(), text);
        }
        for text in [torn.to_owned(), format!("{torn}\0\0"), "\0".to_owned(), "{\"k".to_owned()] {
            fs::write(path_for(&output), format!("{good}{text}")).unwrap();
            assert_eq!(Journal::open(&output).unwrap().1.len(), 1, "{text}");
            assert_eq!(fs::read_to_string(path_for(&output)).unwrap(), good);
        }
    }
}
