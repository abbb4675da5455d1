//! Files of records, one JSON object per line, that grow while somebody works: each record on the medium before the
//! next is taken.
//!
//! A process that was killed leaves at most a torn last line, which the next one cuts off. Only one process at a time
//! has a log open.

use std::{
    fs::{File, TryLockError},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::DataError;

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
    /// A line, counted from 1, in its middle is no such record.
    Line(usize),
    /// It cannot be read or written.
    Data(DataError),
}

impl Log {
    /// Opens a log, or begins it; with the records in it.
    ///
    /// # Errors
    /// [`LogError`].
    pub(crate) fn open<T: DeserializeOwned>(path: &Path) -> Result<(Self, Vec<T>), LogError> {
        let unwritable = |source| LogError::Data(DataError::Write { path: path.to_owned(), source });
        let mut file = File::options().read(true).append(true).create(true).open(path).map_err(unwritable)?;
        if !is_ours(&file) {
            return Err(LogError::Busy);
        }
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes));
        read.map_err(|source| LogError::Data(DataError::Read { path: path.to_owned(), source }))?;
        let (records, whole) = parse(&bytes).map_err(LogError::Line)?;
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(unwritable)?;
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

/// Takes a file for this process as long as it is open, unless another has it. Where a file system has no locks, we do
/// without.
pub(crate) fn is_ours(file: &File) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// The records, and where the last whole line ends; or the number of a line that is no record.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(Vec<T>, usize), usize> {
    let mut records = Vec::new();
    let mut whole = 0;
    for (number, line) in (1..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
        let is_last = whole + line.len() == bytes.len();
        match serde_json::from_slice(line) {
            Ok(record) if line.ends_with(b"\n") => records.push(record),
            _ if is_last => break,
            _ => return Err(number),
        }
        whole += line.len();
    }
    Ok((records, whole))
}
