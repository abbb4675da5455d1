//! Products and numbers of blocks against their decoded numbers, in every format.

use std::sync::Arc;

use zoomr_core::weight::{StoredWeight, WeightFormat};

use super::{Input, dots, group::Group, widen};
use crate::{simd::Simd, testing::noise};

/// A matrix of `format` from random bytes, with scales that make numbers of about one.
pub(crate) fn random(format: WeightFormat, rows: usize, columns: usize) -> StoredWeight {
    let mut bytes: Vec<u8> = vec![0xFF];
    let all = rows * format.row_bytes(columns).unwrap();
    bytes.extend(noise(all, 77).iter().map(|x| (x * 1e6) as i32 as u8));
    for (i, block) in bytes[1..].chunks_exact_mut(format.block_bytes()).enumerate() {
        let scale = half::f16::from_f32(0.01 + (i % 7) as f32 * 0.003).to_le_bytes();
        let at = if format == WeightFormat::Q6K { 208 } else { 0 };
        block[at..at + 2].copy_from_slice(&scale);
        if matches!(format, WeightFormat::Q4_1 | WeightFormat::Q5_1 | WeightFormat::Q4K | WeightFormat::Q5K) {
            block[2..4].copy_from_slice(&half::f16::from_f32(-0.02).to_le_bytes());
        }
    }
    let place = 1..bytes.len();
    StoredWeight::new(Arc::new(bytes), place, format, rows, columns).unwrap()
}

fn formats() -> impl Iterator<Item = WeightFormat> {
    WeightFormat::ALL.into_iter().filter(|format| !format.is_float())
}

#[test]
fn groups_are_the_decoded_numbers() {
    for format in formats() {
        let weight = random(format, 1, 512);
        let decoded = weight.to_f32(0..1);
        for (i, expected) in decoded.iter().enumerate() {
            let (block, within) = (i / format.block_len(), i % format.block_len());
            let block = &weight.bytes()[block * format.block_bytes()..][..format.block_bytes()];
            let group = Group::read(format, block, within / 32);
            let found = group.scales[i % 32 / 16] * f32::from(group.q[i % 32]) + group.min;
            assert!(
                (found - expected).abs() <= 1e-5 * expected.abs().max(1.0),
                "{format} {i}: {found} {expected}"
            );
        }
    }
}

/// The products differ from those with the decoded numbers by what quantising the inputs explains, half a step of
/// their scale each, and rounding.
#[test]
fn products_are_those_of_the_decoded_numbers() {
    for format in formats() {
        for (rows, out) in [(1, 1), (2, 5), (3, 9), (7, 4), (9, 3)] {
            let columns = 3 * format.block_len();
            let (weight, x) = (random(format, out, columns), noise(rows * columns, 78));
            let (input, numbers) = (Input::new(&x, columns), weight.to_f32(0..out));
            for simd in [Simd::Portable, Simd::detect()] {
                let mut found = vec![f32::NAN; rows * out];
                dots(simd, &input, format, weight.bytes(), &mut found, out);
                for (i, found) in found.iter().enumerate() {
                    let (x, w) =
                        (&x[i / out * columns..][..columns], &numbers[i % out * columns..][..columns]);
                    let most = |x: &[f32]| x.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                    let exact: f64 = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
                    let steps = x.chunks(32).zip(w.chunks(32));
                    let size: f32 =
                        steps.map(|(x, w)| most(x) / 127.0 * w.iter().map(|w| w.abs()).sum::<f32>()).sum();
                    let error = (f64::from(*found) - exact).abs();
                    assert!(
                        error <= 0.51 * f64::from(size) + 1e-4,
                        "{format} {rows}x{out}, {i}: off by {error}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_row_of_a_batch_is_the_same_alone() {
    for format in formats() {
        let columns = 2 * format.block_len();
        let (weight, x) = (random(format, 6, columns), noise(5 * columns, 79));
        let product = |x: &[f32]| {
            let mut out = vec![0.0; x.len() / columns * 6];
            dots(Simd::detect(), &Input::new(x, columns), format, weight.bytes(), &mut out, 6);
            out
        };
        let together = product(&x);
        for (i, x) in x.chunks(columns).enumerate() {
            assert_eq!(product(x), together[i * 6..][..6], "{format}");
        }
    }
}

#[test]
fn widened_numbers_are_the_decoded_ones() {
    for format in formats() {
        let weight = random(format, 3, 512);
        for simd in [Simd::Portable, Simd::detect()] {
            let mut found = vec![0.0; 3 * 512];
            widen(simd, format, weight.bytes(), &mut found);
            for (found, expected) in found.iter().zip(weight.to_f32(0..3)) {
                assert!((found - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{format}");
            }
        }
    }
}
