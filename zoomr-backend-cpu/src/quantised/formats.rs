//! Each block format's layout, as AVX2 reads it: 32 whole numbers in a register, and their scale and minimum.

#![expect(unsafe_code, reason = "reads through pointers with instructions that must be detected")]

use std::arch::x86_64::{
    __m128i, __m256, __m256i, _mm_and_si128, _mm_cvtph_ps, _mm_cvtsi32_si128, _mm_cvtss_f32, _mm_loadu_si128,
    _mm_set1_epi8, _mm_srli_epi16, _mm256_and_si256, _mm256_broadcastss_ps, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_or_si256, _mm256_set_epi64x, _mm256_set_m128, _mm256_set_m128i,
    _mm256_set1_epi8, _mm256_set1_epi32, _mm256_set1_epi64x, _mm256_set1_ps, _mm256_shuffle_epi8,
    _mm256_slli_epi16, _mm256_srl_epi16, _mm256_srli_epi16, _mm256_sub_epi8,
};

use zoomr_core::weight::{WeightFormat, scale_and_min};

/// A block format. Every function is always inlined into one that is compiled for AVX2, FMA and F16C.
pub(super) trait Format {
    /// The format.
    const FORMAT: WeightFormat;

    /// Whether whole numbers may be negative.
    const SIGNED: bool;

    /// Groups of 32 in a block.
    const GROUPS: usize = Self::FORMAT.block_len() / 32;

    /// What the groups of a block have in common.
    type Scales;

    /// The scales of the block at `block`.
    ///
    /// # Safety
    /// A whole block can be read, and the machine has AVX2, FMA and F16C; so for the other functions.
    unsafe fn scales(block: *const u8) -> Self::Scales;

    /// The whole numbers of group `g`.
    ///
    /// # Safety
    /// As [`scales`](Self::scales).
    unsafe fn whole(block: *const u8, g: usize) -> __m256i;

    /// What each of the eight runs of four whole numbers of group `g` is multiplied by.
    ///
    /// # Safety
    /// As [`scales`](Self::scales).
    unsafe fn scale(scales: &Self::Scales, g: usize) -> __m256;

    /// What is added to every number of group `g`; zero where whole numbers are signed.
    fn min(scales: &Self::Scales, g: usize) -> f32;
}

/// [`WeightFormat::Q8_0`].
pub(super) enum Q8_0 {}
/// [`WeightFormat::Q4_0`].
pub(super) enum Q4_0 {}
/// [`WeightFormat::Q4_1`].
pub(super) enum Q4_1 {}
/// [`WeightFormat::Q5_0`].
pub(super) enum Q5_0 {}
/// [`WeightFormat::Q5_1`].
pub(super) enum Q5_1 {}
/// [`WeightFormat::Q4K`].
pub(super) enum Q4K {}
/// [`WeightFormat::Q5K`].
pub(super) enum Q5K {}
/// [`WeightFormat::Q6K`].
pub(super) enum Q6K {}

/// Scale and minimum of a block of 32.
pub(super) struct Pair {
    scale: f32,
    min: f32,
}

/// Scales and minima of the eight groups of a block of 256.
pub(super) struct Eight {
    scales: [f32; 8],
    mins: [f32; 8],
}

/// The half-precision number at `from`.
///
/// # Safety
/// Two bytes can be read, and the machine has F16C.
#[inline(always)]
unsafe fn half(from: *const u8) -> f32 {
    // SAFETY: the caller's word.
    unsafe { _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(i32::from(from.cast::<u16>().read_unaligned())))) }
}

/// 16 bytes of two nibbles each: lower ones first.
///
/// # Safety
/// 16 bytes can be read, and the machine has AVX2.
#[inline(always)]
unsafe fn nibbles(from: *const u8) -> __m256i {
    // SAFETY: the caller's word.
    unsafe {
        let bytes = _mm_loadu_si128(from.cast());
        let mask = _mm_set1_epi8(15);
        let upper: __m128i = _mm_srli_epi16::<4>(bytes);
        _mm256_set_m128i(_mm_and_si128(upper, mask), _mm_and_si128(bytes, mask))
    }
}

/// 16 in every byte whose bit of the 32 at `from` is set.
///
/// # Safety
/// Four bytes can be read, and the machine has AVX2.
#[inline(always)]
unsafe fn fifth_bits(from: *const u8) -> __m256i {
    // SAFETY: the caller's word.
    unsafe {
        let bits = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
        // Byte i of the result looks at byte i / 8, bit i % 8.
        let spread = _mm256_set_epi64x(
            0x0303_0303_0303_0303,
            0x0202_0202_0202_0202,
            0x0101_0101_0101_0101,
            0x0000_0000_0000_0000,
        );
        let one = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
        let bits = _mm256_and_si256(_mm256_shuffle_epi8(bits, spread), one);
        _mm256_and_si256(_mm256_cmpeq_epi8(bits, one), _mm256_set1_epi8(16))
    }
}

/// A format of 32 numbers: where its scales and numbers lie.
macro_rules! small {
    ($format:ident, $signed:expr, |$block:ident| $whole:expr, |$scales:ident| $pair:expr) => {
        impl Format for $format {
            type Scales = Pair;

            const FORMAT: WeightFormat = WeightFormat::$format;
            const SIGNED: bool = $signed;

            #[inline(always)]
            unsafe fn scales($scales: *const u8) -> Pair {
                // SAFETY: the trait's contract.
                let (scale, min) = unsafe { $pair };
                Pair { scale, min }
            }

            #[inline(always)]
            unsafe fn whole($block: *const u8, _: usize) -> __m256i {
                // SAFETY: the trait's contract.
                unsafe { $whole }
            }

            #[inline(always)]
            unsafe fn scale(scales: &Pair, _: usize) -> __m256 {
                // SAFETY: the trait's contract.
                unsafe { _mm256_set1_ps(scales.scale) }
            }

            #[inline(always)]
            fn min(scales: &Pair, _: usize) -> f32 {
                scales.min
            }
        }
    };
}

small!(Q8_0, true, |block| _mm256_loadu_si256(block.add(2).cast()), |block| (half(block), 0.0));
small!(Q4_0, false, |block| nibbles(block.add(2)), |block| (half(block), -8.0 * half(block)));
small!(Q4_1, false, |block| nibbles(block.add(4)), |block| (half(block), half(block.add(2))));
small!(Q5_0, false, |block| _mm256_or_si256(nibbles(block.add(6)), fifth_bits(block.add(2))), |block| (
    half(block),
    -16.0 * half(block)
));
small!(Q5_1, false, |block| _mm256_or_si256(nibbles(block.add(8)), fifth_bits(block.add(4))), |block| (
    half(block),
    half(block.add(2))
));

/// The nibbles of group `g` of the eight at `from`: two groups share 32 bytes.
///
/// # Safety
/// 128 bytes can be read, and the machine has AVX2.
#[inline(always)]
unsafe fn group_nibbles(from: *const u8, g: usize) -> __m256i {
    // SAFETY: the caller's word.
    unsafe {
        let bytes = _mm256_loadu_si256(from.add(g / 2 * 32).cast());
        let bytes = if g.is_multiple_of(2) { bytes } else { _mm256_srli_epi16::<4>(bytes) };
        _mm256_and_si256(bytes, _mm256_set1_epi8(15))
    }
}

impl Eight {
    /// The scales of a q4_K or q5_K block.
    ///
    /// # Safety
    /// 16 bytes can be read, and the machine has F16C.
    #[inline(always)]
    unsafe fn read(block: *const u8) -> Self {
        // SAFETY: the caller's word.
        let (scale, min, packed) =
            unsafe { (half(block), -half(block.add(2)), block.add(4).cast::<[u8; 12]>().read_unaligned()) };
        let pairs: [[u8; 2]; 8] = std::array::from_fn(|g| scale_and_min(&packed, g));
        Self { scales: pairs.map(|p| scale * f32::from(p[0])), mins: pairs.map(|p| min * f32::from(p[1])) }
    }
}

/// A format of eight groups with a scale and a minimum each.
macro_rules! eight {
    ($format:ident, |$block:ident, $g:ident| $whole:expr) => {
        impl Format for $format {
            type Scales = Eight;

            const FORMAT: WeightFormat = WeightFormat::$format;
            const SIGNED: bool = false;

            #[inline(always)]
            unsafe fn scales(block: *const u8) -> Eight {
                // SAFETY: the trait's contract.
                unsafe { Eight::read(block) }
            }

            #[inline(always)]
            unsafe fn whole($block: *const u8, $g: usize) -> __m256i {
                // SAFETY: the trait's contract.
                unsafe { $whole }
            }

            #[inline(always)]
            unsafe fn scale(scales: &Eight, g: usize) -> __m256 {
                // SAFETY: the trait's contract.
                unsafe { _mm256_broadcastss_ps(std::arch::x86_64::_mm_set_ss(scales.scales[g])) }
            }

            #[inline(always)]
            fn min(scales: &Eight, g: usize) -> f32 {
                scales.mins[g]
            }
        }
    };
}

eight!(Q4K, |block, g| group_nibbles(block.add(16), g));
eight!(Q5K, |block, g| {
    let bits = _mm256_loadu_si256(block.add(16).cast());
    let fifth = _mm256_and_si256(_mm256_srl_epi16(bits, _mm_cvtsi32_si128(g as i32)), _mm256_set1_epi8(1));
    _mm256_or_si256(group_nibbles(block.add(48), g), _mm256_slli_epi16::<4>(fifth))
});

impl Format for Q6K {
    type Scales = [f32; 16];

    const FORMAT: WeightFormat = WeightFormat::Q6K;
    const SIGNED: bool = true;

    #[inline(always)]
    unsafe fn scales(block: *const u8) -> [f32; 16] {
        // SAFETY: the trait's contract.
        let (scale, scales) =
            unsafe { (half(block.add(208)), block.add(192).cast::<[i8; 16]>().read_unaligned()) };
        scales.map(|s| scale * f32::from(s))
    }

    #[inline(always)]
    unsafe fn whole(block: *const u8, g: usize) -> __m256i {
        let (part, run) = (g / 4, g % 4);
        // SAFETY: the trait's contract.
        unsafe {
            let bytes = _mm256_loadu_si256(block.add(part * 64 + run % 2 * 32).cast());
            let bytes = if run < 2 { bytes } else { _mm256_srli_epi16::<4>(bytes) };
            let nibbles = _mm256_and_si256(bytes, _mm256_set1_epi8(15));
            let upper = _mm256_loadu_si256(block.add(128 + part * 32).cast());
            let upper = _mm256_srl_epi16(upper, _mm_cvtsi32_si128(2 * run as i32));
            let upper = _mm256_slli_epi16::<4>(_mm256_and_si256(upper, _mm256_set1_epi8(3)));
            _mm256_sub_epi8(_mm256_or_si256(nibbles, upper), _mm256_set1_epi8(32))
        }
    }

    #[inline(always)]
    unsafe fn scale(scales: &[f32; 16], g: usize) -> __m256 {
        // SAFETY: the trait's contract.
        unsafe {
            let [low, high] = [scales[2 * g], scales[2 * g + 1]].map(|s| std::arch::x86_64::_mm_set1_ps(s));
            _mm256_set_m128(high, low)
        }
    }

    #[inline(always)]
    fn min(_: &[f32; 16], _: usize) -> f32 {
        0.0
    }
}
