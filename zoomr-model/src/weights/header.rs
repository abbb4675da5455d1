//! The header of a safetensors file: what its tensors are called, and where they lie.
//!
//! It is read into memory of its own, never parsed from the map: another program may write to the file at any time,
//! and text that changes while it is parsed is not text. What it claims is checked before anything is allocated by it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
};

use safetensors::tensor::{Metadata, TensorInfo};
use serde::de::IgnoredAny;

use super::names::canonical;
use crate::entries::Entries;

/// Bytes before the header: its length, as a little-endian `u64`.
const LENGTH_BYTES: u64 = 8;

/// The longest header that the format's own reader takes, in bytes.
const LONGEST: u64 = 100_000_000;

/// A header that has been checked against the length of its file.
pub(super) struct Header {
    /// By [canonical] name.
    pub(super) tensors: HashMap<String, TensorInfo>,
    /// Where the tensors' bytes begin.
    pub(super) data: usize,
    /// Where they end, which is where the file ends.
    pub(super) end: usize,
}

impl Header {
    /// Reads the header of `file`, which is at its beginning; the inner error says what is wrong with it.
    ///
    /// # Errors
    /// Whatever the system says on reading.
    pub(super) fn read(file: &mut File) -> io::Result<Result<Self, String>> {
        let bytes = file.metadata()?.len();
        let mut first = Vec::new();
        file.take(LENGTH_BYTES).read_to_end(&mut first)?;
        let Ok(length) = <[u8; LENGTH_BYTES as usize]>::try_from(first) else {
            return Ok(Err(format!("it has {bytes} bytes, too few for a header")));
        };
        let length = u64::from_le_bytes(length);
        if length > LONGEST.min(bytes.saturating_sub(LENGTH_BYTES)) {
            return Ok(Err(format!("it claims a header of {length} bytes, and has {bytes} in all")));
        }
        let mut text = Vec::new();
        file.take(length).read_to_end(&mut text)?;
        Ok(Self::parse(&text, bytes))
    }

    fn parse(text: &[u8], bytes: u64) -> Result<Self, String> {
        // Of two tensors of one name, the format's own reader would keep one.
        let Entries::<IgnoredAny>(names) =
            serde_json::from_slice(text).map_err(|error| format!("its header: {error}"))?;
        let metadata: Metadata =
            serde_json::from_slice(text).map_err(|error| format!("its header: {error}"))?;
        let data = LENGTH_BYTES + text.len() as u64;
        let claimed = data.saturating_add(metadata.data_len() as u64);
        if claimed != bytes {
            return Err(format!("its header describes {claimed} bytes, and it has {bytes}"));
        }
        let mut tensors = HashMap::with_capacity(names.len());
        for (name, info) in metadata.tensors() {
            let name = canonical(&name).into_owned();
            if tensors.contains_key(&name) {
                return Err(format!("it has two tensors that would both be `{name}`"));
            }
            tensors.insert(name, info.clone());
        }
        Ok(Self { tensors, data: data as usize, end: claimed as usize })
    }
}
