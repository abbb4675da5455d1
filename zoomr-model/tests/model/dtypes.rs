//! f16 and bf16 weights: a model computes with them exactly what it computes with the same numbers in f32.

use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use zoomr_model::config::ModelConfig;

use crate::support::{Cpu, DenseCache, golden, load};

#[test]
fn f16_weights_give_the_logits_of_their_f32_values() {
    let round = |value| f16::from_f32(value);
    let half = logits(Dtype::F16, |value| round(value).to_le_bytes().to_vec());
    let full = logits(Dtype::F32, |value| round(value).to_f32().to_le_bytes().to_vec());
    assert_eq!(half, full);
}

#[test]
fn bf16_weights_give_the_logits_of_their_f32_values() {
    let round = |value| bf16::from_f32(value);
    let half = logits(Dtype::BF16, |value| round(value).to_le_bytes().to_vec());
    let full = logits(Dtype::F32, |value| round(value).to_f32().to_le_bytes().to_vec());
    assert_eq!(half, full);
}

/// The logits of a model with biases, its f32 weights stored anew as `dtype`.
fn logits(dtype: Dtype, store: impl Fn(f32) -> Vec<u8>) -> Vec<f32> {
    let source = golden("qwen2");
    let bytes = std::fs::read(source.join("model.safetensors")).expect("a fixture of this repository");
    let file = SafeTensors::deserialize(&bytes).expect("a sound fixture");
    let restore = |(name, view): (String, TensorView<'_>)| {
        let values = view.data().as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (name, view.shape().to_vec(), values.flat_map(&store).collect::<Vec<u8>>())
    };
    let stored: Vec<_> = file.tensors().into_iter().map(restore).collect();
    let views = stored.iter().map(|(name, shape, bytes)| {
        (name, TensorView::new(dtype, shape.clone(), bytes).expect("bytes that fit the shape"))
    });
    let dir = tempfile::tempdir().expect("a temporary directory");
    safetensors::serialize_to_file(views, None, &dir.path().join("model.safetensors"))
        .expect("a writable file");

    let model = load(dir.path(), ModelConfig::from_dir(&source).expect("a supported architecture"));
    let mut cache = DenseCache::<Cpu>::new(model.config().layer_specs());
    let logits = model.forward(&[5, 17, 3, 250], cache.step(4)).expect("a sound step");
    logits.into_data().to_vec().expect("f32 logits")
}
