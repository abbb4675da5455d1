//! Dot products of whole numbers of eight bits, 32 at a time.
//!
//! The instruction that multiplies bytes takes one side without a sign: so that side's sign goes to the other. Its pairs
//! of products fit 16 bits, since no number is over 127.

use std::arch::x86_64::{
    __m128i, __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_abs_epi8, _mm256_add_epi32,
    _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16,
    _mm256_maddubs_epi16, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_sign_epi8,
};

/// Numbers of a register.
const LANES: usize = 32;

#[target_feature(enable = "avx2")]
pub(super) fn dots(x: &[i8], vectors: &[i8], columns: usize, out: &mut [i32], stride: usize) {
    for (j, vector) in vectors.chunks_exact(columns).enumerate() {
        for (i, x) in x.chunks_exact(columns).enumerate() {
            out[i * stride + j] = dot(x, vector);
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn dot(x: &[i8], vector: &[i8]) -> i32 {
    let (x, x_tail) = x.as_chunks::<LANES>();
    let (vector, tail) = vector.as_chunks::<LANES>();
    let ones = _mm256_set1_epi16(1);
    let mut sums = _mm256_setzero_si256();
    for (x, vector) in x.iter().zip(vector) {
        let (x, vector) = (load(x), load(vector));
        let pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(vector), _mm256_sign_epi8(x, vector));
        sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
    }
    let tail: i32 = x_tail.iter().zip(tail).map(|(x, v)| i32::from(*x) * i32::from(*v)).sum();
    sum(sums) + tail
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(numbers: &[i8; LANES]) -> __m256i {
    // SAFETY: an array of 32 bytes has the register's 32 bytes.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn sum(sums: __m256i) -> i32 {
    let half: __m128i = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
    let quarter = _mm_add_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
    _mm_cvtsi128_si32(_mm_add_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter)))
}
