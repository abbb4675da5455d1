//! A file on its way into the cache: what has arrived, its hash, and whether it is what was announced.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ring::digest::{Context, SHA256};

use super::{HubError, cache::cache_error, client::Description};
use crate::atomic_file::sync_dir;

/// What is read at a time.
const CHUNK: usize = 1 << 16;
/// The slowest that a download may be for long, in bytes per second: below, it would never end.
const SLOWEST: u64 = 256;

/// The part of a blob that has arrived.
pub(super) struct Arriving {
    path: PathBuf,
    file: File,
    /// Bytes that are there.
    len: u64,
    /// Of those bytes, where a hash was announced.
    hash: Option<Context>,
}

/// Why bytes do not arrive.
pub(super) enum Stopped {
    /// More come than were announced.
    TooMany,
    /// The connection broke, or is too slow.
    Broken(io::Error),
    /// They cannot be kept.
    Here(HubError),
}

impl Arriving {
    /// Goes on with the file `path`, or begins it.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn open(path: PathBuf, announced: &Description) -> Result<Self, HubError> {
        let opened = File::options().create(true).read(true).append(true).open(&path);
        let file = opened.map_err(cache_error(&path))?;
        let mut arriving = Self { path, file, len: 0, hash: None };
        let len = arriving.file.metadata().map_err(cache_error(&arriving.path))?.len();
        // All of it may be there, but if no hash says so it may be a hole that a power cut has left.
        let is_good = if announced.sha256.is_some() { len <= announced.size } else { len < announced.size };
        if !is_good {
            arriving.restart(announced)?;
        } else if announced.sha256.is_some() {
            arriving.hash = Some(hash_of(&mut arriving.file).map_err(cache_error(&arriving.path))?);
        }
        arriving.len = if is_good { len } else { 0 };
        Ok(arriving)
    }

    /// Throws away what is there.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn restart(&mut self, announced: &Description) -> Result<(), HubError> {
        self.file.set_len(0).map_err(cache_error(&self.path))?;
        self.len = 0;
        self.hash = announced.sha256.as_ref().map(|_| Context::new(&SHA256));
        Ok(())
    }

    /// Bytes that are there.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds what `body` has, up to `size` bytes in all; `arrived` hears of each piece. Ends when for the time `stall`
    /// next to nothing has come.
    ///
    /// # Errors
    /// [`Stopped`].
    pub(super) fn receive(
        &mut self,
        mut body: impl Read,
        size: u64,
        stall: Duration,
        arrived: &mut dyn FnMut(u64),
    ) -> Result<(), Stopped> {
        let mut buffer = vec![0; CHUNK];
        let mut pace = Pace { since: Instant::now(), bytes: 0 };
        loop {
            let count = body.read(&mut buffer).map_err(Stopped::Broken)?;
            if count == 0 {
                return Ok(());
            }
            if count as u64 > size - self.len {
                return Err(Stopped::TooMany);
            }
            let bytes = &buffer[..count];
            self.file.write_all(bytes).map_err(|error| Stopped::Here(cache_error(&self.path)(error)))?;
            if let Some(hash) = &mut self.hash {
                hash.update(bytes);
            }
            self.len += count as u64;
            arrived(count as u64);
            pace.add(count as u64, stall).map_err(Stopped::Broken)?;
        }
    }

    /// Whether what is there has the hash that was announced, if one was.
    pub(super) fn is_announced(&self, announced: &Description) -> bool {
        let hash = self.hash.clone().map(|hash| hex(hash.finish().as_ref()));
        hash == announced.sha256
    }

    /// Throws the file away.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn discard(self) -> Result<(), HubError> {
        fs::remove_file(&self.path).map_err(cache_error(&self.path))
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// [`HubError::Cache`].
    pub(super) fn finish(self, place: &Path) -> Result<(), HubError> {
        let synced = self.file.sync_all().and_then(|()| fs::rename(&self.path, place));
        let synced = synced.and_then(|()| place.parent().map_or(Ok(()), sync_dir));
        synced.map_err(cache_error(place))
    }
}

/// How much came since when.
struct Pace {
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn add(&mut self, bytes: u64, stall: Duration) -> io::Result<()> {
        self.bytes += bytes;
        if self.since.elapsed() < stall {
            return Ok(());
        }
        if self.bytes < SLOWEST * stall.as_secs() {
            let seconds = stall.as_secs();
            let what = format!("only {} bytes came in {seconds} s", self.bytes);
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        *self = Self { since: Instant::now(), bytes: 0 };
        Ok(())
    }
}

/// The hash of a file so far.
fn hash_of(file: &mut File) -> io::Result<Context> {
    let (mut hash, mut buffer) = (Context::new(&SHA256), vec![0; CHUNK]);
    file.seek(SeekFrom::Start(0))?;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash),
            count => hash.update(&buffer[..count]),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
