//! What keys and values are stored as: exact in f32, or rounded to half of its size or a quarter.
//!
//! A token's key or value of one KV head is a *vector*; a dtype says what bytes it lies in. What is stored is what is
//! attended to: kernels read the rounded numbers, and add up in f32.
//!
//! `q8` is laid out as GGUF's `Q8_0`: blocks of 32 elements, each a scale in f16 followed by the elements as whole
//! numbers of eight bits, which the scale multiplies. Unlike there, the last block may be shorter, since a model's heads may
//! have any number of elements, and scales are rounded up, so that no number up to 127 times 65,504 is cut off, and none
//! further from what it stands for than half a scale.

use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// Elements of a block of [`KvDtype::Q8`] that share a scale.
pub const Q8_BLOCK: usize = 32;

/// Bytes of a block's scale.
pub const Q8_SCALE: usize = size_of::<f16>();

/// The largest whole number of a block of [`KvDtype::Q8`]; its negative is the smallest.
const LARGEST: f32 = 127.0;

/// The element type of stored keys and values, little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KvDtype {
    /// IEEE 754 single precision.
    #[default]
    F32,
    /// IEEE 754 half precision; finite numbers beyond its range, 65,504, become that.
    F16,
    /// The upper half of an [`KvDtype::F32`]: its range, and 8 bits of precision.
    Bf16,
    /// Whole numbers of eight bits, blocks of which have a scale. A block that holds an infinity or NaN is NaN.
    Q8,
}

named!(KvDtype, "kv", F32 => "f32", F16 => "f16", Bf16 => "bf16", Q8 => "q8");

impl KvDtype {
    /// Bytes of a vector of `elements`.
    ///
    /// ```
    /// use zoomr_core::kv::KvDtype;
    /// assert_eq!(KvDtype::ALL.iter().map(|kv| kv.bytes(64)).collect::<Vec<_>>(), [256, 128, 128, 68]);
    /// ```
    pub fn bytes(self, elements: usize) -> usize {
        match self {
            Self::F32 => elements * size_of::<f32>(),
            Self::F16 | Self::Bf16 => elements * size_of::<f16>(),
            Self::Q8 => elements + elements.div_ceil(Q8_BLOCK) * Q8_SCALE,
        }
    }

    /// Writes `vector` to `bytes`, [`bytes(vector.len())`](Self::bytes) of them. NaN stays NaN.
    pub fn encode(self, vector: &[f32], bytes: &mut [u8]) {
        debug_assert_eq!(bytes.len(), self.bytes(vector.len()));
        match self {
            Self::F32 => each(vector, bytes, f32::to_le_bytes),
            Self::F16 => each(vector, bytes, |x| f16::from_f32(within(x, f16::MAX.to_f32())).to_le_bytes()),
            Self::Bf16 => {
                each(vector, bytes, |x| bf16::from_f32(within(x, bf16::MAX.to_f32())).to_le_bytes());
            }
            Self::Q8 => {
                let blocks = bytes.chunks_mut(Q8_SCALE + Q8_BLOCK);
                vector.chunks(Q8_BLOCK).zip(blocks).for_each(|(block, bytes)| encode_block(block, bytes));
            }
        }
    }

    /// Writes the numbers that `bytes` hold to `vector`; exact.
    pub fn decode(self, bytes: &[u8], vector: &mut [f32]) {
        debug_assert_eq!(bytes.len(), self.bytes(vector.len()));
        match self {
            Self::F32 => from_each(bytes, vector, f32::from_le_bytes),
            Self::F16 => from_each(bytes, vector, |x| f16::from_le_bytes(x).to_f32()),
            Self::Bf16 => from_each(bytes, vector, |x| bf16::from_le_bytes(x).to_f32()),
            Self::Q8 => {
                let blocks = bytes.chunks(Q8_SCALE + Q8_BLOCK);
                vector.chunks_mut(Q8_BLOCK).zip(blocks).for_each(|(block, bytes)| decode_block(bytes, block));
            }
        }
    }

    /// Replaces the vectors of so many `elements` in `vectors` by what is left of them once they were stored.
    pub fn round(self, vectors: &mut [f32], elements: usize) {
        let mut bytes = vec![0; self.bytes(elements)];
        for vector in vectors.chunks_exact_mut(elements) {
            self.encode(vector, &mut bytes);
            self.decode(&bytes, vector);
        }
    }
}

fn each<const N: usize>(vector: &[f32], bytes: &mut [u8], encode: impl Fn(f32) -> [u8; N]) {
    bytes.as_chunks_mut().0.iter_mut().zip(vector).for_each(|(bytes, x)| *bytes = encode(*x));
}

fn from_each<const N: usize>(bytes: &[u8], vector: &mut [f32], decode: impl Fn([u8; N]) -> f32) {
    bytes.as_chunks().0.iter().zip(vector).for_each(|(bytes, x)| *x = decode(*bytes));
}

/// A finite number as near to `x` as `largest` allows: rounding alone would make an infinity of what is beyond.
fn within(x: f32, largest: f32) -> f32 {
    if x.is_finite() { x.clamp(-largest, largest) } else { x }
}

/// Writes a block's scale and numbers.
fn encode_block(block: &[f32], bytes: &mut [u8]) {
    let scale = scale_of(block);
    let (head, numbers) = bytes.split_at_mut(Q8_SCALE);
    head.copy_from_slice(&scale.to_le_bytes());
    let step = scale.to_f32();
    for (number, x) in numbers.iter_mut().zip(block) {
        let whole = if step == 0.0 { 0.0 } else { (x / step).round().clamp(-LARGEST, LARGEST) };
        *number = (whole as i8).cast_unsigned();
    }
}

/// The least scale by which the numbers of a block fit eight bits; NaN where one of them is not finite.
fn scale_of(block: &[f32]) -> f16 {
    if block.iter().any(|x| !x.is_finite()) {
        return f16::NAN;
    }
    let largest = block.iter().fold(0.0, |a: f32, x| a.max(x.abs()));
    let exact = (largest / LARGEST).min(f16::MAX.to_f32());
    let near = f16::from_f32(exact);
    // The next number up: bits of positive numbers are in their order.
    if near.to_f32() < exact { f16::from_bits(near.to_bits() + 1) } else { near }
}

fn decode_block(bytes: &[u8], block: &mut [f32]) {
    let (head, numbers) = bytes.split_at(Q8_SCALE);
    let scale = f16::from_le_bytes([head[0], head[1]]).to_f32();
    numbers.iter().zip(block).for_each(|(number, x)| *x = f32::from(number.cast_signed()) * scale);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stored(kv: KvDtype, vector: &[f32]) -> Vec<f32> {
        let mut rounded = vector.to_vec();
        kv.round(&mut rounded, vector.len());
        rounded
    }

    /// Finite numbers of every size.
    fn vectors() -> impl Strategy<Value = Vec<f32>> {
        let exponents = prop_oneof![Just(0), -140..120];
        (prop::collection::vec(-1.0_f32..1.0, 1..100), exponents)
            .prop_map(|(vector, e)| vector.into_iter().map(|x| x * 2_f32.powi(e)).collect())
    }

    proptest! {
        #[test]
        fn what_a_dtype_holds_it_gives_back(vector in vectors()) {
            for &kv in KvDtype::ALL {
                let once = stored(kv, &vector);
                // A scale is made from the largest of a block, which the rounding of scales may have moved.
                if kv != KvDtype::Q8 {
                    prop_assert_eq!(&stored(kv, &once), &once, "{}", kv);
                }
                prop_assert!(once.iter().all(|x| x.is_finite()), "{kv}: {once:?}");
            }
            prop_assert_eq!(stored(KvDtype::F32, &vector), vector);
        }

        #[test]
        fn halves_are_the_nearest(vector in vectors()) {
            let (f16s, bf16s) = (stored(KvDtype::F16, &vector), stored(KvDtype::Bf16, &vector));
            for ((x, f), b) in vector.iter().zip(f16s).zip(bf16s) {
                if x.abs() <= 65_504.0 {
                    prop_assert_eq!(f, f16::from_f32(*x).to_f32());
                }
                prop_assert_eq!(b, bf16::from_f32(*x).to_f32());
            }
        }

        #[test]
        fn q8_errs_by_half_a_scale_at_most(vector in vectors()) {
            for (block, found) in vector.chunks(Q8_BLOCK).zip(stored(KvDtype::Q8, &vector).chunks(Q8_BLOCK)) {
                let scale = f64::from(scale_of(block).to_f32());
                let largest = block.iter().fold(0.0, |a: f32, x| a.max(x.abs()));
                // As large as f16 goes, or as small as a block can have, but for what dividing by it rounds.
                let least = scale <= f64::from(largest) / 127.0 * (1.0 + 2e-3) + 2_f64.powi(-24);
                prop_assert!(largest > 65_504.0 * 127.0 || least, "{scale} for {largest}");
                for (x, y) in block.iter().zip(found).filter(|(x, _)| x.abs() <= 65_504.0 * 127.0) {
                    let error = (f64::from(*x) - f64::from(*y)).abs();
                    prop_assert!(error <= scale / 2.0 * (1.0 + 1e-4), "{x} became {y}, scale {scale}");
                }
            }
        }
    }

    #[test]
    fn what_is_beyond_a_range_is_its_end() {
        let beyond = [1e5, -7e4, f32::MAX, -f32::MAX, 65_519.9];
        let largest = 65_504.0;
        assert_eq!(stored(KvDtype::F16, &beyond), [largest, -largest, largest, -largest, largest]);
        let largest = bf16::MAX.to_f32();
        assert_eq!(stored(KvDtype::Bf16, &beyond)[2..4], [largest, -largest]);
        assert_eq!(stored(KvDtype::Q8, &beyond)[2..4], [65_504.0 * 127.0, -65_504.0 * 127.0]);
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for &kv in KvDtype::ALL {
            assert!(stored(kv, &[1.0, f32::NAN])[1].is_nan(), "{kv}");
            assert!(!stored(kv, &[1.0, f32::NEG_INFINITY])[1].is_finite(), "{kv}");
        }
        // Blocks have nothing to do with one another.
        let mut vector = [2.0; 40];
        vector[35] = f32::INFINITY;
        let found = stored(KvDtype::Q8, &vector);
        assert!(found[..32].iter().all(|x| (x - 2.0).abs() < 0.01) && found[32..].iter().all(|x| x.is_nan()));
    }

    #[test]
    fn a_block_is_as_gguf_has_it() {
        let vector: Vec<f32> = (0..33).map(|i| (i as f32 - 16.0) * 127.0 / 16.0).collect();
        let mut bytes = [0; 34 + 3];
        KvDtype::Q8.encode(&vector, &mut bytes);
        assert_eq!(bytes[..2], f16::from_f32(1.0).to_le_bytes());
        assert_eq!([bytes[2], bytes[18]].map(u8::cast_signed), [-127, 0]);
        assert_eq!((bytes[36].cast_signed(), &bytes[34..36]), (127, &f16::from_f32(1.0).to_le_bytes()[..]));
        assert_eq!(stored(KvDtype::Q8, &[0.0, -0.0]), [0.0, 0.0]);
    }
}
