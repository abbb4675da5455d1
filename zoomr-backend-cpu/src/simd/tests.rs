//! The inner loops, portable and AVX2, against f64 at odd sizes.

use zoomr_core::kv::KvDtype;

use super::{Bf16, F16, F32, Native, Q8, Vector};
use crate::testing::{ROUNDING, noise, paths};

const SIZES: [usize; 8] = [1, 7, 8, 59, 64, 97, 136, 1025];

/// `count` vectors of `columns` in q8, one after another.
fn q8(columns: usize) -> impl Fn(&[f32]) -> Vec<u8> {
    move |vectors| {
        let mut bytes = vec![0; vectors.len() / columns * KvDtype::Q8.bytes(columns)];
        let each = bytes.chunks_exact_mut(KvDtype::Q8.bytes(columns));
        vectors.chunks_exact(columns).zip(each).for_each(|(vector, bytes)| KvDtype::Q8.encode(vector, bytes));
        bytes
    }
}

fn bf16s(vectors: &[f32]) -> Vec<[u8; 2]> {
    vectors.iter().map(|v| half::bf16::from_f32(*v).to_le_bytes()).collect()
}

fn f16s(vectors: &[f32]) -> Vec<[u8; 2]> {
    vectors.iter().map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
}

fn check_dots<V: Vector>(columns: usize, units: impl Fn(&[f32]) -> Vec<V::Unit>) {
    for simd in paths() {
        for (m, n) in [(1, 1), (1, 4), (2, 5), (3, 7), (4, 2), (5, 3), (7, 4)] {
            let x = noise(m * columns, 1);
            let weights = units(&noise(n * columns, 2));
            let stride = n + 2;
            let mut out = vec![f32::NAN; m * stride];
            simd.dots::<V>(&x, &weights, columns, &mut out, stride);
            for (i, x) in x.chunks_exact(columns).enumerate() {
                for (j, weights) in weights.chunks_exact(V::units(columns)).enumerate() {
                    let terms =
                        x.iter().enumerate().map(|(c, x)| f64::from(*x) * f64::from(V::value(weights, c)));
                    let (exact, size) = terms.fold((0.0, 0.0), |(e, s), t| (e + t, s + t.abs()));
                    // No term passes through more roundings than there are terms, plus its product's.
                    let bound = (columns + 1) as f64 * ROUNDING * size;
                    let found = f64::from(out[i * stride + j]);
                    assert!(
                        (found - exact).abs() <= bound,
                        "{simd:?} {m}x{columns}x{n}: {found} for {exact}"
                    );
                }
            }
        }
    }
}

#[test]
fn dots_of_every_layout() {
    for columns in SIZES {
        check_dots::<Bf16>(columns, bf16s);
        check_dots::<F16>(columns, f16s);
        check_dots::<F32>(columns, |v| v.iter().map(|v| v.to_le_bytes()).collect());
        check_dots::<Native>(columns, <[f32]>::to_vec);
        check_dots::<Q8>(columns, q8(columns));
    }
}

#[test]
fn layouts_are_what_the_dtypes_say() {
    fn check<V: Vector>(kv: KvDtype, vector: &[f32], units: &[V::Unit]) {
        let mut rounded = vector.to_vec();
        kv.round(&mut rounded, vector.len());
        assert_eq!(units.len(), V::units(vector.len()), "{kv}");
        let found: Vec<f32> = (0..vector.len()).map(|c| V::value(units, c)).collect();
        assert_eq!(found, rounded, "{kv}");
    }
    for columns in SIZES {
        let vector = noise(columns, 12);
        check::<Native>(KvDtype::F32, &vector, &vector);
        check::<F16>(KvDtype::F16, &vector, &f16s(&vector));
        check::<Bf16>(KvDtype::Bf16, &vector, &bf16s(&vector));
        check::<Q8>(KvDtype::Q8, &vector, &q8(columns)(&vector));
    }
}

#[test]
fn products_of_whole_numbers_are_exact() {
    let whole = |count: usize, seed| noise(count, seed).iter().map(|x| (x * 127.4) as i8).collect::<Vec<_>>();
    for simd in paths() {
        for columns in SIZES {
            let (mut x, mut vectors) = (whole(3 * columns, 5), whole(4 * columns, 6));
            // The largest products of either sign.
            x[..columns].fill(-127);
            vectors[..columns].fill(127);
            vectors[columns..2 * columns].fill(-127);
            let mut out = vec![i32::MIN; 3 * 5];
            simd.whole_dots(&x, &vectors, columns, &mut out, 5);
            for (i, x) in x.chunks_exact(columns).enumerate() {
                for (j, vector) in vectors.chunks_exact(columns).enumerate() {
                    let exact: i32 = x.iter().zip(vector).map(|(x, v)| i32::from(*x) * i32::from(*v)).sum();
                    assert_eq!(out[i * 5 + j], exact, "{simd:?} {columns}");
                }
            }
        }
    }
}

#[test]
fn a_product_does_not_depend_on_its_neighbours() {
    let columns = 59;
    let (x, weights) = (noise(5 * columns, 3), noise(6 * columns, 4));
    for simd in paths() {
        let mut together = vec![0.0; 30];
        simd.dots::<Native>(&x, &weights, columns, &mut together, 6);
        for (i, x) in x.chunks_exact(columns).enumerate() {
            for (j, weights) in weights.chunks_exact(columns).enumerate() {
                let mut alone = [0.0];
                simd.dots::<Native>(x, weights, columns, &mut alone, 1);
                assert_eq!(together[i * 6 + j].to_bits(), alone[0].to_bits(), "{simd:?}");
            }
        }
    }
}

#[test]
fn the_highest_scaled_score() {
    for simd in paths() {
        for count in SIZES {
            let mut scores = noise(count, 10);
            scores[0] = f32::NAN;
            let scaled: Vec<f32> = scores.iter().map(|score| score * -0.3).collect();
            let highest = scaled.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(simd.scale_max(&mut scores, -0.3), highest, "{simd:?} {count}");
            assert_eq!(scores[1..], scaled[1..], "{simd:?} {count}");
        }
    }
}

#[test]
fn exponentials_within_three_roundings() {
    for simd in paths() {
        for count in SIZES {
            let scores: Vec<f32> = noise(count, 5).iter().map(|v| -40.0 + 40.0 * v).collect();
            let mut exps = scores.clone();
            let sum = simd.exp_sum(&mut exps, 0.5);
            let mut exact_sum = 0.0;
            for (score, exp) in scores.iter().zip(&exps) {
                // The difference is rounded before the exponential, in every f32 softmax.
                let exact = f64::from(score - 0.5).exp();
                exact_sum += exact;
                let error = (f64::from(*exp) - exact).abs();
                assert!(error <= 3.0 * ROUNDING * exact + 2e-38, "{simd:?} exp({score} - 0.5) = {exp}");
            }
            assert!((f64::from(sum) - exact_sum).abs() <= (count + 3) as f64 * ROUNDING * exact_sum);
        }
    }
}

#[test]
fn exponentials_of_special_values() {
    for simd in paths() {
        let mut scores = [f32::NEG_INFINITY, -1000.0, f32::NAN, 0.0, -f32::MAX];
        let sum = simd.exp_sum(&mut scores, 0.0);
        assert!(scores[2].is_nan() && sum.is_nan(), "{simd:?}");
        assert_eq!([scores[0], scores[1], scores[3], scores[4]], [0.0, 0.0, 1.0, 0.0], "{simd:?}");
    }
}

#[test]
fn weighted_sums() {
    for columns in SIZES {
        check_weighted::<Native>(columns, <[f32]>::to_vec);
        check_weighted::<F16>(columns, f16s);
        check_weighted::<Bf16>(columns, bf16s);
        check_weighted::<Q8>(columns, q8(columns));
    }
}

fn check_weighted<V: Vector>(columns: usize, units: impl Fn(&[f32]) -> Vec<V::Unit>) {
    for simd in paths() {
        for (m, n) in [(1, 1), (1, 16), (2, 3), (3, 16), (4, 1), (5, 3), (7, 8)] {
            let stride = n + 2;
            let (weights, vectors) = (noise(m * stride - 2, 6), units(&noise(n * columns, 7)));
            let start = noise(m * columns, 8);
            let mut sums = start.clone();
            simd.add_weighted::<V>(&weights, stride, &vectors, columns, &mut sums);
            for (at, (sum, start)) in sums.iter().zip(&start).enumerate() {
                let own =
                    weights[at / columns * stride..].iter().zip(vectors.chunks_exact(V::units(columns)));
                let terms = own.map(|(w, vector)| f64::from(*w) * f64::from(V::value(vector, at % columns)));
                let start = f64::from(*start);
                let (exact, size) = terms.fold((start, start.abs()), |(e, s), t| (e + t, s + t.abs()));
                let bound = (n + 1) as f64 * ROUNDING * size;
                assert!((f64::from(*sum) - exact).abs() <= bound, "{simd:?} {m}x{n}x{columns}");
            }
        }
    }
}

#[test]
fn widening_is_exact() {
    for simd in paths() {
        for count in SIZES {
            let halves: Vec<half::bf16> = noise(count, 9).iter().map(|v| half::bf16::from_f32(*v)).collect();
            let units: Vec<[u8; 2]> = halves.iter().map(|h| h.to_le_bytes()).collect();
            let mut wide = vec![f32::NAN; count];
            simd.widen::<Bf16>(&units, &mut wide);
            assert!(wide.iter().zip(&halves).all(|(w, h)| *w == h.to_f32()), "{simd:?} {count}");
        }
    }
}
