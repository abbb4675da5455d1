//! Vectors as they lie in memory, and how eight elements of them become f32 lanes.
//!
//! Rows of a weight matrix and cached keys and values of an [`Element`] type have an element for each column. [`Q8`] has
//! blocks of 32 columns that share a scale, as [`KvDtype::Q8`](zoomr_core::kv::KvDtype) lays them out; eight columns never
//! lie in two of them, and are widened where they are needed, in a register.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{
    __m256, _mm_loadl_epi64, _mm_set1_epi16, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtph_ps,
    _mm256_mul_ps,
};

use zoomr_core::kv::{Q8_BLOCK, Q8_SCALE};

use super::Element;

/// Elements that are widened together: lanes of a register of f32.
pub(super) const LANES: usize = 8;

/// A layout of vectors that the inner loops read and widen to f32.
pub(crate) trait Vector {
    /// What a vector in memory is a slice of.
    type Unit: Copy + Send + Sync;

    /// Units of a vector of `columns` elements.
    fn units(columns: usize) -> usize;

    /// Element `c`; exact.
    fn value(vector: &[Self::Unit], c: usize) -> f32;

    /// The eight elements from `c` on, a multiple of eight; exact.
    fn values(vector: &[Self::Unit], c: usize) -> [f32; LANES];

    /// The same, in a register.
    ///
    /// # Safety
    /// The vector at `vector` has `c + 8` elements, and the machine has AVX2 and F16C. Always inlined, because
    /// only inside a function compiled for AVX2 does it become a few instructions.
    #[cfg(target_arch = "x86_64")]
    #[expect(unsafe_code, reason = "reads through a pointer with instructions that must be detected")]
    unsafe fn eight(vector: *const Self::Unit, c: usize) -> __m256;
}

impl<E: Element> Vector for E {
    type Unit = E::Unit;

    fn units(columns: usize) -> usize {
        columns
    }

    fn value(vector: &[E::Unit], c: usize) -> f32 {
        E::to_f32(vector[c])
    }

    #[inline(always)]
    fn values(vector: &[E::Unit], c: usize) -> [f32; LANES] {
        let eight: &[E::Unit] = &vector[c..c + LANES];
        std::array::from_fn(|lane| E::to_f32(eight[lane]))
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller vouches for the pointer and the instructions")]
    unsafe fn eight(vector: *const E::Unit, c: usize) -> __m256 {
        // SAFETY: the trait's contract.
        unsafe { E::load8(vector.add(c)) }
    }
}

/// Blocks of 32 whole numbers of eight bits, each behind its scale in f16; the last may be shorter.
pub(crate) enum Q8 {}

/// Bytes of a whole block.
const BLOCK_BYTES: usize = Q8_SCALE + Q8_BLOCK;

/// Where the block of element `c` begins.
#[inline(always)]
fn block_of(c: usize) -> usize {
    c / Q8_BLOCK * BLOCK_BYTES
}

/// Where element `c` lies.
#[inline(always)]
fn place_of(c: usize) -> usize {
    block_of(c) + Q8_SCALE + c % Q8_BLOCK
}

fn scale(vector: &[u8], c: usize) -> f32 {
    let at = block_of(c);
    half::f16::from_le_bytes([vector[at], vector[at + 1]]).to_f32()
}

impl Vector for Q8 {
    type Unit = u8;

    fn units(columns: usize) -> usize {
        columns + columns.div_ceil(Q8_BLOCK) * Q8_SCALE
    }

    fn value(vector: &[u8], c: usize) -> f32 {
        f32::from(vector[place_of(c)].cast_signed()) * scale(vector, c)
    }

    #[inline(always)]
    fn values(vector: &[u8], c: usize) -> [f32; LANES] {
        let (scale, numbers) = (scale(vector, c), &vector[place_of(c)..][..LANES]);
        std::array::from_fn(|lane| f32::from(numbers[lane].cast_signed()) * scale)
    }

    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    #[expect(unsafe_code, reason = "the caller vouches for the pointer and the instructions")]
    unsafe fn eight(vector: *const u8, c: usize) -> __m256 {
        // SAFETY: the trait's contract: the block of element `c` has its scale, and eight numbers from there on; no load
        // asks for alignment.
        unsafe {
            let scale =
                _mm256_cvtph_ps(_mm_set1_epi16(vector.add(block_of(c)).cast::<i16>().read_unaligned()));
            let numbers = _mm256_cvtepi8_epi32(_mm_loadl_epi64(vector.add(place_of(c)).cast()));
            _mm256_mul_ps(_mm256_cvtepi32_ps(numbers), scale)
        }
    }
}
