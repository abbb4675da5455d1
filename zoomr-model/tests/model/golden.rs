//! Every architecture against Hugging Face transformers: with both spellings of its configuration over a dense
//! cache, by way of GGUF, and through zoomr's session, with everything in view and with everything zoomed into.

use std::{num::NonZeroUsize, path::Path};

use serde::Deserialize;
use zoomr_core::{
    config::{Options, PolicyKind, Scope, Settings, SummaryVisibility},
    portable::Portable,
    segment::{Budget, Role},
    select::Zoom,
    session::{Feed, ForwardPass, Session},
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{Error, Model, config::ModelConfig};

use crate::{
    support::{Cpu, DenseCache, golden, json, load},
    write::written,
};

/// Largest difference of a logit; f32 and f64 in transformers itself differ by up to 3e-5.
const TOLERANCE: f32 = 2e-4;

/// What transformers says.
#[derive(Deserialize)]
struct Expected {
    prompt: Vec<u32>,
    prefill_logits: Vec<Vec<f32>>,
    greedy_continuation: Vec<u32>,
}

/// One architecture, every way.
fn check(architecture: &str) {
    let dir = golden(architecture);
    let expected: Expected = json(&dir.join("expected.json"));
    for spelling in ["config.json", "config.v4.json"] {
        let model = load(&dir, parse(&dir.join(spelling)));
        expected.check(spelling, over_dense_cache(&model));
    }
    let (_place, path) = written(&dir, "f32");
    let model = load(&path, ModelConfig::from_dir(&path).expect("a supported architecture"));
    expected.check("from GGUF", over_dense_cache(&model));
    let model = load(&dir, parse(&dir.join("config.json")));
    let full = Options { policy: PolicyKind::Full, ..Options::default() };
    expected.check("policy full", through_session(&model, full));
    // Thoughts of five tokens, all of them zoomed into again once they have left a window of eight.
    let zoomed = Options {
        policy: PolicyKind::Zoomr,
        scope: Scope::Layer,
        zoom: Zoom::Thoughts(usize::MAX),
        votes: 100,
        window: 8,
        summaries: SummaryVisibility::All,
        ..Options::default()
    };
    expected.check("zoomed into everything", through_session(&model, zoomed));
}

impl Expected {
    /// `feed` takes the next tokens in and gives the logits after each of them, `[tokens, vocab]`.
    fn check(&self, how: &str, mut feed: impl FnMut(&[u32]) -> Vec<f32>) {
        let logits = feed(&self.prompt);
        let wanted = self.prefill_logits.concat();
        assert_eq!(logits.len(), wanted.len());
        let distance = logits.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(distance <= TOLERANCE, "{how}: logits differ by up to {distance}");

        let mut last = logits[logits.len() - self.prefill_logits[0].len()..].to_vec();
        for (step, wanted) in self.greedy_continuation.iter().enumerate() {
            let token = best(&last);
            assert_eq!(token, *wanted, "{how}: greedy token {step}");
            last = feed(&[token]);
        }
    }
}

fn parse(path: &Path) -> ModelConfig {
    let text = std::fs::read_to_string(path).expect("a fixture of this repository");
    ModelConfig::from_json(&text).expect("a supported architecture")
}

fn best(logits: &[f32]) -> u32 {
    let better = |best: usize, at: usize| if logits[at] > logits[best] { at } else { best };
    (0..logits.len()).reduce(better).expect("a vocabulary") as u32
}

fn over_dense_cache(model: &Model<Cpu, Portable>) -> impl FnMut(&[u32]) -> Vec<f32> {
    let mut cache = DenseCache::<Cpu>::new(model.config().layer_specs());
    move |ids| {
        let logits = model.forward(ids, cache.step(ids.len())).expect("a sound step");
        logits.into_data().to_vec().expect("f32 logits")
    }
}

/// Every token goes through the segmenter, the prompt's too, in as many steps as the session makes of them.
fn through_session(model: &Model<Cpu, Portable>, options: Options) -> impl FnMut(&[u32]) -> Vec<f32> {
    let scope = options.scope;
    let settings = Settings::try_from(options).expect("sound settings");
    let layers = model.config().layer_specs();
    let mut session =
        Session::<Cpu, _>::new(&layers, settings, Portable, &Default::default()).expect("layers");
    let thoughts = Budget::new(NonZeroUsize::new(5).expect("5 is not 0"));
    let sequence = session.add_sequence(Box::new(thoughts), Trigger::Pooled);
    move |ids| {
        let tokens: Vec<Token<'_>> = ids.iter().map(|id| Token::bare(*id)).collect();
        let (mut fed, mut logits) = (0, Vec::new());
        while fed < ids.len() {
            let feed = Feed { sequence, tokens: &tokens[fed..], role: Role::Stream, scope };
            let forward = |pass: &mut ForwardPass<'_, Cpu, _>, accepted: &[usize]| -> Result<_, Error> {
                model.forward(&ids[fed..fed + accepted[0]], pass)
            };
            let stepped = session.step(&[feed], forward).expect("a sound step");
            let (accepted, step) = stepped.single().expect("no cap is set");
            fed += accepted;
            logits.extend(step.into_data().to_vec::<f32>().expect("f32 logits"));
        }
        logits
    }
}

/// Gemma's cap on the logits, which no golden model has: the reference's own logits, capped.
#[test]
fn final_logit_softcapping() {
    const CAP: f32 = 3.0;
    let dir = golden("gemma3");
    let expected: Expected = json(&dir.join("expected.json"));
    let text = std::fs::read_to_string(dir.join("config.json")).expect("a fixture of this repository");
    let text = text.replace(r#""final_logit_softcapping": null"#, r#""final_logit_softcapping": 3.0"#);
    let model = load(&dir, ModelConfig::from_json(&text).expect("a supported architecture"));
    let logits = over_dense_cache(&model)(&expected.prompt);
    for (found, reference) in logits.iter().zip(expected.prefill_logits.concat()) {
        assert!((found - CAP * (reference / CAP).tanh()).abs() <= TOLERANCE);
    }
}

#[test]
fn llama() {
    check("llama");
}

#[test]
fn llama_tied_theta() {
    check("llama_tied_theta");
}

#[test]
fn llama3_rope() {
    check("llama3_rope");
}

#[test]
fn llama_yarn() {
    check("llama_yarn");
}

#[test]
fn mistral() {
    check("mistral");
}

#[test]
fn mistral_sw() {
    check("mistral_sw");
}

#[test]
fn qwen2() {
    check("qwen2");
}

#[test]
fn qwen3() {
    check("qwen3");
}

#[test]
fn smollm3() {
    check("smollm3");
}

#[test]
fn phi3() {
    check("phi3");
}

#[test]
fn granite() {
    check("granite");
}

#[test]
fn gemma3() {
    check("gemma3");
}
