//! What the tests share: a small architecture, a small problem, and how both become sequences.

use burn_ndarray::NdArray;
use zoomr_core::{
    config::{BlockScope, Options, Scope, SummaryVisibility},
    portable::Portable,
    segment::{Marker, MarkerPair, Markers, Segmenter},
    select::Zoom,
};
use zoomr_model::{
    config::ModelConfig,
    data::synth::Kind,
    train::{Data, Parameters, Phase, Recipe, RecipeOptions, Sequence, Trainer},
};

pub(crate) type Cpu = NdArray;

/// A decoder with grouped queries, RoPE in every other layer and tied embeddings, over 32 tokens.
pub(crate) fn config() -> ModelConfig {
    config_over(32)
}

/// The same over so many tokens.
pub(crate) fn config_over(vocab_size: usize) -> ModelConfig {
    let mut json = config_json();
    json["vocab_size"] = vocab_size.into();
    ModelConfig::from_json(&json.to_string()).unwrap()
}

/// As a file has it.
pub(crate) fn config_json() -> serde_json::Value {
    serde_json::json!({
        "model_type": "smollm3", "vocab_size": 32, "hidden_size": 32, "intermediate_size": 48,
        "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
        "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "tie_word_embeddings": true,
        "hidden_act": "silu", "rope_theta": 10000.0, "no_rope_layers": [1, 0], "eos_token_id": 1,
    })
}

/// Tokens 2 to 5 mark thoughts and summaries.
pub(crate) fn segmenter() -> Box<dyn Segmenter> {
    let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
    Box::new(Markers::new(pair(2, 3), pair(4, 5)).unwrap())
}

/// A prompt, and `thoughts` thoughts of different lengths that repeat what the prompt said, with summaries.
pub(crate) fn problem(seed: u32, thoughts: u32) -> (Vec<u32>, Vec<u32>) {
    let word = |i: u32| 6 + (i * i + seed) % 26;
    let prompt = (0..9).map(word).collect();
    let mut written = Vec::new();
    for j in 0..thoughts {
        written.push(2);
        written.extend((j..2 * j + 7).map(word));
        written.extend([3, 4, word(j), word(j + 1), 5]);
    }
    written.extend([word(3), 1]);
    (prompt, written)
}

pub(crate) fn sequence(seed: u32, thoughts: u32) -> Sequence {
    let (prompt, written) = problem(seed, thoughts);
    Sequence::new(&prompt, &written, segmenter()).unwrap()
}

/// A short window, few votes and pages that do not divide anything.
pub(crate) fn method(summaries: SummaryVisibility) -> Options {
    let zoom = Zoom::Thoughts(1);
    Options { scope: Scope::Layer, votes: 1, zoom, window: 9, summaries, page_size: 3, ..Options::default() }
}

/// Blocks as long as such pages, some of which are worth their while.
pub(crate) fn blocks(block_scope: BlockScope) -> Options {
    Options {
        blocks: Some(3),
        zoom_share: 0.2,
        block_scope,
        spread_tokens: 24,
        keep_prompt: Some(4),
        ..method(SummaryVisibility::All)
    }
}

/// So many steps; what they learn, the tests say.
pub(crate) fn phases(steps: usize) -> Vec<Phase> {
    let data = Data::Synth { kinds: vec![Kind::Ledger], tokens: 200..=200, labels: None, more_finds: 0 };
    vec![Phase { steps, step_tokens: 1, zoomed: None, index_loss: None, data }]
}

pub(crate) fn trainer(options: RecipeOptions) -> Trainer<Cpu, Portable> {
    trainer_of(config(), options)
}

pub(crate) fn trainer_of(config: ModelConfig, options: RecipeOptions) -> Trainer<Cpu, Portable> {
    let device = Default::default();
    let parameters = Parameters::random(&config, 7, &device);
    Trainer::new(config, parameters, Recipe::try_from(options).unwrap(), Portable, &device).unwrap()
}
