//! Files of records, one JSON object per line, that grow while somebody works: each record on the medium before the
//! next is taken.
//!
//! A process that was killed leaves at most a torn last line, which the next one cuts off. Anything else that is no
//! record was written by somebody else, and the file is left as it is. Only one process at a time has a log open.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::DataError;
use crate::atomic_file::is_ours;

/// The longest record, in bytes; what has a longer line is no log.
const LONGEST: u64 = 64 << 20;

/// The open file.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
}

/// Why a log cannot be gone on with.
#[derive(Debug)]
pub(crate) enum LogError {
    /// Another process has it open.
    Busy,
    /// A line, counted from 1, is no such record.
    Line(usize),
    /// It cannot be read or written.
    Data(DataError),
}

impl Log {
    /// Opens a log, or begins it; with the records in it, each of which begins with `head`.
    ///
    /// # Errors
    /// [`LogError`].
    pub(crate) fn open<T: DeserializeOwned>(path: &Path, head: &str) -> Result<(Self, Vec<T>), LogError> {
        let unwritable = |source| LogError::Data(DataError::Write { path: path.to_owned(), source });
        let unreadable = |source| LogError::Data(DataError::Read { path: path.to_owned(), source });
        // Of a pipe, there would be no end.
        if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
            return Err(LogError::Line(1));
        }
        let file = File::options().read(true).append(true).create(true).open(path).map_err(unwritable)?;
        if !is_ours(&file) {
            return Err(LogError::Busy);
        }
        let (mut lines, mut records, mut whole) = (BufReader::new(&file), Vec::new(), 0);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            match lines.by_ref().take(LONGEST).read_until(b'\n', &mut line).map_err(unreadable)? {
                0 => break,
                count if line.ends_with(b"\n") => {
                    records.push(serde_json::from_slice(&line).map_err(|_| LogError::Line(number))?);
                    whole += count as u64;
                }
                _ if is_torn(&line, head) => {
                    file.set_len(whole).map_err(unwritable)?;
                    break;
                }
                _ => return Err(LogError::Line(number)),
            }
        }
        Ok((Self { path: path.to_owned(), file }, records))
    }

    /// Writes a record down.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub(crate) fn add(&mut self, record: &impl Serialize) -> Result<(), DataError> {
        let failed = |source| DataError::Write { path: self.path.clone(), source };
        let mut line = serde_json::to_vec(record).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        self.file.write_all(&line).and_then(|()| self.file.sync_data()).map_err(failed)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether there is nothing in it.
    pub(crate) fn is_empty(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| metadata.len() == 0)
    }
}

/// Whether a last line without its end is the beginning of a record. A power cut may have left zeros for the rest.
fn is_torn(line: &[u8], head: &str) -> bool {
    let written = line.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    let (written, head) = (&line[..written], head.as_bytes());
    written.starts_with(head) || head.starts_with(written)
}
