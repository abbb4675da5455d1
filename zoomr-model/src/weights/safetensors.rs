//! Files in safetensors: what their tensors are called, and where they lie.
//!
//! It is read into memory of its own, never parsed from the map: another program may write to the file at any time,
//! and text that changes while it is parsed is not text. What it claims is checked before anything is allocated by it.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use serde::de::IgnoredAny;
use zoomr_core::weight::WeightFormat;

use super::{
    error::WeightsError,
    file::{Element, Tensor, Tensors, WeightFile},
    names::canonical,
};
use crate::entries::Entries;

/// Bytes before the header: its length, as a little-endian `u64`.
const LENGTH_BYTES: u64 = 8;

/// The longest header that the format's own reader takes, in bytes.
const LONGEST: u64 = 100_000_000;

/// What is done about numbers that zoomr does not read.
const ADVICE: &str = "F32, F16 and BF16 are supported: convert the checkpoint";

/// Reads a file's header and maps the file.
pub(super) fn open(path: PathBuf) -> Result<WeightFile, WeightsError> {
    let opened = || -> io::Result<_> {
        let mut file = File::open(&path)?;
        let header = Header::read(&mut file)?;
        Ok((header, file))
    };
    match opened() {
        Err(error) => Err(WeightsError::Read { path, error }),
        Ok((Err(problem), _)) => Err(WeightsError::Damaged { path, problem }),
        Ok((Ok(Header { tensors, end }), file)) => WeightFile::new(path, &file, tensors, end),
    }
}

/// A header that has been checked against the length of its file.
struct Header {
    /// By [canonical] name.
    tensors: Tensors,
    /// Where the tensors' bytes end, which is where the file ends.
    end: usize,
}

impl Header {
    /// Reads the header of `file`, which is at its beginning; the inner error says what is wrong with it.
    ///
    /// # Errors
    /// Whatever the system says on reading.
    fn read(file: &mut File) -> io::Result<Result<Self, String>> {
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
        let mut tensors = Tensors::with_capacity(names.len());
        for (name, info) in metadata.tensors() {
            let name = canonical(&name).into_owned();
            if tensors.contains_key(&name) {
                return Err(format!("it has two tensors that would both be `{name}`"));
            }
            tensors.insert(name, tensor(info, data as usize));
        }
        Ok(Self { tensors, end: claimed as usize })
    }
}

/// A tensor of a file whose tensors begin at byte `data`.
fn tensor(info: &TensorInfo, data: usize) -> Tensor {
    let (start, end) = info.data_offsets;
    let element = match info.dtype {
        Dtype::F32 => Element::Known(WeightFormat::F32),
        Dtype::F16 => Element::Known(WeightFormat::F16),
        Dtype::BF16 => Element::Known(WeightFormat::Bf16),
        other => Element::Other { name: format!("{other:?}"), advice: ADVICE },
    };
    Tensor { element, shape: info.shape.clone(), bytes: data + start..data + end, interleaved: None }
}
