//! The plain values that a header is made of, little-endian, one after another.
//!
//! What a value claims to take is held against what the file has before room is made for it.

use std::io::{BufReader, Read};

use super::error::GgufProblem;

/// The longest header that is read, in bytes: that of a model with a million words has 60 MB.
const LONGEST: u64 = 256 << 20;

/// Reads a header from the beginning of a file.
pub(super) struct Reader<R> {
    source: BufReader<R>,
    at: u64,
    /// Bytes of the file.
    len: u64,
}

impl<R: Read> Reader<R> {
    /// A reader at the beginning of `source`, which has `len` bytes.
    pub(super) fn new(source: R, len: u64) -> Self {
        Self { source: BufReader::with_capacity(1 << 16, source), at: 0, len }
    }

    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Refuses `count` things of at least `size` bytes each where there is no room for them.
    pub(super) fn check(&self, what: &str, count: u64, size: u64) -> Result<(), GgufProblem> {
        let left = self.len.min(LONGEST).saturating_sub(self.at);
        if count.checked_mul(size).is_some_and(|bytes| bytes <= left) {
            return Ok(());
        }
        let (at, len) = (self.at, self.len);
        Err(GgufProblem::Damaged(format!(
            "it claims {count} {what} at byte {at}, for which its {len} bytes (or the {LONGEST} that a header may have) \
             have no room"
        )))
    }

    /// The next `count` bytes.
    pub(super) fn bytes(&mut self, count: u64) -> Result<Vec<u8>, GgufProblem> {
        self.check("bytes", count, 1)?;
        let mut bytes = Vec::new();
        let read = self.source.by_ref().take(count).read_to_end(&mut bytes)?;
        self.at += read as u64;
        match read as u64 == count {
            true => Ok(bytes),
            false => Err(GgufProblem::damaged("its length has changed while it was read")),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], GgufProblem> {
        self.check("bytes", N as u64, 1)?;
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes)?;
        self.at += N as u64;
        Ok(bytes)
    }

    pub(super) fn magic(&mut self) -> Result<[u8; 4], GgufProblem> {
        self.array()
    }

    pub(super) fn u32(&mut self) -> Result<u32, GgufProblem> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, GgufProblem> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length, and so many bytes of UTF-8.
    pub(super) fn text(&mut self) -> Result<String, GgufProblem> {
        let (at, count) = (self.at, self.u64()?);
        String::from_utf8(self.bytes(count)?)
            .map_err(|_| GgufProblem::Damaged(format!("what should be text at byte {at} is not UTF-8")))
    }
}
