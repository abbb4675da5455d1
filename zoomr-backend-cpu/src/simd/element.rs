//! Element types as they lie in memory, and how eight of them become f32 lanes.
//!
//! A weight file's bytes need not be aligned, so its elements are byte arrays ([`Bf16`], [`F16`], [`F32`]);
//! the cache's own tensors are [`Native`] f32. Widening is exact for all four.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, _mm_loadu_si128, _mm256_castsi256_ps, _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_loadu_ps,
    _mm256_slli_epi32,
};

/// An element type that the inner loops read and widen to f32.
pub(crate) trait Element {
    /// One element in memory.
    type Unit: Copy + Send + Sync;

    /// The element's value; exact.
    fn to_f32(unit: Self::Unit) -> f32;

    /// The values of the eight elements at `from`; exact.
    ///
    /// # Safety
    /// Eight elements can be read at `from`, and the machine has AVX2 and F16C. Always inlined, because
    /// only inside a function compiled for AVX2 does it become one or two instructions.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "reads through a pointer with instructions that must be detected")]
    unsafe fn load8(from: *const Self::Unit) -> __m256;
}

/// Little-endian bfloat16: the upper half of an f32.
pub(crate) enum Bf16 {}

/// Little-endian IEEE 754 half precision.
pub(crate) enum F16 {}

/// Little-endian IEEE 754 single precision, at any address.
pub(crate) enum F32 {}

/// The machine's own f32.
pub(crate) enum Native {}

impl Element for Bf16 {
    type Unit = [u8; 2];

    fn to_f32(unit: [u8; 2]) -> f32 {
        f32::from_bits(u32::from(u16::from_le_bytes(unit)) << 16)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller vouches for the pointer and the instructions")]
    unsafe fn load8(from: *const [u8; 2]) -> __m256 {
        // SAFETY: the trait's contract; the load takes any alignment.
        unsafe {
            let halves = _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()));
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        }
    }
}

impl Element for F16 {
    type Unit = [u8; 2];

    fn to_f32(unit: [u8; 2]) -> f32 {
        half::f16::from_le_bytes(unit).to_f32()
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller vouches for the pointer and the instructions")]
    unsafe fn load8(from: *const [u8; 2]) -> __m256 {
        // SAFETY: the trait's contract; the load takes any alignment.
        unsafe { _mm256_cvtph_ps(_mm_loadu_si128(from.cast())) }
    }
}

impl Element for F32 {
    type Unit = [u8; 4];

    fn to_f32(unit: [u8; 4]) -> f32 {
        f32::from_le_bytes(unit)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller vouches for the pointer and the instructions")]
    unsafe fn load8(from: *const [u8; 4]) -> __m256 {
        // SAFETY: the trait's contract; the load takes any alignment.
        unsafe { _mm256_loadu_ps(from.cast()) }
    }
}

impl Element for Native {
    type Unit = f32;

    fn to_f32(unit: f32) -> f32 {
        unit
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller vouches for the pointer and the instructions")]
    unsafe fn load8(from: *const f32) -> __m256 {
        // SAFETY: the trait's contract; the load takes any alignment.
        unsafe { _mm256_loadu_ps(from) }
    }
}
