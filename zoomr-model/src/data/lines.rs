//! Files of records, one JSON object per line: read one at a time, written whole or not at all.
//!
//! Works for any record that serde knows; data are [`Example`](super::example::Example)s and
//! [`Trace`](super::example::Trace)s. Empty lines are skipped.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    marker::PhantomData,
    path::{Path, PathBuf},
};

use serde::{Serialize, de::DeserializeOwned};

use super::DataError;
use crate::{
    atomic_file::{AtomicFile, Existing},
    text_file::{NotUtf8, without_mark},
};

/// The records of a file, one at a time. A bad line is an error, after which the next line may be asked for.
#[derive(Debug)]
pub struct Records<T> {
    path: PathBuf,
    reader: BufReader<File>,
    /// The number of the line read last.
    line: usize,
    buffer: Vec<u8>,
    /// Nothing more can be read.
    over: bool,
    record: PhantomData<fn() -> T>,
}

/// Opens a file of records.
///
/// # Errors
/// [`DataError::Read`] where it cannot be opened.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<Records<T>, DataError> {
    let file = File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    Ok(Records {
        path: path.to_owned(),
        reader: BufReader::new(file),
        line: 0,
        buffer: Vec::new(),
        over: false,
        record: PhantomData,
    })
}

impl<T: DeserializeOwned> Iterator for Records<T> {
    type Item = Result<T, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            self.buffer.clear();
            self.line += 1;
            match self.reader.read_until(b'\n', &mut self.buffer) {
                Ok(0) => self.over = true,
                Ok(_) if self.line == 1 && self.strip_mark().is_err() => {
                    self.over = true;
                    let source = NotUtf8::Utf16.into();
                    return Some(Err(DataError::Read { path: self.path.clone(), source }));
                }
                Ok(_) if self.buffer.trim_ascii().is_empty() => {}
                Ok(_) => return Some(self.parse()),
                Err(source) => {
                    self.over = true;
                    return Some(Err(DataError::Read { path: self.path.clone(), source }));
                }
            }
        }
        None
    }
}

impl<T> Records<T> {
    /// The number of the line that was read last, counted from 1; 0 before the first.
    pub fn line(&self) -> usize {
        self.line
    }
}

impl<T: DeserializeOwned> Records<T> {
    /// Takes a byte order mark off the line.
    fn strip_mark(&mut self) -> Result<(), NotUtf8> {
        let mark = self.buffer.len() - without_mark(&self.buffer)?.len();
        self.buffer.drain(..mark);
        Ok(())
    }

    fn parse(&self) -> Result<T, DataError> {
        serde_json::from_slice(&self.buffer).map_err(|error| {
            // The parser saw a single line: its number would contradict ours.
            let place = format!(" at line {} column {}", error.line(), error.column());
            let message = error.to_string().replace(&place, &format!(" at column {}", error.column()));
            DataError::Line { path: self.path.clone(), line: self.line, message }
        })
    }
}

/// A file of records under construction; dropped before [`finish`](Self::finish), it leaves no trace.
#[derive(Debug)]
pub struct Writer {
    file: AtomicFile,
    line: Vec<u8>,
}

impl Writer {
    /// Starts a file beside its place.
    ///
    /// # Errors
    /// [`AtomicFileError::Exists`](crate::atomic_file::AtomicFileError::Exists), and [`DataError::Write`] where nothing can be written there.
    pub fn create(path: &Path, existing: Existing) -> Result<Self, DataError> {
        Ok(Self { file: AtomicFile::create(path, existing)?, line: Vec::new() })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// [`DataError::Write`] where the medium is full or fails.
    pub fn write(&mut self, record: &impl Serialize) -> Result<(), DataError> {
        self.line.clear();
        serde_json::to_writer(&mut self.line, record)
            .map_err(|error| DataError::Write { path: self.file.path().to_owned(), source: error.into() })?;
        self.line.push(b'\n');
        Ok(self.file.write(&self.line)?)
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`AtomicFileError::Exists`](crate::atomic_file::AtomicFileError::Exists) where a file has come there meanwhile, and [`DataError::Write`].
    pub fn finish(self) -> Result<(), DataError> {
        Ok(self.file.finish()?)
    }
}
