//! The tensors at hand against those that the model needs: names, shapes, dtypes, and every number finite.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::Path,
    sync::Arc,
};

use safetensors::Dtype;
use zoomr_core::weight::{StoredWeight, WeightFormat};

use super::{
    error::WeightsError,
    file::WeightFile,
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
        let (dtype, shape, _) = file.tensor(name)?;
        Some((dtype, shape, file.bytes_of(name)?))
    };
    tensor(HEAD).is_some_and(|head| tensor(EMBEDDING) != Some(head))
}

/// One tensor, as the model will use it.
pub(super) fn tensor(file: &Arc<WeightFile>, spec: &TensorSpec) -> Result<StoredWeight, WeightsError> {
    let (stored, bytes) = header(file, spec)?;
    check_finite(file, spec, stored, bytes.clone())?;
    let columns = spec.shape.last().copied().unwrap_or(1);
    let rows = spec.shape.iter().rev().skip(1).product();
    StoredWeight::new(file.clone(), bytes, stored, rows, columns).map_err(|problem| WeightsError::Damaged {
        path: file.path().to_owned(),
        problem: problem.to_string(),
    })
}

/// A tensor's dtype and place, where its header fits the model; its numbers are not looked at.
pub(super) fn header(
    file: &WeightFile,
    spec: &TensorSpec,
) -> Result<(WeightFormat, Range<usize>), WeightsError> {
    let path = file.path();
    let (dtype, shape, bytes) =
        file.tensor(&spec.name).ok_or_else(|| WeightsError::missing(path, [&spec.name]))?;
    if shape != spec.shape {
        return Err(WeightsError::Shape {
            path: path.to_owned(),
            tensor: spec.name.clone(),
            found: shape.to_vec(),
            expected: spec.shape.clone(),
        });
    }
    let stored = match dtype {
        Dtype::F32 => WeightFormat::F32,
        Dtype::F16 => WeightFormat::F16,
        Dtype::BF16 => WeightFormat::Bf16,
        found => {
            let (path, tensor) = (path.to_owned(), spec.name.clone());
            return Err(WeightsError::Dtype { path, tensor, found: format!("{found:?}") });
        }
    };
    Ok((stored, bytes))
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
/// the scan runs at memory speed.
fn first_not_finite(bytes: &[u8], dtype: WeightFormat) -> Option<usize> {
    let half = |exponent: u16| move |number: &[u8; 2]| u16::from_le_bytes(*number) & exponent == exponent;
    match dtype {
        WeightFormat::F32 => {
            const EXPONENT: u32 = 0x7f80_0000;
            let bad = |number: &[u8; 4]| u32::from_le_bytes(*number) & EXPONENT == EXPONENT;
            first(bytes.as_chunks().0, bad)
        }
        WeightFormat::F16 => first(bytes.as_chunks().0, half(0x7c00)),
        WeightFormat::Bf16 => first(bytes.as_chunks().0, half(0x7f80)),
        _ => None,
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

    fn f32_bytes(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    fn u16_bytes(values: &[u16]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }
}
