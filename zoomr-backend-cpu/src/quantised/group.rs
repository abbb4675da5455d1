//! Groups of 32 weights in plain loops, and products made of them.
//!
//! The layouts are those of [`decode`](zoomr_core::weight::decode), which this agrees with bit for bit in the whole numbers.

use half::f16;
use zoomr_core::weight::{WeightFormat, scale_and_min};

use super::{GROUP, Input};

/// 32 weights `scales[i / 16] * q[i] + min`.
pub(super) struct Group {
    pub(super) q: [i8; GROUP],
    pub(super) scales: [f32; 2],
    pub(super) min: f32,
}

impl Group {
    /// Group `g` of a block.
    pub(super) fn read(format: WeightFormat, block: &[u8], g: usize) -> Self {
        let half = |at: usize| f16::from_le_bytes([block[at], block[at + 1]]).to_f32();
        let even = |q, scale, min| Self { q, scales: [scale; 2], min };
        match format {
            WeightFormat::Q8_0 => even(std::array::from_fn(|i| block[2 + i] as i8), half(0), 0.0),
            WeightFormat::Q4_0 => even(nibbles(&block[2..]), half(0), -8.0 * half(0)),
            WeightFormat::Q4_1 => even(nibbles(&block[4..]), half(0), half(2)),
            WeightFormat::Q5_0 => {
                even(fifth_bits(nibbles(&block[6..]), &block[2..6]), half(0), -16.0 * half(0))
            }
            WeightFormat::Q5_1 => even(fifth_bits(nibbles(&block[8..]), &block[4..8]), half(0), half(2)),
            WeightFormat::Q4K | WeightFormat::Q5K => {
                let [scale, lower] = scale_and_min(&block[4..16], g).map(f32::from);
                let q = k_quants(format, block, g);
                even(q, half(0) * scale, -half(2) * lower)
            }
            WeightFormat::Q6K => {
                let scale = |i: usize| half(208) * f32::from(block[192 + 2 * g + i] as i8);
                Self { q: six_bits(block, g), scales: [scale(0), scale(1)], min: 0.0 }
            }
            WeightFormat::F32 | WeightFormat::F16 | WeightFormat::Bf16 => {
                unreachable!("floats have no blocks")
            }
        }
    }

    /// Its part of a product with group `x` of an input, whose scale and scaled sum these are.
    fn dot(&self, x: &[i8], scale: f32, sum: f32) -> f32 {
        let half = |range: std::ops::Range<usize>| {
            range.map(|i| i32::from(self.q[i]) * i32::from(x[i])).sum::<i32>() as f32
        };
        let [low, high] = self.scales;
        scale * (low * half(0..16) + high * half(16..32)) + self.min * sum
    }
}

/// Lower nibbles, then upper ones.
fn nibbles(bytes: &[u8]) -> [i8; GROUP] {
    std::array::from_fn(|i| if i < 16 { bytes[i] & 15 } else { bytes[i - 16] >> 4 } as i8)
}

fn fifth_bits(q: [i8; GROUP], bits: &[u8]) -> [i8; GROUP] {
    std::array::from_fn(|i| q[i] | ((bits[i / 8] >> (i % 8) & 1) << 4) as i8)
}

fn k_quants(format: WeightFormat, block: &[u8], g: usize) -> [i8; GROUP] {
    let start = if format == WeightFormat::Q4K { 16 } else { 48 };
    let bytes = &block[start + g / 2 * 32..];
    std::array::from_fn(|i| {
        let nibble = if g.is_multiple_of(2) { bytes[i] & 15 } else { bytes[i] >> 4 };
        let fifth = if format == WeightFormat::Q5K { block[16 + i] >> g & 1 } else { 0 };
        (nibble | fifth << 4) as i8
    })
}

fn six_bits(block: &[u8], g: usize) -> [i8; GROUP] {
    let (half, run) = (g / 4, g % 4);
    std::array::from_fn(|i| {
        let byte = block[half * 64 + run % 2 * 32 + i];
        let nibble = if run < 2 { byte & 15 } else { byte >> 4 };
        let upper = block[128 + half * 32 + i] >> (2 * run) & 3;
        (nibble | upper << 4) as i8 - 32
    })
}

/// As [`dots`](super::dots).
pub(super) fn dots(x: &Input, format: WeightFormat, weights: &[u8], out: &mut [f32], stride: usize) {
    let (groups, in_block) = (x.columns / GROUP, format.block_len() / GROUP);
    let row_bytes = x.columns / format.block_len() * format.block_bytes();
    for (j, weights) in weights.chunks_exact(row_bytes).enumerate() {
        for i in 0..x.rows() {
            let part = |g: usize| {
                let block = &weights[g / in_block * format.block_bytes()..][..format.block_bytes()];
                let at = i * groups + g;
                let whole = &x.whole[at * GROUP..][..GROUP];
                Group::read(format, block, g % in_block).dot(whole, x.scales[at], x.sums[at])
            };
            out[i * stride + j] = (0..groups).map(part).sum();
        }
    }
}
