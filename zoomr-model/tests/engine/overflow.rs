//! A model whose numbers leave the range of f32: every way to run it says so, and where.

use std::{collections::BTreeMap, fs, path::Path};

use burn_ndarray::NdArray;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use zoomr_core::{config::PolicyKind, portable::Portable, trigger::Trigger};
use zoomr_model::{
    Model,
    config::ModelConfig,
    engine::{EngineError, Overflow},
    weights::Weights,
};

use crate::support::{Tiny, engine, go_on, greedy, limits, options};

/// A golden model with the numbers of some tensors multiplied.
fn model(golden: &str, factors: &[(&str, f32)]) -> Tiny {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(golden);
    let bytes = fs::read(dir.join("model.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for (name, view) in file.tensors() {
        let factor = factors.iter().find(|(changed, _)| *changed == name).map_or(1.0, |(_, factor)| *factor);
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap()) * factor;
        let numbers = view.data().chunks(4).flat_map(|bytes| number(bytes).to_le_bytes());
        tensors.insert(name, (view.shape().to_vec(), numbers.collect()));
    }
    let views = tensors
        .iter()
        .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap()));
    let changed = tempfile::tempdir().unwrap();
    safetensors::serialize_to_file(views, None, &changed.path().join("model.safetensors")).unwrap();
    let config = ModelConfig::from_dir(&dir).unwrap();
    let weights = Weights::open(changed.path(), &config.tensors()).unwrap();
    Model::<NdArray, _>::load(config, &weights, Portable, &Default::default()).unwrap()
}

/// What generating and scoring say of a model.
fn said(model: &Tiny) -> [EngineError; 2] {
    let options = || options(PolicyKind::Zoomr, Trigger::Pooled);
    let generated = engine(model, options()).generate(&[5, 6, 7], greedy(), limits(4), &mut go_on);
    let scored = engine(model, options()).score(&[5, 6, 7, 8], 2, &mut go_on);
    [generated.unwrap_err(), scored.unwrap_err()]
}

/// In the residual stream, and where a norm of its own comes before anything else sees them: queries and keys of Qwen 3,
/// what Gemma 3 adds to the stream. As zeros they would go unseen.
#[test]
fn numbers_whose_squares_are_infinite() {
    for (golden, tensor, reader) in [
        ("llama", "mlp.down_proj", 2),
        ("qwen3", "self_attn.q_proj", 1),
        ("qwen3", "self_attn.k_proj", 1),
        ("gemma3", "self_attn.o_proj", 2),
        ("gemma3", "mlp.down_proj", 2),
    ] {
        let model = model(golden, &[(&format!("model.layers.1.{tensor}.weight"), 1e25)]);
        for error in said(&model) {
            let EngineError::Overflow { overflow: Overflow::NotFinite, layer: Some(layer) } = error else {
                panic!("{golden}, {tensor}: {error}");
            };
            assert_eq!(layer, reader, "{golden}, {tensor}");
            assert!(
                error.to_string().contains(&format!(
                    "not finite: its numbers have left the range of f32, as layer {reader}"
                )),
                "{error}"
            );
        }
    }
}

#[test]
fn a_hidden_state_of_zeros() {
    for error in said(&model("llama", &[("model.norm.weight", 0.0)])) {
        assert!(
            matches!(error, EngineError::Overflow { overflow: Overflow::Uniform, layer: None }),
            "{error}"
        );
        assert!(error.to_string().contains("all the same"), "{error}");
    }
}

/// Products of queries and keys, whose sums may be infinite of either sign.
#[test]
fn infinite_scores() {
    let model = model(
        "llama",
        &[("model.layers.1.self_attn.q_proj.weight", 1e20), ("model.layers.1.self_attn.k_proj.weight", 1e20)],
    );
    for error in said(&model) {
        assert!(matches!(error, EngineError::Overflow { overflow: Overflow::NotFinite, .. }), "{error}");
    }
}

#[test]
fn infinite_numbers() {
    let model = model(
        "llama",
        &[("model.layers.0.mlp.up_proj.weight", 1e38), ("model.layers.0.mlp.down_proj.weight", 1e5)],
    );
    for error in said(&model) {
        assert!(
            matches!(error, EngineError::Overflow { overflow: Overflow::NotFinite, layer: Some(1) }),
            "{error}"
        );
    }
}

#[test]
fn infinite_logits() {
    for error in said(&model("llama", &[("lm_head.weight", 1e38)])) {
        assert!(
            matches!(error, EngineError::Overflow { overflow: Overflow::NotFinite, layer: None }),
            "{error}"
        );
        assert!(error.to_string().contains("are not finite"), "{error}");
    }
}
