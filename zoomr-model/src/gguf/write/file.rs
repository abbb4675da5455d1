//! The bytes of a head: version 3, metadata, and the tensors in the order in which they follow.

use zoomr_core::weight::WeightFormat;

use crate::gguf::{
    head::{ALIGNMENT, MAGIC, code},
    metadata::{ARRAY, Kind, Metadata, Number, TEXT, Value},
};

/// A tensor that is to follow.
pub(super) struct Entry<'a> {
    pub(super) name: &'a str,
    /// Rows first; a row is whole blocks of the format.
    pub(super) shape: &'a [usize],
    pub(super) format: WeightFormat,
}

impl Entry<'_> {
    fn bytes(&self) -> u64 {
        let elements = self.shape.iter().product::<usize>();
        (elements / self.format.block_len() * self.format.block_bytes()) as u64
    }
}

/// The head, filled up to where the first tensor begins; each tensor is filled up in the same way.
pub(super) fn head(metadata: &Metadata, tensors: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((metadata.iter().len() as u64).to_le_bytes());
    for (name, value) in metadata.iter() {
        text(name, &mut bytes);
        put(value, &mut bytes);
    }
    let mut offset = 0u64;
    for tensor in tensors {
        text(tensor.name, &mut bytes);
        bytes.extend((tensor.shape.len() as u32).to_le_bytes());
        tensor.shape.iter().rev().for_each(|size| bytes.extend((*size as u64).to_le_bytes()));
        bytes.extend(code(tensor.format).to_le_bytes());
        bytes.extend(offset.to_le_bytes());
        offset += tensor.bytes().next_multiple_of(ALIGNMENT);
    }
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT as usize), 0);
    bytes
}

fn text(text: &str, bytes: &mut Vec<u8>) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

fn put(value: &Value, bytes: &mut Vec<u8>) {
    match value {
        Value::Number(kind, number) => {
            bytes.extend(kind.code().to_le_bytes());
            bytes.extend(kind.stored(*number));
        }
        Value::Text(own) => {
            bytes.extend(TEXT.to_le_bytes());
            text(own, bytes);
        }
        Value::Numbers(kind, numbers) => {
            array(kind.code(), numbers.len() / kind.bytes(), bytes);
            bytes.extend(numbers);
        }
        Value::Texts(texts) => {
            array(TEXT, texts.len(), bytes);
            texts.iter().for_each(|own| text(own, bytes));
        }
    }
}

fn array(code: u32, count: usize, bytes: &mut Vec<u8>) {
    bytes.extend(ARRAY.to_le_bytes());
    bytes.extend(code.to_le_bytes());
    bytes.extend((count as u64).to_le_bytes());
}

impl Kind {
    /// A number as this kind has it.
    fn stored(self, number: Number) -> Vec<u8> {
        let mut bytes = match (self, number) {
            (Self::F32, Number::Real(real)) => (real as f32).to_le_bytes().to_vec(),
            (_, Number::Real(real)) => real.to_le_bytes().to_vec(),
            (_, Number::Whole(whole)) => (whole as u64).to_le_bytes().to_vec(),
            (_, Number::Flag(flag)) => vec![u8::from(flag)],
        };
        bytes.resize(self.bytes(), 0);
        bytes
    }
}
