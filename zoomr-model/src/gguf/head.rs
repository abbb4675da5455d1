//! The head of one file: version, metadata, and what its tensors are called, how they are stored and where they lie.

use std::{collections::BTreeSet, fs::File, ops::Range};

use zoomr_core::weight::WeightFormat;

use super::{error::GgufProblem, metadata::Metadata, reader::Reader};

pub(super) const MAGIC: [u8; 4] = *b"GGUF";
/// Where tensors begin, in bytes: at multiples of this, where metadata says nothing else.
pub(super) const ALIGNMENT: u64 = 32;
/// The name of that entry.
pub(super) const ALIGNMENT_KEY: &str = "general.alignment";
/// The most dimensions that a tensor has.
const DIMENSIONS: u32 = 4;

/// ggml's numbers (`ggml.h`) for the formats that zoomr reads.
const FORMATS: [(u32, WeightFormat); 11] = [
    (0, WeightFormat::F32),
    (1, WeightFormat::F16),
    (2, WeightFormat::Q4_0),
    (3, WeightFormat::Q4_1),
    (6, WeightFormat::Q5_0),
    (7, WeightFormat::Q5_1),
    (8, WeightFormat::Q8_0),
    (12, WeightFormat::Q4K),
    (13, WeightFormat::Q5K),
    (14, WeightFormat::Q6K),
    (30, WeightFormat::Bf16),
];

/// The names of those that it does not read.
const OTHERS: [(u32, &str); 26] = [
    (9, "Q8_1"),
    (10, "Q2_K"),
    (11, "Q3_K"),
    (15, "Q8_K"),
    (16, "IQ2_XXS"),
    (17, "IQ2_XS"),
    (18, "IQ3_XXS"),
    (19, "IQ1_S"),
    (20, "IQ4_NL"),
    (21, "IQ3_S"),
    (22, "IQ2_S"),
    (23, "IQ4_XS"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (29, "IQ1_M"),
    (31, "Q4_0_4_4"),
    (32, "Q4_0_4_8"),
    (33, "Q4_0_8_8"),
    (34, "TQ1_0"),
    (35, "TQ2_0"),
    (39, "MXFP4"),
    (40, "NVFP4"),
    (41, "Q1_0"),
];

/// ggml's number for a format.
pub(super) fn code(format: WeightFormat) -> u32 {
    FORMATS.into_iter().find_map(|(code, known)| (known == format).then_some(code)).unwrap_or_default()
}

/// The head of a file, checked against the file's length.
#[derive(Debug)]
pub(crate) struct Head {
    pub(super) metadata: Metadata,
    pub(crate) tensors: Vec<TensorInfo>,
}

/// One tensor.
#[derive(Debug)]
pub(crate) struct TensorInfo {
    pub(crate) name: String,
    /// Rows first, as everywhere but in the file.
    pub(crate) shape: Vec<usize>,
    /// How it is stored; the name of a format that zoomr does not read.
    pub(crate) format: Result<WeightFormat, String>,
    /// Its bytes in the file; none of a format that zoomr does not read.
    pub(crate) bytes: Range<usize>,
}

impl Head {
    /// Reads the head of `file`, from its beginning.
    ///
    /// # Errors
    /// Where the file is none, or is damaged.
    pub(super) fn read(file: &File) -> Result<Self, GgufProblem> {
        let len = file.metadata()?.len();
        let mut reader = Reader::new(file, len);
        version(&mut reader)?;
        let (tensor_count, value_count) = (reader.u64()?, reader.u64()?);
        let metadata = Metadata::read(&mut reader, value_count)?;
        let alignment = match metadata.count(ALIGNMENT_KEY)? {
            None => ALIGNMENT,
            Some(bytes) if bytes.is_power_of_two() && bytes <= 1 << 20 => bytes,
            Some(bytes) => {
                return Err(GgufProblem::field(
                    ALIGNMENT_KEY,
                    format!("is {bytes}; it must be a power of two"),
                ));
            }
        };
        // A name, dimensions, a type and an offset.
        reader.check("tensors", tensor_count, 8 + 4 + 4 + 8)?;
        let mut tensors = Vec::new();
        for _ in 0..tensor_count {
            tensors.push(Stored::read(&mut reader)?);
        }
        let data = reader.at().next_multiple_of(alignment);
        let tensors = tensors.into_iter().map(|tensor| tensor.placed(data, alignment, len));
        let head = Self { metadata, tensors: tensors.collect::<Result<_, _>>()? };
        head.check_names()?;
        head.check_places()?;
        Ok(head)
    }

    fn check_names(&self) -> Result<(), GgufProblem> {
        let mut names = BTreeSet::new();
        match self.tensors.iter().find(|tensor| !names.insert(&tensor.name)) {
            Some(tensor) => Err(GgufProblem::Damaged(format!("tensor `{}` is there twice", tensor.name))),
            None => Ok(()),
        }
    }

    fn check_places(&self) -> Result<(), GgufProblem> {
        let mut sorted: Vec<&TensorInfo> =
            self.tensors.iter().filter(|tensor| !tensor.bytes.is_empty()).collect();
        sorted.sort_unstable_by_key(|tensor| tensor.bytes.start);
        match sorted.windows(2).find(|pair| pair[0].bytes.end > pair[1].bytes.start) {
            Some([one, other]) => Err(GgufProblem::Damaged(format!(
                "tensors `{}` and `{}` have bytes in common",
                one.name, other.name
            ))),
            _ => Ok(()),
        }
    }
}

fn version(reader: &mut Reader<&File>) -> Result<(), GgufProblem> {
    if reader.magic()? != MAGIC {
        return Err(GgufProblem::damaged("it does not begin with `GGUF`"));
    }
    match reader.u32()? {
        2 | 3 => Ok(()),
        1 => Err(GgufProblem::Unsupported(
            "is in version 1 of GGUF, of 2023; convert the model again, with llama.cpp of today".to_owned(),
        )),
        // Versions are small numbers: their upper half is empty unless the bytes are the other way round.
        version if version & 0xffff == 0 => Err(GgufProblem::Unsupported(
            "is big-endian; turn it round with llama.cpp's `gguf_convert_endian.py FILE little`".to_owned(),
        )),
        version => Err(GgufProblem::Unsupported(format!(
            "is in version {version} of GGUF; zoomr reads 2 and 3: convert the model again"
        ))),
    }
}

/// A tensor as the head describes it, before it is held against the file.
struct Stored {
    name: String,
    shape: Vec<u64>,
    code: u32,
    offset: u64,
}

impl Stored {
    fn read(reader: &mut Reader<&File>) -> Result<Self, GgufProblem> {
        let name = reader.text()?;
        let dimensions = reader.u32()?;
        if !(1..=DIMENSIONS).contains(&dimensions) {
            return Err(GgufProblem::Damaged(format!("tensor `{name}` has {dimensions} dimensions")));
        }
        let mut shape = Vec::new();
        for _ in 0..dimensions {
            shape.push(reader.u64()?);
        }
        shape.reverse();
        Ok(Self { name, shape, code: reader.u32()?, offset: reader.u64()? })
    }

    /// The tensor in a file of `len` bytes whose tensors begin at `data`.
    fn placed(self, data: u64, alignment: u64, len: u64) -> Result<TensorInfo, GgufProblem> {
        let Self { name, shape, code, offset } = self;
        let wrong = |what: String| GgufProblem::Damaged(format!("tensor `{name}` {what}"));
        if !offset.is_multiple_of(alignment) {
            return Err(wrong(format!("begins at {offset}, which is no multiple of {alignment}")));
        }
        let sizes: Option<Vec<usize>> = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
        let elements = shape.iter().try_fold(1u64, |product, size| product.checked_mul(*size));
        let (Some(sizes), Some(elements)) = (sizes, elements.filter(|count| *count <= i64::MAX as u64))
        else {
            return Err(wrong(format!("has the shape {shape:?}, of more numbers than can be counted")));
        };
        let Some((_, format)) = FORMATS.into_iter().find(|(known, _)| *known == code) else {
            let name_of = OTHERS.into_iter().find(|(known, _)| *known == code);
            let format = Err(name_of.map_or_else(|| format!("type-{code}"), |(_, name)| name.to_owned()));
            return Ok(TensorInfo { name, shape: sizes, format, bytes: 0..0 });
        };
        let row = shape.last().copied().unwrap_or(1);
        let (block_len, block_bytes) = (format.block_len() as u64, format.block_bytes() as u64);
        if !row.is_multiple_of(block_len) {
            return Err(wrong(format!(
                "has rows of {row} numbers, which are no whole blocks of {block_len} ({format})"
            )));
        }
        let bytes = (elements / block_len).checked_mul(block_bytes);
        let start = data.checked_add(offset);
        let end = start.zip(bytes).and_then(|(start, bytes)| start.checked_add(bytes));
        match start.zip(end.filter(|end| *end <= len)) {
            Some((start, end)) => {
                Ok(TensorInfo { name, shape: sizes, format: Ok(format), bytes: start as usize..end as usize })
            }
            None => Err(wrong(format!("lies beyond the file's {len} bytes"))),
        }
    }
}
