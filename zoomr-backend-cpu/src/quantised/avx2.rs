//! Products of quantised inputs with blocks, and the blocks' numbers, in AVX2.

#![expect(unsafe_code, reason = "AVX2 needs detection before, and pointers for, its loads")]

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadl_epi64, _mm256_abs_epi8, _mm256_add_ps, _mm256_cvtepi8_epi32,
    _mm256_cvtepi32_ps, _mm256_fmadd_ps, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_mul_ps, _mm256_permute2f128_ps, _mm256_set1_epi16, _mm256_set1_ps, _mm256_setzero_ps,
    _mm256_sign_epi8, _mm256_storeu_ps, _mm256_storeu_si256,
};

use zoomr_core::weight::WeightFormat;

use super::{
    GROUP, Input,
    formats::{Format, Q4_0, Q4_1, Q4K, Q5_0, Q5_1, Q5K, Q6K, Q8_0},
};
use crate::simd::{Avx2, avx2::sum};

/// Runs `$run::<Format>` for the format that `$format` names.
macro_rules! for_format {
    ($format:expr, $run:ident, $($argument:expr),*) => {
        // SAFETY: the caller's `Avx2` proves the features.
        unsafe {
            match $format {
                WeightFormat::Q8_0 => $run::<Q8_0>($($argument),*),
                WeightFormat::Q4_0 => $run::<Q4_0>($($argument),*),
                WeightFormat::Q4_1 => $run::<Q4_1>($($argument),*),
                WeightFormat::Q5_0 => $run::<Q5_0>($($argument),*),
                WeightFormat::Q5_1 => $run::<Q5_1>($($argument),*),
                WeightFormat::Q4K => $run::<Q4K>($($argument),*),
                WeightFormat::Q5K => $run::<Q5K>($($argument),*),
                WeightFormat::Q6K => $run::<Q6K>($($argument),*),
                WeightFormat::F32 | WeightFormat::F16 | WeightFormat::Bf16 => unreachable!("floats have no blocks"),
            }
        }
    };
}

/// As [`dots`](super::dots).
pub(super) fn dots(_: Avx2, x: &Input, format: WeightFormat, weights: &[u8], out: &mut [f32], stride: usize) {
    for_format!(format, all, x, weights, out, stride);
}

/// As [`widen`](super::widen).
pub(super) fn widen(_: Avx2, format: WeightFormat, weights: &[u8], out: &mut [f32]) {
    for_format!(format, numbers, weights, out);
}

#[target_feature(enable = "avx2,fma,f16c")]
fn all<F: Format>(x: &Input, weights: &[u8], out: &mut [f32], stride: usize) {
    let row_bytes = x.columns / F::FORMAT.block_len() * F::FORMAT.block_bytes();
    for (j, weights) in weights.chunks_exact(row_bytes).enumerate() {
        let mut first = 0;
        while first < x.rows() {
            let out = &mut out[first * stride + j..];
            first += match x.rows() - first {
                1 => multiply::<F, 1>(x, first, weights, out, stride),
                2 => multiply::<F, 2>(x, first, weights, out, stride),
                3 => multiply::<F, 3>(x, first, weights, out, stride),
                _ => multiply::<F, 4>(x, first, weights, out, stride),
            };
        }
    }
}

/// Rows `first..first + ROWS` of `x` times one weight row, to every `stride`th place of `out`; returns `ROWS`.
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<F: Format, const ROWS: usize>(
    x: &Input,
    first: usize,
    weights: &[u8],
    out: &mut [f32],
    stride: usize,
) -> usize {
    let rows: [Row; ROWS] = std::array::from_fn(|i| Row::new(x, first + i));
    // Two chains of sums for each row, so that one need not wait for the other.
    let (mut sums, mut mins) = ([[_mm256_setzero_ps(); 2]; ROWS], [[0.0f32; 2]; ROWS]);
    let bytes = F::FORMAT.block_bytes();
    assert_eq!(weights.len() / bytes * F::GROUPS * GROUP, x.columns);
    for (pair, blocks) in weights.chunks(2 * bytes).enumerate() {
        for (b, block) in blocks.chunks_exact(bytes).enumerate() {
            // SAFETY: a whole block; the features are this function's own.
            let scales = unsafe { F::scales(block.as_ptr()) };
            for g in 0..F::GROUPS {
                let (at, chain) = ((2 * pair + b) * F::GROUPS + g, (b + g) % 2);
                // SAFETY: as above; `at` counts the groups of the weight row, of which an input row has as many.
                unsafe {
                    let (whole, scale) = (F::whole(block.as_ptr(), g), F::scale(&scales, g));
                    for ((row, sums), mins) in rows.iter().zip(&mut sums).zip(&mut mins) {
                        let products = products::<F>(whole, _mm256_loadu_si256(row.whole.add(at)));
                        let scale = _mm256_mul_ps(scale, _mm256_set1_ps(*row.scales.add(at)));
                        sums[chain] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(products), scale, sums[chain]);
                        if !F::SIGNED {
                            mins[chain] = F::min(&scales, g).mul_add(*row.sums.add(at), mins[chain]);
                        }
                    }
                }
            }
        }
    }
    for (i, (sums, mins)) in sums.into_iter().zip(mins).enumerate() {
        out[i * stride] = sum(_mm256_add_ps(sums[0], sums[1])) + (mins[0] + mins[1]);
    }
    ROWS
}

/// Where one row of inputs lies: `columns / 32` groups of whole numbers, scales and sums.
struct Row {
    whole: *const __m256i,
    scales: *const f32,
    sums: *const f32,
}

impl Row {
    fn new(x: &Input, row: usize) -> Self {
        let groups = x.columns / GROUP;
        Self {
            whole: x.whole[row * x.columns..][..x.columns].as_ptr().cast(),
            scales: x.scales[row * groups..][..groups].as_ptr(),
            sums: x.sums[row * groups..][..groups].as_ptr(),
        }
    }
}

/// The sums of four products each of 32 weights and 32 inputs.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn products<F: Format>(weights: __m256i, inputs: __m256i) -> __m256i {
    // The instruction takes one operand without sign. Pairs stay below 2^15: 128 * 127 * 2.
    let pairs = if F::SIGNED {
        _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(inputs, weights))
    } else {
        _mm256_maddubs_epi16(weights, inputs)
    };
    _mm256_madd_epi16(pairs, _mm256_set1_epi16(1))
}

#[target_feature(enable = "avx2,fma,f16c")]
fn numbers<F: Format>(weights: &[u8], out: &mut [f32]) {
    let blocks = weights.chunks_exact(F::FORMAT.block_bytes());
    for (block, out) in blocks.zip(out.chunks_exact_mut(F::FORMAT.block_len())) {
        // SAFETY: a whole block; the features are this function's own.
        let scales = unsafe { F::scales(block.as_ptr()) };
        for (g, out) in out.as_chunks_mut::<GROUP>().0.iter_mut().enumerate() {
            // SAFETY: as above.
            let (whole, scale) = unsafe { (F::whole(block.as_ptr(), g), F::scale(&scales, g)) };
            group_numbers(whole, scale, F::min(&scales, g), out);
        }
    }
}

/// `scale * whole + min`; `scale` has a lane for each four numbers, equal within each half.
#[target_feature(enable = "avx2,fma,f16c")]
#[inline]
fn group_numbers(whole: __m256i, scale: __m256, min: f32, out: &mut [f32; GROUP]) {
    let mut bytes = [0i8; GROUP];
    // SAFETY: 32 bytes.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), whole) };
    let halves = [_mm256_permute2f128_ps::<0x00>(scale, scale), _mm256_permute2f128_ps::<0x11>(scale, scale)];
    for (i, out) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        // SAFETY: eight bytes of the 32 are read, eight numbers written.
        unsafe {
            let whole = _mm256_cvtepi8_epi32(_mm_loadl_epi64(bytes.as_ptr().add(8 * i).cast()));
            let number = _mm256_fmadd_ps(_mm256_cvtepi32_ps(whole), halves[i / 2], _mm256_set1_ps(min));
            _mm256_storeu_ps(out.as_mut_ptr(), number);
        }
    }
}
