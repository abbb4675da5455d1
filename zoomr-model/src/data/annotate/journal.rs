//! What was paid for already: summaries, written down one by one as they arrive.
//!
//! A file beside the output, one JSON object per line, only ever added to, each line on the medium before the next
//! is taken. A run that was killed leaves at most a torn last line, which the next run cuts off. Entries are found
//! by a hash of everything that a summary depends on, so changed settings find none of the old ones, and the old
//! ones stay for whoever changes them back.

use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{AnnotateError, summary::Summary};
use crate::data::DataError;

/// What a summary depends on, hashed (FNV-1a, 128 bits): the same in every run and on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u128);

impl Key {
    /// The hash of some texts, which differs where their bounds do.
    pub(super) fn of(texts: &[&str]) -> Self {
        const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
        const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
        let bytes = texts.iter().flat_map(|text| {
            let length = text.len() as u64;
            length.to_le_bytes().into_iter().chain(text.bytes())
        });
        Self(bytes.fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME)))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct Entry<S> {
    key: String,
    #[serde(flatten)]
    summary: S,
}

/// The open file; no other run can have it open.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
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
    /// [`AnnotateError::Busy`] where another run has it, [`AnnotateError::Journal`] where a line in its middle is
    /// none of ours, and [`DataError`] where it cannot be read or written.
    pub(super) fn open(output: &Path) -> Result<(Self, HashMap<Key, Summary>), AnnotateError> {
        let path = path_for(output);
        let unwritable = |source| DataError::Write { path: path.clone(), source };
        let mut file =
            File::options().read(true).append(true).create(true).open(&path).map_err(unwritable)?;
        match file.try_lock() {
            // Where a file system has no locks, we do without.
            Ok(()) | Err(TryLockError::Error(_)) => {}
            Err(TryLockError::WouldBlock) => return Err(AnnotateError::Busy { path }),
        }
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|source| DataError::Read { path: path.clone(), source })?;
        let (entries, whole) =
            parse(&bytes).map_err(|line| AnnotateError::Journal { path: path.clone(), line })?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(unwritable)?;
        }
        Ok((Self { path, file }, entries))
    }

    /// Writes a summary down.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub(super) fn add(&mut self, key: Key, summary: &Summary) -> Result<(), DataError> {
        let failed = |source| DataError::Write { path: self.path.clone(), source };
        let entry = Entry { key: key.to_string(), summary };
        let mut line = serde_json::to_vec(&entry).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(failed)
    }

    /// Removes it: the output has everything now.
    ///
    /// # Errors
    /// [`DataError::Write`] where that fails.
    pub(super) fn remove(self) -> Result<(), DataError> {
        fs::remove_file(&self.path).map_err(|source| DataError::Write { path: self.path.clone(), source })
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        if self.file.metadata().is_ok_and(|metadata| metadata.len() == 0) {
            // Nothing was paid for; where it stays nevertheless, it does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// The entries, and where the last whole line ends; or the number of a line that is no entry.
fn parse(bytes: &[u8]) -> Result<(HashMap<Key, Summary>, usize), usize> {
    let mut entries = HashMap::new();
    let mut whole = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let entry: Option<Entry<Summary>> = serde_json::from_slice(line).ok();
        let key = |entry: &Entry<Summary>| u128::from_str_radix(&entry.key, 16).ok();
        let is_last = whole + line.len() == bytes.len();
        match entry.and_then(|entry| Some((Key(key(&entry)?), entry.summary))) {
            Some((key, summary)) if line.ends_with(b"\n") => entries.insert(key, summary),
            _ if is_last => break,
            _ => return Err(number),
        };
        whole += line.len();
    }
    Ok((entries, whole))
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
        all.iter().for_each(|(key, summary)| journal.add(Key::of(&[key]), summary).unwrap());
        assert!(matches!(Journal::open(&output), Err(AnnotateError::Busy { .. })));
        drop(journal);
        let (journal, entries) = Journal::open(&output).unwrap();
        assert_eq!(
            entries,
            HashMap::from([(Key::of(&["a"]), summary("z", false)), (Key::of(&["b"]), summary("y", true))])
        );
        journal.remove().unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn wherever_the_last_line_is_torn_the_rest_counts() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let (mut journal, _) = Journal::open(&output).unwrap();
        journal.add(Key::of(&["a"]), &summary("one", false)).unwrap();
        let first = fs::metadata(path_for(&output)).unwrap().len() as usize;
        journal.add(Key::of(&["b"]), &summary("two é", true)).unwrap();
        drop(journal);
        let bytes = fs::read(path_for(&output)).unwrap();
        for torn in first..bytes.len() {
            fs::write(path_for(&output), &bytes[..torn]).unwrap();
            let (mut journal, entries) = Journal::open(&output).unwrap();
            assert_eq!(entries, HashMap::from([(Key::of(&["a"]), summary("one", false))]), "{torn}");
            journal.add(Key::of(&["b"]), &summary("two é", true)).unwrap();
            drop(journal);
            assert_eq!(fs::read(path_for(&output)).unwrap(), bytes, "{torn}");
        }
    }

    #[test]
    fn a_strange_line_in_the_middle_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let good = format!("{{\"key\": \"{}\", \"summary\": \"x\"}}\n", Key::of(&["a"]));
        fs::write(path_for(&output), format!("{good}my notes\n{good}")).unwrap();
        let message = Journal::open(&output).unwrap_err().to_string();
        assert!(message.contains("out.jsonl.journal") && message.contains("line 2"), "{message}");
    }

    #[test]
    fn keys_are_the_same_everywhere_and_know_bounds() {
        assert_ne!(Key::of(&["ab", "c"]), Key::of(&["a", "bc"]));
        assert_eq!(Key::of(&[]).to_string(), "6c62272e07bb014262b821756295c58d");
    }
}
