//! The tensors at hand against those that the model needs: names, shapes, dtypes, and every number finite.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
    sync::Arc,
};

use zoomr_core::weight::{StoredWeight, WeightFormat};

use super::{
    error::WeightsError,
    file::{Element, Tensor, WeightFile},
    names::{EMBEDDING, HEAD},
};
use crate::config::TensorSpec;

/// Numbers looked at between two tests for an early end; long enough for the inner loop to vectorise.
const BLOCK: usize = 4096;

/// That every tensor needed is there, and no other.
pub(super) fn names(
    dir: &Path,
    found: &BTreeMap<String, Arc<WeightFile>>,
    needed: &[TensorSpec],
) -> Result<(), WeightsError> {
    let needed: BTreeSet<&str> = needed.iter().map(|spec| spec.name.as_str()).collect();
    let missing: Vec<&str> = needed.iter().copied().filter(|name| !found.contains_key(*name)).collect();
    if !missing.is_empty() {
        return Err(WeightsError::missing(dir, missing));
    }
    let extra: Vec<&str> = found
        .keys()
        .map(String::as_str)
        .filter(|name| !needed.contains(name) && !is_harmless(name, found))
        .collect();
    if !extra.is_empty() {
        return Err(WeightsError::unexpected(dir, extra));
    }
    Ok(())
}

/// Tensors that some checkpoints hold without need: RoPE's frequencies, which follow from the configuration, and the
/// output head where it is the embedding.
fn is_harmless(name: &str, found: &BTreeMap<String, Arc<WeightFile>>) -> bool {
    name.ends_with(".rotary_emb.inv_freq") || (name == HEAD && !has_own_head(found))
}

/// Whether an output head is stored that is another matrix than the embedding.
pub(super) fn has_own_head(found: &BTreeMap<String, Arc<WeightFile>>) -> bool {
    let tensor = |name: &str| {
        let file = found.get(name)?;
        let tensor = file.tensor(name)?;
        Some((&tensor.element, &tensor.shape, file.bytes_of(name)?))
    };
    tensor(HEAD).is_some_and(|head| tensor(EMBEDDING) != Some(head))
}

/// One tensor, as the model will use it.
pub(super) fn tensor(file: &Arc<WeightFile>, spec: &TensorSpec) -> Result<StoredWeight, WeightsError> {
    let (tensor, format) = header(file, spec)?;
    check_finite(file, spec, format, tensor.bytes.clone())?;
    let columns = spec.shape.last().copied().unwrap_or(1);
    let rows = spec.shape.iter().rev().skip(1).product();
    let damaged = |problem: String| WeightsError::Damaged { path: file.path().to_owned(), problem };
    let stored = StoredWeight::new(file.clone(), tensor.bytes.clone(), format, rows, columns)
        .map_err(|problem| damaged(format!("tensor `{}`: {problem}", spec.name)))?;
    let Some(interleaved) = tensor.interleaved else { return Ok(stored) };
    // A vector, which is a matrix of one row, has one number for each row of the matrix that it belongs to.
    let row = if spec.shape.len() == 1 { format.block_bytes() } else { stored.row_bytes() };
    let ordered = interleaved.undo(stored.bytes(), row);
    let ordered =
        ordered.ok_or_else(|| damaged(format!("the rows of tensor `{}` are no whole heads", spec.name)))?;
    let all = 0..ordered.len();
    StoredWeight::new(Arc::new(ordered), all, format, rows, columns)
        .map_err(|problem| damaged(problem.to_string()))
}

/// A tensor's place and format, where its header fits the model; its numbers are not looked at.
pub(super) fn header<'a>(
    file: &'a WeightFile,
    spec: &TensorSpec,
) -> Result<(&'a Tensor, WeightFormat), WeightsError> {
    let path = file.path();
    let tensor = file.tensor(&spec.name).ok_or_else(|| WeightsError::missing(path, [&spec.name]))?;
    if tensor.shape != spec.shape {
        return Err(WeightsError::Shape {
            path: path.to_owned(),
            tensor: spec.name.clone(),
            found: tensor.shape.clone(),
            expected: spec.shape.clone(),
        });
    }
    match &tensor.element {
        Element::Known(format) => Ok((tensor, *format)),
        Element::Other { name, advice } => {
            let (path, tensor) = (path.to_owned(), spec.name.clone());
            Err(WeightsError::Dtype { path, tensor, found: name.clone(), advice })
        }
    }
}

fn check_finite(
    file: &Arc<WeightFile>,
    spec: &TensorSpec,
    dtype: WeightFormat,
    bytes: Range<usize>,
) -> Result<(), WeightsError> {
    let element = (**file).as_ref().get(bytes).and_then(|bytes| first_not_finite(bytes, dtype));
    element.map_or(Ok(()), |element| {
        let (path, tensor) = (file.path().to_owned(), spec.name.clone());
        Err(WeightsError::NotFinite { path, tensor, element })
    })
}

/// The first NaN or infinity: a number whose exponent bits are all set. No conversion to floats, so that
/// the scan runs at memory speed. Of blocks, the first whose scale or minimum is one, at its first number.
fn first_not_finite(bytes: &[u8], format: WeightFormat) -> Option<usize> {
    const HALF: u16 = 0x7c00;
    let half = |exponent: u16| move |number: &[u8; 2]| u16::from_le_bytes(*number) & exponent == exponent;
    match format {
        WeightFormat::F32 => {
            const EXPONENT: u32 = 0x7f80_0000;
            let bad = |number: &[u8; 4]| u32::from_le_bytes(*number) & EXPONENT == EXPONENT;
            first(bytes.as_chunks().0, bad)
        }
        WeightFormat::F16 => first(bytes.as_chunks().0, half(HALF)),
        WeightFormat::Bf16 => first(bytes.as_chunks().0, half(0x7f80)),
        blocks => {
            let bad = half(HALF);
            let scales = scales(blocks);
            let is_bad = |block: &[u8]| scales.iter().any(|at| bad(&[block[*at], block[at + 1]]));
            let block = bytes.chunks_exact(blocks.block_bytes()).position(is_bad)?;
            Some(block * blocks.block_len())
        }
    }
}

/// Where in a block its half-precision numbers begin.
fn scales(format: WeightFormat) -> &'static [usize] {
    match format {
        WeightFormat::F32 | WeightFormat::F16 | WeightFormat::Bf16 => &[],
        WeightFormat::Q8_0 | WeightFormat::Q4_0 | WeightFormat::Q5_0 => &[0],
        WeightFormat::Q4_1 | WeightFormat::Q5_1 | WeightFormat::Q4K | WeightFormat::Q5K => &[0, 2],
        WeightFormat::Q6K => &[208],
    }
}

/// The first number that is `bad`, block by block: inside a block there is no branch.
fn first<T>(numbers: &[T], bad: impl Fn(&T) -> bool) -> Option<usize> {
    let block =
        numbers.chunks(BLOCK).position(|block| block.iter().fold(false, |any, number| any | bad(number)))?;
    let within = numbers[block * BLOCK..].iter().position(bad)?;
    Some(block * BLOCK + within)
}

#[cfg(test)]
mod tests {
    use half::{bf16, f16};

    use super::*;

    #[test]
    fn finds_the_first_number_that_is_not_finite() {
        let mut values = vec![1.0f32; 3 * BLOCK + 7];
        assert_eq!(first_not_finite(&f32_bytes(&values), WeightFormat::F32), None);
        for (at, value) in [(3 * BLOCK + 6, f32::NAN), (BLOCK, f32::NEG_INFINITY), (0, f32::INFINITY)] {
            values[at] = value;
            assert_eq!(first_not_finite(&f32_bytes(&values), WeightFormat::F32), Some(at));
        }
    }

    #[test]
    fn the_largest_finite_numbers_pass() {
        let half = [f16::MAX, f16::MIN, f16::MIN_POSITIVE_SUBNORMAL].map(f16::to_bits);
        let brain = [bf16::MAX, bf16::MIN, bf16::MIN_POSITIVE_SUBNORMAL].map(bf16::to_bits);
        assert_eq!(first_not_finite(&u16_bytes(&half), WeightFormat::F16), None);
        assert_eq!(first_not_finite(&u16_bytes(&brain), WeightFormat::Bf16), None);
        assert_eq!(first_not_finite(&f32_bytes(&[f32::MAX, f32::MIN]), WeightFormat::F32), None);
        assert_eq!(first_not_finite(&u16_bytes(&[0, f16::NAN.to_bits()]), WeightFormat::F16), Some(1));
        assert_eq!(first_not_finite(&u16_bytes(&[0, bf16::NAN.to_bits()]), WeightFormat::Bf16), Some(1));
    }

    #[test]
    fn every_number_of_a_block_is_finite_if_its_scales_are() {
        for format in WeightFormat::ALL.into_iter().filter(|format| !format.is_float()) {
            // Three blocks in which every byte is 1: scales are small numbers.
            let sound = vec![1; 3 * format.block_bytes()];
            assert_eq!(first_not_finite(&sound, format), None, "{format}");
            for at in 0..format.block_bytes() - 1 {
                let mut bytes = sound.clone();
                bytes[format.block_bytes() + at..][..2].copy_from_slice(&f16::INFINITY.to_le_bytes());
                let numbers = zoomr_core::weight::decode(format, &bytes);
                let is_sound = numbers.iter().all(|number| number.is_finite());
                assert_eq!(first_not_finite(&bytes, format).is_none(), is_sound, "{format} {at}");
            }
        }
    }

    fn f32_bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn u16_bytes(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}
