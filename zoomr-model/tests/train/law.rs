//! The law of training: under the zoomed mask a forward pass is the decoder's under scope `layer`, token by token.

use zoomr_core::{
    config::{Settings, SummaryVisibility},
    portable::Portable,
    segment::Role,
    session::{Feed, Session},
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{
    Model,
    config::ModelConfig,
    train::{Mask, RecipeOptions, SavedDtype, save},
    weights::Weights,
};

use crate::support::{Cpu, config, config_json, method, phases, problem, segmenter, sequence, trainer_of};

/// The log-probabilities of what is written after the prompt, fed to a session one token at a time.
fn decode(model: &Model<Cpu, Portable>, settings: Settings, prompt: &[u32], written: &[u32]) -> Vec<f32> {
    let specs = model.config().layer_specs();
    let scope = settings.scope;
    let mut session = Session::<Cpu, _>::new(&specs, settings, Portable, &Default::default()).unwrap();
    let id = session.add_sequence(segmenter(), Trigger::ModelEmitted);
    let mut step = |ids: &[u32], role| {
        let tokens: Vec<Token<'_>> = ids.iter().map(|&id| Token::bare(id)).collect();
        let feed = [Feed { sequence: id, tokens: &tokens, role, scope }];
        let stepped = session.step(&feed, |pass, _| model.forward(ids, pass)).unwrap();
        let (_, logits) = stepped.single().unwrap();
        let [rows, vocab] = logits.dims();
        let row = logits.slice([rows - 1..rows, 0..vocab]);
        burn::tensor::activation::log_softmax(row, 1).into_data().to_vec::<f32>().unwrap()
    };
    let mut last = step(prompt, Role::Prompt);
    let mut logprobs = Vec::new();
    for &token in written {
        logprobs.push(last[token as usize]);
        last = step(&[token], Role::Stream);
    }
    logprobs
}

#[test]
fn the_zoomed_mask_is_what_decoding_shows() {
    holds_for(&config());
}

/// Layers with a window of their own zoom into nothing, in training as in decoding.
#[test]
fn also_beside_a_layer_with_a_window() {
    let mut json = config_json();
    let windowed =
        serde_json::json!({ "use_sliding_window": true, "sliding_window": 7, "max_window_layers": 0 });
    json.as_object_mut().unwrap().extend(windowed.as_object().unwrap().clone());
    let config = ModelConfig::from_json(&json.to_string()).unwrap();
    let windows: Vec<_> = config.layer_specs().iter().map(|spec| spec.sliding_window.is_some()).collect();
    assert_eq!(windows, [false, true]);
    holds_for(&config);
}

fn holds_for(config: &ModelConfig) {
    let dir = tempfile::tempdir().unwrap();
    for summaries in [SummaryVisibility::All, SummaryVisibility::Voted] {
        let method = method(summaries);
        let options =
            RecipeOptions { method: method.clone(), phases: phases(30), ..RecipeOptions::default() };
        let mut trainer = trainer_of(config.clone(), options);
        // A few steps, so that votes are not those of noise alone.
        for seed in 0..3 {
            trainer.step(&[sequence(seed, 5)]).unwrap();
        }
        save(config, &trainer.parameters(), SavedDtype::F32, &dir.path().join("model.safetensors")).unwrap();
        let weights = Weights::open(dir.path(), &config.tensors()).unwrap();
        let model = Model::load(config.clone(), &weights, Portable, &Default::default()).unwrap();

        let (prompt, written) = problem(11, 8);
        let trained = trainer.logprobs(&sequence(11, 8), Mask::Zoomed).unwrap();
        let settings = Settings::try_from(method).unwrap();
        let decoded = decode(&model, settings, &prompt, &written);
        assert_eq!(trained.len(), decoded.len());
        for (i, (a, b)) in trained.iter().zip(&decoded).enumerate() {
            assert!((a - b).abs() < 1e-4, "{summaries:?}, token {i}: {a} in training, {b} in decoding");
        }
        // The mask hides something, or the test would say nothing.
        let full = trainer.logprobs(&sequence(11, 8), Mask::Full).unwrap();
        assert!(full.iter().zip(&trained).any(|(a, b)| (a - b).abs() > 1e-3));
    }
}
