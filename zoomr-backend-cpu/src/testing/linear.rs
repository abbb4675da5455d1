//! `linear` and `rows` of every provider against f64 sums over the stored elements.

use std::sync::Arc;

use burn::tensor::Tensor;
use zoomr_core::{
    kernels::LinearKernels,
    weight::{StoredWeight, WeightFormat},
};

use super::{ROUNDING, fused, noise};
use crate::{Cpu, DEVICE, PlainKernels, owned::tensor};

type Kernels<'a> = &'a dyn LinearKernels<Cpu, Matrix = StoredWeight>;

/// A random matrix that starts at an odd address.
fn weight(dtype: WeightFormat, rows: usize, columns: usize) -> StoredWeight {
    let mut bytes = vec![0xFF];
    for value in noise(rows * columns, 91) {
        match dtype {
            WeightFormat::F32 => bytes.extend(value.to_le_bytes()),
            WeightFormat::F16 => bytes.extend(half::f16::from_f32(value).to_le_bytes()),
            WeightFormat::Bf16 => bytes.extend(half::bf16::from_f32(value).to_le_bytes()),
            _ => unreachable!("blocks have tests of their own"),
        }
    }
    let all = 1..bytes.len();
    StoredWeight::new(Arc::new(bytes), all, dtype, rows, columns).unwrap()
}

/// An input as the permuted view of its transpose.
fn input(rows: usize, columns: usize) -> Tensor<Cpu, 2> {
    tensor(noise(rows * columns, 92), [columns, rows]).transpose()
}

fn check(kernels: Kernels<'_>, rows: usize, weight: &StoredWeight) {
    let (out, columns) = (weight.rows(), weight.columns());
    let x = input(rows, columns);
    let found: Vec<f32> = kernels.linear(x.clone(), weight).to_data().to_vec().unwrap();
    let x: Vec<f32> = x.to_data().to_vec().unwrap();
    let w = weight.to_f32(0..out);
    assert_eq!(found.len(), rows * out);
    for (i, found) in found.iter().enumerate() {
        let (x, w) = (&x[i / out * columns..][..columns], &w[i % out * columns..][..columns]);
        let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
        let (exact, size) = terms.fold((0.0, 0.0), |(e, s), t| (e + t, s + t.abs()));
        let bound = (columns + 1) as f64 * ROUNDING * size;
        let error = (f64::from(*found) - exact).abs();
        assert!(error <= bound, "{rows} rows by {weight:?}, element {i}: off by {error}");
    }
}

fn check_all(rows: usize, weight: &StoredWeight) {
    check(&PlainKernels, rows, weight);
    for kernels in &fused() {
        check(kernels, rows, weight);
    }
}

#[test]
fn every_element_type_and_odd_sizes() {
    for dtype in [WeightFormat::F32, WeightFormat::F16, WeightFormat::Bf16] {
        for (out, columns) in [(1, 1), (5, 59), (97, 64), (3, 1025)] {
            for rows in [1, 2, 7, 8, 9, 59] {
                check_all(rows, &weight(dtype, out, columns));
            }
        }
    }
}

#[test]
fn matrices_large_enough_for_threads() {
    for rows in [1, 3, 20] {
        check_all(rows, &weight(WeightFormat::Bf16, 1025, 97));
    }
}

#[test]
fn no_rows() {
    for kernels in fused() {
        let x = Tensor::<Cpu, 2>::empty([0, 8], &DEVICE);
        assert_eq!(kernels.linear(x, &weight(WeightFormat::F32, 3, 8)).dims(), [0, 3]);
    }
}

#[test]
fn rows_are_the_stored_ones() {
    let weight = weight(WeightFormat::Bf16, 97, 20);
    let found = fused()[0].rows(&weight, &[96, 0, 5, 5], &DEVICE);
    let expected: Vec<f32> = [96, 0, 5, 5].iter().flat_map(|id| weight.to_f32(*id..*id + 1)).collect();
    assert_eq!(found.dims(), [4, 20]);
    assert_eq!(found.to_data().to_vec::<f32>().unwrap(), expected);
}

#[test]
fn a_row_of_a_small_batch_is_the_same_alone() {
    let weight = weight(WeightFormat::Bf16, 600, 130);
    let x = input(5, 130);
    for kernels in fused() {
        let together = kernels.linear(x.clone(), &weight);
        for i in 0..5 {
            let alone = kernels.linear(x.clone().slice(i..i + 1), &weight);
            assert_eq!(together.clone().slice(i..i + 1).to_data(), alone.to_data());
        }
    }
}
