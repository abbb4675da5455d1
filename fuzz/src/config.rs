//! Configurations: what describes a model that the decoder runs is run, where it is small.

use std::{fs, ops::ControlFlow};

use burn_ndarray::NdArray;
use zoomr_core::portable::Portable;
use zoomr_model::{
    engine::Limits,
    pretrained::{MethodOptions, Pretrained},
    text::{sample::Sampler, stop::StopStrings},
};

use super::{file::scratch, weights::made};

/// Of how many parameters models are run.
const SMALL: u64 = 1 << 13;

/// `config.json`.
pub fn config(bytes: &[u8]) -> bool {
    let dir = scratch("config");
    let weights = dir.join("model.safetensors");
    let _ = fs::remove_file(&weights);
    fs::write(dir.join("config.json"), bytes).unwrap();
    let Ok(pretrained) = Pretrained::open(&dir, None) else { return false };
    let config = pretrained.config();
    // What a plan says of it, whatever its size.
    assert!(config.kv_bytes_per_token(4) > 0 && config.activation_numbers(1) > 0);
    assert_eq!(config.layer_specs().len(), config.ropes().count());
    if config.parameter_count() <= SMALL {
        fs::write(&weights, made(&config.tensors())).unwrap();
        run(&pretrained);
    }
    true
}

/// A few tokens, or an error.
fn run(pretrained: &Pretrained) {
    let options = MethodOptions { window: Some(2), ..MethodOptions::default() };
    let Ok((segmenter, options)) = pretrained.method(&options) else { return };
    let loaded = pretrained.load::<NdArray, _>(Portable, &Default::default()).unwrap();
    let mut engine = loaded.engine(None, segmenter, options).unwrap();
    let limits = Limits { max_tokens: 4, tokens: pretrained.end(), strings: StopStrings::default() };
    let generated = engine.generate(&[0; 5], Sampler::default(), limits, &mut |_| ControlFlow::Continue(()));
    if let Ok(generated) = generated {
        let vocab_size = pretrained.config().vocab_size();
        assert!(generated.tokens.iter().all(|id| (*id as usize) < vocab_size));
    }
}
