//! Blocks made of numbers.
//!
//! The plain formats are ggml's reference to the bit (`quantize_row_q8_0_ref` and its like). For q4_K the scale and the minimum of
//! each 32 numbers are fitted as there: several scales are tried, and for each the best scale and minimum for the whole
//! numbers that it gives are solved for, large numbers counting for more.

use half::f16;

use super::WeightFormat;

/// How a matrix can be made smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// 8.5 bits a number.
    Q8_0,
    /// 4.5 bits a number.
    Q4_0,
    /// 4.5 bits a number, fitted; 5.5 (q5_0) where rows are not whole blocks of 256, as in llama.cpp.
    Q4K,
}

/// A block format that [`encode`] writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// [`WeightFormat::Q8_0`].
    Q8_0,
    /// [`WeightFormat::Q4_0`].
    Q4_0,
    /// [`WeightFormat::Q5_0`].
    Q5_0,
    /// [`WeightFormat::Q4K`].
    Q4K,
}

impl From<Made> for WeightFormat {
    fn from(made: Made) -> Self {
        match made {
            Made::Q8_0 => Self::Q8_0,
            Made::Q4_0 => Self::Q4_0,
            Made::Q5_0 => Self::Q5_0,
            Made::Q4K => Self::Q4K,
        }
    }
}

impl Encoding {
    /// The block format for rows of `columns` numbers; none where they are no whole blocks.
    pub fn format(self, columns: usize) -> Option<Made> {
        let fits = |made: Made| columns.is_multiple_of(WeightFormat::from(made).block_len());
        let made = match self {
            Self::Q8_0 => Made::Q8_0,
            Self::Q4_0 => Made::Q4_0,
            Self::Q4K if fits(Made::Q4K) => Made::Q4K,
            Self::Q4K => Made::Q5_0,
        };
        fits(made).then_some(made)
    }
}

/// Appends the blocks of `numbers`, which are whole blocks of finite numbers, to `bytes`.
pub fn encode(format: Made, numbers: &[f32], bytes: &mut Vec<u8>) {
    for block in numbers.chunks_exact(WeightFormat::from(format).block_len()) {
        match format {
            Made::Q8_0 => q8_0(block, bytes),
            Made::Q4_0 => small(block, 8.0, bytes),
            Made::Q5_0 => small(block, 16.0, bytes),
            Made::Q4K => q4_k(block, bytes),
        }
    }
}

/// `1 / d`, or nothing where all numbers are zero.
fn inverse(d: f32) -> f32 {
    if d == 0.0 { 0.0 } else { 1.0 / d }
}

fn push_half(bytes: &mut Vec<u8>, value: f32) {
    bytes.extend(f16::from_f32(value).to_le_bytes());
}

fn q8_0(block: &[f32], bytes: &mut Vec<u8>) {
    let d = block.iter().fold(0.0f32, |most, x| most.max(x.abs())) / 127.0;
    push_half(bytes, d);
    bytes.extend(block.iter().map(|x| (x * inverse(d)).round() as i8 as u8));
}

/// 32 numbers `d (q - half)`: the one farthest from zero becomes `-half` exactly.
fn small(block: &[f32], half: f32, bytes: &mut Vec<u8>) {
    let extreme = block.iter().fold(0.0f32, |most, &x| if x.abs() > most.abs() { x } else { most });
    let d = extreme / -half;
    push_half(bytes, d);
    let q: Vec<u8> =
        block.iter().map(|x| (x * inverse(d) + half + 0.5).min(2.0 * half - 1.0) as u8).collect();
    if half == 16.0 {
        let fifth = q.iter().enumerate().fold(0u32, |bits, (j, q)| bits | u32::from(q >> 4) << j);
        bytes.extend(fifth.to_le_bytes());
    }
    bytes.extend((0..16).map(|j| q[j] & 15 | (q[j + 16] & 15) << 4));
}

fn q4_k(block: &[f32], bytes: &mut Vec<u8>) {
    let groups: Vec<Fit> = block.chunks_exact(32).map(Fit::best).collect();
    let most = |of: fn(&Fit) -> f32| groups.iter().map(of).fold(0.0, f32::max) / 63.0;
    let (d, min) = (most(|fit| fit.scale), most(|fit| fit.lower));
    push_half(bytes, d);
    push_half(bytes, min);
    let six = |value: f32, unit: f32| (value * inverse(unit)).round().min(63.0) as u8;
    let scales: Vec<[u8; 2]> = groups.iter().map(|fit| [six(fit.scale, d), six(fit.lower, min)]).collect();
    bytes.extend(packed(&scales));
    let [d, min] = [d, min].map(|unit| f16::from_f32(unit).to_f32());
    let q = |j: usize| {
        let [scale, lower] = scales[j / 32].map(f32::from);
        ((block[j] + min * lower) * inverse(d * scale)).round().clamp(0.0, 15.0) as u8
    };
    for pair in 0..4 {
        bytes.extend((0..32).map(|j| q(pair * 64 + j) | q(pair * 64 + 32 + j) << 4));
    }
}

/// Scales and minima of eight groups, 6 bits each, as [`scale_and_min`](super::scale_and_min) reads them.
fn packed(scales: &[[u8; 2]]) -> [u8; 12] {
    std::array::from_fn(|i| match i {
        0..4 => scales[i][0] | scales[i + 4][0] >> 4 << 6,
        4..8 => scales[i - 4][1] | scales[i][1] >> 4 << 6,
        _ => scales[i - 4][0] & 15 | (scales[i - 4][1] & 15) << 4,
    })
}

/// 32 numbers as `scale q - lower`, `q` in 0 to 15, both not negative.
#[derive(Clone, Copy)]
struct Fit {
    scale: f32,
    lower: f32,
}

/// Scales that are tried: `(15 + step) / range` for these steps, ggml's.
const STEPS: std::ops::RangeInclusive<i32> = -10..=10;

impl Fit {
    fn best(numbers: &[f32]) -> Self {
        let low = numbers.iter().copied().fold(0.0f32, f32::min);
        let high = numbers.iter().copied().fold(low, f32::max);
        if high == low {
            return Self { scale: 0.0, lower: -low };
        }
        let spread = (numbers.iter().map(|x| x * x).sum::<f32>() / 32.0).sqrt();
        let weights: Vec<f32> = numbers.iter().map(|x| spread + x.abs()).collect();
        let mut best = Self { scale: (high - low) / 15.0, lower: -low };
        let mut least = best.error(numbers, &weights);
        for step in STEPS {
            let inverse = (15.0 + 0.1 * step as f32) / (high - low);
            let q: Vec<f32> =
                numbers.iter().map(|x| (inverse * (x - low)).round().clamp(0.0, 15.0)).collect();
            let fit = Self::solve(numbers, &weights, &q);
            let error = fit.error(numbers, &weights);
            if error < least {
                (best, least) = (fit, error);
            }
        }
        best
    }

    /// The least squares for given whole numbers.
    fn solve(numbers: &[f32], weights: &[f32], q: &[f32]) -> Self {
        let sum = |of: &dyn Fn(usize) -> f32| (0..numbers.len()).map(|i| weights[i] * of(i)).sum::<f32>();
        let (w, q1, q2) = (sum(&|_| 1.0), sum(&|i| q[i]), sum(&|i| q[i] * q[i]));
        let (x, xq) = (sum(&|i| numbers[i]), sum(&|i| numbers[i] * q[i]));
        let determinant = w * q2 - q1 * q1;
        let lower = if determinant > 0.0 { (q1 * xq - q2 * x) / determinant } else { 0.0 };
        if lower > 0.0 {
            return Self { scale: ((w * xq - q1 * x) / determinant).max(0.0), lower };
        }
        Self { scale: if q2 > 0.0 { (xq / q2).max(0.0) } else { 0.0 }, lower: 0.0 }
    }

    fn error(self, numbers: &[f32], weights: &[f32]) -> f32 {
        let of = |x: f32| {
            let q = ((x + self.lower) * inverse(self.scale)).round().clamp(0.0, 15.0);
            (self.scale * q - self.lower - x).powi(2)
        };
        numbers.iter().zip(weights).map(|(x, w)| w * of(*x)).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::decode, *};

    /// The largest error of a block that is written and read, over its largest number.
    fn error(format: Made, numbers: &[f32]) -> f32 {
        let mut bytes = Vec::new();
        encode(format, numbers, &mut bytes);
        let format = WeightFormat::from(format);
        assert_eq!(bytes.len(), format.row_bytes(numbers.len()).unwrap());
        let read = decode(format, &bytes);
        let most = numbers.iter().fold(f32::MIN_POSITIVE, |most, x| most.max(x.abs()));
        read.iter().zip(numbers).fold(0.0f32, |worst, (a, b)| worst.max((a - b).abs())) / most
    }

    proptest! {
        /// Half a step, and what the f16 of the scale adds; q4_0 and q5_0 cut the end opposite the extreme off by a step.
        #[test]
        fn a_number_is_at_most_a_step_off(numbers in prop::collection::vec(-3.0f32..3.0, 256)) {
            prop_assert!(error(Made::Q8_0, &numbers) <= 0.5 / 127.0 + 0.001);
            prop_assert!(error(Made::Q5_0, &numbers) <= 1.0 / 16.0 + 0.001);
            prop_assert!(error(Made::Q4_0, &numbers) <= 1.0 / 8.0 + 0.001);
            prop_assert!(error(Made::Q4K, &numbers) <= 2.0 / 15.0);
        }
    }

    #[test]
    fn blocks_of_zeros_and_of_one_value_survive() {
        for format in [Made::Q8_0, Made::Q4_0, Made::Q5_0, Made::Q4K] {
            assert_eq!(error(format, &[0.0; 256]), 0.0, "{format:?}");
            for value in [1.5, -1.5] {
                assert!(error(format, &[value; 256]) < 0.02, "{format:?} {value}");
            }
        }
    }

    #[test]
    fn q4_k_is_nearer_than_q4_0_on_numbers_off_centre() {
        let numbers: Vec<f32> = (0..256).map(|i| 1.0 + (i as f32 * 0.7).sin()).collect();
        assert!(error(Made::Q4K, &numbers) < 0.6 * error(Made::Q4_0, &numbers));
    }

    #[test]
    fn rows_that_are_no_whole_blocks_are_left_or_made_of_smaller_ones() {
        assert_eq!(Encoding::Q4K.format(512), Some(Made::Q4K));
        assert_eq!(Encoding::Q4K.format(576), Some(Made::Q5_0));
        assert_eq!(Encoding::Q8_0.format(40), None);
    }
}
