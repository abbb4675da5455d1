//! What a step does to the weights: the optimiser's side of training.

use std::{collections::BTreeMap, path::Path};

use safetensors::SafeTensors;
use zoomr_model::train::{Recipe, RecipeOptions};

use crate::support::{phases, sequence, trainer};

fn options() -> RecipeOptions {
    RecipeOptions {
        phases: phases(4),
        warm_up: 0,
        weight_decay: 0.0,
        zoomed: 0.0,
        ..RecipeOptions::default()
    }
}

/// A checkpoint's tensors whose names begin with `kind`, by the rest of the name.
fn tensors(path: &Path, kind: &str) -> BTreeMap<String, Vec<f32>> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let of = |(name, view): (String, safetensors::tensor::TensorView<'_>)| {
        let values = view.data().as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
        Some((name.strip_prefix(kind)?.to_owned(), values))
    };
    file.tensors().into_iter().filter_map(of).collect()
}

/// After one step, the first moment is `1 - beta_1` of the gradient that was stepped along: as long as that which was
/// reported, or as `clip` where it was longer, over all tensors together.
#[test]
fn long_gradients_are_cut_to_length_all_together() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let moments = |clip| {
        let mut trainer = trainer(RecipeOptions { clip, ..options() });
        let report = trainer.step(&[sequence(0, 3)]).unwrap();
        trainer.checkpoint(&path, "").unwrap();
        (report.norm, tensors(&path, "moment_1/"))
    };
    let norm = |moments: &BTreeMap<String, Vec<f32>>| {
        let squares = moments.values().flatten().map(|&x| f64::from(x) * f64::from(x));
        squares.sum::<f64>().sqrt() / (1.0 - options().beta_1)
    };
    let (whole, long) = moments(1e9);
    let (reported, cut) = moments(0.01);
    assert!(whole == reported && whole > 0.1, "{whole} and {reported} before clipping");
    assert!((norm(&long) / whole - 1.0).abs() < 1e-4, "{} of {whole}", norm(&long));
    assert!((norm(&cut) / 0.01 - 1.0).abs() < 1e-4, "{} of 0.01", norm(&cut));
    // One scale for all: no tensor gains on another.
    for (name, long) in &long {
        for (a, b) in long.iter().zip(&cut[name]) {
            let expected = f64::from(*a) * 0.01 / whole;
            assert!((expected - f64::from(*b)).abs() < 1e-6, "{name}: {b} and not {expected}");
        }
    }
}

/// Of two steps along the same gradient, the one with decay takes `rate * decay` off every matrix, and nothing off
/// vectors.
#[test]
fn matrices_decay_and_vectors_do_not() {
    let before = trainer(options()).parameters();
    let after = |weight_decay| {
        let mut trainer = trainer(RecipeOptions { weight_decay, learning_rate: 0.01, ..options() });
        let report = trainer.step(&[sequence(0, 3)]).unwrap();
        (report.rate, trainer.parameters())
    };
    let ((rate, plain), (_, decayed)) = (after(0.0), after(0.5));
    assert_eq!(rate, Recipe::try_from(RecipeOptions { learning_rate: 0.01, ..options() }).unwrap().rate(0));
    let mut decaying = 0;
    for ((name, old), ((_, plain), (_, decayed))) in before.iter().zip(plain.iter().zip(decayed.iter())) {
        let is_matrix = old.dims()[0] > 1;
        decaying += usize::from(is_matrix);
        let expected = old.clone() * if is_matrix { rate * 0.5 } else { 0.0 };
        let apart: f32 = (plain.clone() - decayed.clone() - expected).abs().max().into_scalar();
        assert!(apart < 1e-6, "{name}: {apart}");
    }
    assert!((1..before.iter().count()).contains(&decaying), "{decaying} matrices");
}
