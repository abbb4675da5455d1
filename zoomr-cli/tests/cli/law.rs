//! The law of training on what users run: the built-in model, its own method, and the kernels of the binary.

#![cfg(feature = "cpu")]

use std::path::Path;

use zoomr_backend_cpu::{Cpu, CpuKernels};
use zoomr_core::{
    config::{Options, SummaryVisibility},
    select::Zoom,
};
use zoomr_model::{
    config::ModelConfig,
    data::{
        render::given_and_written,
        synth::{Kind, draw::Draw},
    },
    reasoning_format::ReasoningFormat,
    text::tokenizer::Tokenizer,
    train::{Data, Mask, Parameters, Phase, Recipe, RecipeOptions, Sequence, Trainer},
    weights::Weights,
};

use crate::support::run;

/// Under the zoomed mask, training gives each token the likelihood that `zoomr score` gives it under scope `layer`.
#[test]
fn training_sees_what_the_binary_decodes() {
    // Fewer thoughts than it is used to.
    let fewer = |taught: &Options| Options { zoom: Zoom::Thoughts(1), ..taught.clone() };
    holds(fewer, "--scope layer --zoom 1");
}

/// And where KV heads choose blocks, which it is not used to at all.
#[test]
fn training_sees_the_blocks_that_the_binary_decodes() {
    let blocks = |taught: &Options| Options {
        blocks: Some(4),
        window: 32,
        zoom_share: 0.02,
        summaries: SummaryVisibility::All,
        ..taught.clone()
    };
    holds(blocks, "--blocks 4 --window 32 --zoom-share 0.02 --summaries all");
}

/// That training under a method, made of what the model was taught, sees what `zoomr score` decodes with these flags.
fn holds(method: impl Fn(&Options) -> Options, flags: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("default-model");
    let config = ModelConfig::from_dir(&dir).unwrap();
    let tokenizer = Tokenizer::from_dir(&dir).unwrap();
    let format = ReasoningFormat::from_dir(&dir).unwrap().unwrap();
    let device = Default::default();
    let weights = Weights::open(&dir, &config.tensors()).unwrap();
    let parameters = Parameters::<Cpu>::read(&config, &weights, &device).unwrap();
    let data = Data::Synth { kinds: vec![Kind::Ledger], tokens: 200..=200, labels: None, more_finds: 0 };
    let phases = vec![Phase { steps: 1, step_tokens: 1, zoomed: None, index_loss: None, data }];
    let options = RecipeOptions { phases, method: method(&format.method), ..RecipeOptions::default() };
    let recipe = Recipe::try_from(options).unwrap();
    let trainer = Trainer::new(config, parameters, recipe, CpuKernels::new(), &device).unwrap();

    for kind in Kind::ALL {
        // The reasoning of another problem: what follows from a question is all too sure, whatever is hidden.
        let text = |seed| {
            let example = kind.generator().example(900, &mut Draw::new(seed, 0)).unwrap();
            given_and_written(&example, &format.markers).map(|text| tokenizer.encode_verbatim(&text).unwrap())
        };
        let ([prompt, _], [_, written]) = (text(11), text(12));
        let segmenter = Box::new(format.segmenter(&tokenizer).unwrap());
        let sequence = Sequence::new(&prompt, &written, segmenter).unwrap();
        let trained = trainer.logprobs(&sequence, Mask::Zoomed).unwrap();

        let ids: Vec<String> = prompt.iter().chain(&written).map(ToString::to_string).collect();
        let tokens = format!("--tokens {} --prompt-tokens {}", ids.join(","), prompt.len());
        let scored = run("score", &dir, &format!("{tokens} {flags} --json")).report();
        let decoded = scored["logprobs"].as_array().unwrap()[prompt.len()..].iter();
        let decoded: Vec<f64> = decoded.map(|logprob| logprob.as_f64().unwrap()).collect();
        assert_eq!(trained.len(), decoded.len());
        // Training scores all rows together, decoding one by one: where two thoughts have all but the same score, or a
        // block's share is all but the threshold, rounding decides.
        let pairs = trained.iter().map(|&logprob| f64::from(logprob)).zip(decoded);
        let apart = pairs.filter(|(a, b)| (a - b).abs() > 1e-3 * b.abs().max(1.0)).count();
        let few = trained.len() / 100;
        assert!(apart <= few, "{kind:?}: {apart} of {} tokens differ", trained.len());
        // The mask hides something, or the test would say nothing.
        let full = trainer.logprobs(&sequence, Mask::Full).unwrap();
        let hidden = full.iter().zip(&trained).filter(|(a, b)| (*a - *b).abs() > 1e-2).count();
        assert!(hidden > 2 * few, "{kind:?}: the mask changes {hidden} tokens");
    }
}
