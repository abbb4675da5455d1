//! A golden model, and engines on it.

use std::{num::NonZeroUsize, ops::ControlFlow, path::Path};

use burn_ndarray::NdArray;
use serde::Deserialize;
use zoomr_core::{
    config::{Options, PolicyKind, Settings},
    portable::Portable,
    segment::{Budget, Segmenter},
    trigger::Trigger,
};
use zoomr_model::{
    Model,
    config::ModelConfig,
    engine::{Engine, EngineOptions, Event, Generated, Limits, SummaryText},
    text::{
        sample::Sampler,
        stop::{StopStrings, StopTokens},
    },
    weights::Weights,
};

pub(crate) type Tiny = Model<NdArray, Portable>;

/// What transformers says of a golden model.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) prompt: Vec<u32>,
    pub(crate) prefill_logits: Vec<Vec<f32>>,
    pub(crate) greedy_continuation: Vec<u32>,
}

/// A golden model, and what is known of it.
pub(crate) fn golden(name: &str) -> (Tiny, Expected) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let config = ModelConfig::from_dir(&dir).unwrap();
    let weights = Weights::open(&dir, &config.tensors()).unwrap();
    let model = Model::load(config, &weights, Portable, &Default::default()).unwrap();
    let expected = std::fs::read(dir.join("expected.json")).unwrap();
    (model, serde_json::from_slice(&expected).unwrap())
}

/// Settings of an engine under test; thoughts are 8 tokens long.
pub(crate) fn options(policy: PolicyKind, trigger: Trigger) -> EngineOptions {
    let settings = Options { policy, window: 16, page_size: 4, ..Options::default() };
    EngineOptions {
        settings: Settings::try_from(settings).unwrap(),
        trigger,
        summary: SummaryText {
            open: vec![5, 6],
            close: vec![7],
            limit: NonZeroUsize::new(3).unwrap(),
            end: StopTokens::default(),
        },
        chunk: NonZeroUsize::new(256).unwrap(),
    }
}

pub(crate) fn engine(model: &Tiny, options: EngineOptions) -> Engine<'_, NdArray, Portable> {
    let thoughts: Box<dyn Segmenter> = Box::new(Budget::new(NonZeroUsize::new(8).unwrap()));
    Engine::new(model, None, Portable, &Default::default(), thoughts, options).unwrap()
}

pub(crate) fn greedy() -> Sampler {
    Sampler::default()
}

pub(crate) fn limits(max_tokens: usize) -> Limits {
    Limits { max_tokens, tokens: StopTokens::default(), strings: StopStrings::new(Vec::new()).unwrap() }
}

/// Generates greedily, undisturbed.
pub(crate) fn generate(
    engine: &mut Engine<'_, NdArray, Portable>,
    prompt: &[u32],
    limits: Limits,
) -> Generated {
    engine.generate(prompt, greedy(), limits, &mut go_on).unwrap()
}

/// An observer that listens to nothing.
pub(crate) fn go_on(_: Event<'_>) -> ControlFlow<()> {
    ControlFlow::Continue(())
}
