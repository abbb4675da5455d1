//! The numbers of stored weights, one after another: slow, plain, and what every faster product is tested against.
//!
//! The layouts are those of ggml (`ggml-common.h`, `ggml-quants.c`). `d` and `m` are scales and minima as f16, `q` whole
//! numbers:
//!
//! | format       | bytes of a block                                     | a number                              |
//! |--------------|------------------------------------------------------|---------------------------------------|
//! | q8_0         | d, 32 x i8                                           | `d q`                                 |
//! | q4_0, q5_0   | d, (32 fifth bits,) 16 bytes of two nibbles each     | `d (q - 8)`, `d (q - 16)`             |
//! | q4_1, q5_1   | d, m, (32 fifth bits,) 16 bytes of two nibbles each  | `d q + m`                             |
//! | q4_K, q5_K   | d, m, 12 bytes of scales, (32 bytes of fifth bits,) 128 bytes of two nibbles each | `d s q - m t` |
//! | q6_K         | 128 bytes of two nibbles, 64 of four upper pairs of bits, 16 x i8 scales, d | `d s (q - 32)` |
//!
//! In a byte of two nibbles the lower one belongs to the first half of its group, the upper one to the second half.

use half::{bf16, f16};

use super::WeightFormat;

/// The numbers of `bytes`, whole blocks of `format`; exact for floats, in f32 arithmetic for blocks.
pub fn decode(format: WeightFormat, bytes: &[u8]) -> Vec<f32> {
    let mut out = Vec::with_capacity(bytes.len() / format.block_bytes() * format.block_len());
    for block in bytes.chunks_exact(format.block_bytes()) {
        decode_block(format, block, &mut out);
    }
    out
}

fn decode_block(format: WeightFormat, block: &[u8], out: &mut Vec<f32>) {
    match format {
        WeightFormat::F32 => out.extend(block.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
        WeightFormat::F16 => out.push(half_at(block, 0)),
        WeightFormat::Bf16 => out.push(bf16::from_le_bytes([block[0], block[1]]).to_f32()),
        WeightFormat::Q8_0 => {
            let d = half_at(block, 0);
            out.extend(block[2..].iter().map(|&q| d * f32::from(q as i8)));
        }
        WeightFormat::Q4_0 => small(half_at(block, 0), -8.0, 0.0, &[], &block[2..], out),
        WeightFormat::Q5_0 => small(half_at(block, 0), -16.0, 0.0, &block[2..6], &block[6..], out),
        WeightFormat::Q4_1 => small(half_at(block, 0), 0.0, half_at(block, 2), &[], &block[4..], out),
        WeightFormat::Q5_1 => {
            small(half_at(block, 0), 0.0, half_at(block, 2), &block[4..8], &block[8..], out);
        }
        WeightFormat::Q4K => groups_of_32(block, &[], &block[16..], out),
        WeightFormat::Q5K => groups_of_32(block, &block[16..48], &block[48..], out),
        WeightFormat::Q6K => groups_of_16(block, out),
    }
}

/// The half-precision number at byte `at`.
fn half_at(bytes: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([bytes[at], bytes[at + 1]]).to_f32()
}

/// A block of 32 numbers `d (q + shift) + min`, whose fifth bits, if any, are `high`.
fn small(d: f32, shift: f32, min: f32, high: &[u8], nibbles: &[u8], out: &mut Vec<f32>) {
    for j in 0..32 {
        let nibble = if j < 16 { nibbles[j] & 15 } else { nibbles[j - 16] >> 4 };
        let fifth = high.get(j / 8).map_or(0, |bits| bits >> (j % 8) & 1);
        out.push(d * (f32::from(nibble | fifth << 4) + shift) + min);
    }
}

/// Scale and minimum of group `group` (of 8) in the 12 bytes that q4_K and q5_K pack them in, 6 bits each.
pub fn scale_and_min(packed: &[u8], group: usize) -> [u8; 2] {
    if group < 4 {
        return [packed[group] & 63, packed[group + 4] & 63];
    }
    let low = packed[group + 4];
    [low & 15 | packed[group - 4] >> 6 << 4, low >> 4 | packed[group] >> 6 << 4]
}

/// 256 numbers in eight groups; two groups share 32 bytes of nibbles, and each has one bit in every byte of `high`.
fn groups_of_32(block: &[u8], high: &[u8], nibbles: &[u8], out: &mut Vec<f32>) {
    let (d, min) = (half_at(block, 0), half_at(block, 2));
    for group in 0..8 {
        let [scale, lower] = scale_and_min(&block[4..16], group).map(f32::from);
        for j in 0..32 {
            let byte = nibbles[group / 2 * 32 + j];
            let nibble = if group % 2 == 0 { byte & 15 } else { byte >> 4 };
            let fifth = high.get(j).map_or(0, |bits| bits >> group & 1);
            out.push(d * scale * f32::from(nibble | fifth << 4) - min * lower);
        }
    }
}

/// 256 numbers in sixteen groups of q6_K. In each half of the block four runs of 32 share 64 bytes of nibbles and 32 of upper
/// bits.
fn groups_of_16(block: &[u8], out: &mut Vec<f32>) {
    let d = half_at(block, 208);
    for half in 0..2 {
        let (nibbles, upper) = (&block[half * 64..][..64], &block[128 + half * 32..][..32]);
        for run in 0..4 {
            for j in 0..32 {
                let byte = nibbles[run % 2 * 32 + j];
                let nibble = if run < 2 { byte & 15 } else { byte >> 4 };
                let q = nibble | (upper[j] >> (2 * run) & 3) << 4;
                let scale = block[192 + half * 8 + run * 2 + j / 16] as i8;
                out.push(d * f32::from(scale) * (f32::from(q) - 32.0));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block whose bytes are `7 i + 3`, but for its scales: 0.5, and 0.25 for a minimum.
    fn block(format: WeightFormat) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..format.block_bytes()).map(|i| (7 * i + 3) as u8).collect();
        let (d, min) = (f16::from_f32(0.5).to_le_bytes(), f16::from_f32(0.25).to_le_bytes());
        match format {
            WeightFormat::Q6K => bytes[208..].copy_from_slice(&d),
            WeightFormat::Q8_0 | WeightFormat::Q4_0 | WeightFormat::Q5_0 => bytes[..2].copy_from_slice(&d),
            _ => bytes[..4].copy_from_slice(&[d, min].concat()),
        }
        bytes
    }

    /// Made by the Python package `gguf` 0.19 (`gguf.quants.dequantize`) of the same bytes: the first, a middle and the last
    /// number, and the sum of `(i + 1) x_i`.
    const GGUF: [(WeightFormat, [f64; 4]); 8] = [
        (WeightFormat::Q8_0, [8.5, -60.0, -11.0, -7496.0]),
        (WeightFormat::Q4_0, [-3.5, -3.5, -0.5, -762.5]),
        (WeightFormat::Q4_1, [7.75, 1.25, 4.25, 1608.0]),
        (WeightFormat::Q5_0, [6.5, 1.5, -3.5, -859.5]),
        (WeightFormat::Q5_1, [13.75, 2.25, 5.25, 3723.0]),
        (WeightFormat::Q4K, [31.75, 33.75, 78.5, 2264328.0]),
        (WeightFormat::Q5K, [279.75, 89.75, 66.5, 4771184.0]),
        (WeightFormat::Q6K, [636.5, 615.0, 1050.0, -1942852.0]),
    ];

    #[test]
    fn numbers_are_those_of_ggml() {
        for (format, [first, middle, last, sum]) in GGUF {
            let numbers = decode(format, &block(format));
            let weighted =
                numbers.iter().enumerate().map(|(i, x)| (i + 1) as f64 * f64::from(*x)).sum::<f64>();
            let len = format.block_len();
            assert_eq!(numbers.len(), len);
            let found = [numbers[0], numbers[len / 2 + 1], numbers[len - 1]].map(f64::from);
            assert_eq!((format, found, weighted), (format, [first, middle, last], sum));
        }
    }
}
