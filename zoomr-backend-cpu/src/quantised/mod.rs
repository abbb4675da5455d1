//! Weights in blocks of small whole numbers, multiplied as whole numbers.
//!
//! Inputs are quantised once per product ([`Input`]): 32 numbers share a scale, as in q8_0. A weight's blocks are read in
//! groups of 32 as well, whatever their format: each weight is `scale * q + min`, and a group's part of a product is
//! `x_scale * (scale * sum(q x) + min * sum(x))`, whose sums of whole numbers are exact.
//!
//! * [`input`]: inputs as whole numbers.
//! * [`group`]: the groups of every format, in plain loops; and the products made of them.
//! * `avx2`: the same in AVX2.
//! * [`format`](formats): each format's layout, as AVX2 reads it.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod formats;
mod group;
mod input;
#[cfg(test)]
mod tests;

pub(crate) use input::Input;
use zoomr_core::weight::WeightFormat;

use crate::simd::Simd;

/// Numbers that share a scale.
pub(crate) const GROUP: usize = 32;

/// All products of the rows of `x` with the weight rows in `weights`, blocks of `format`: that of `x`'s row `i` and
/// weight row `j` goes to `out[i * stride + j]`.
///
/// A product's rounding depends on its row's length alone.
pub(crate) fn dots(
    simd: Simd,
    x: &Input,
    format: WeightFormat,
    weights: &[u8],
    out: &mut [f32],
    stride: usize,
) {
    match simd {
        Simd::Portable => group::dots(x, format, weights, out, stride),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2(found) => avx2::dots(found, x, format, weights, out, stride),
    }
}

/// The numbers of the weight rows in `weights`, whole blocks of `format`, into `out`.
pub(crate) fn widen(simd: Simd, format: WeightFormat, weights: &[u8], out: &mut [f32]) {
    match simd {
        Simd::Portable => out.copy_from_slice(&zoomr_core::weight::decode(format, weights)),
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2(found) => avx2::widen(found, format, weights, out),
    }
}
