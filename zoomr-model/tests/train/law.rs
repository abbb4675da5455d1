//! The law of training: under the zoomed mask a forward pass is the decoder's under scope `layer`, token by token.

use zoomr_core::{
    config::{BlockScope, Options, Settings, SummaryVisibility},
    portable::Portable,
    segment::Role,
    select::Zoom,
    session::{Feed, Session},
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{
    Model,
    atomic_file::Existing,
    config::ModelConfig,
    data::synth::vocabulary::{markers, write_tokenizer},
    pretrained::MethodOptions,
    reasoning_format::ReasoningFormat,
    text::{stop::StopTokens, tokenizer::Tokenizer},
    train::{Mask, RecipeOptions, SavedDtype, save},
    weights::Weights,
};

use crate::support::{
    Cpu, blocks, config, config_json, method, phases, problem, segmenter, sequence, trainer_of,
};

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
    let thoughts = [SummaryVisibility::All, SummaryVisibility::Voted].map(method);
    for method in thoughts.into_iter().chain(BlockScope::ALL.iter().map(|&scope| blocks(scope))) {
        let options =
            RecipeOptions { method: method.clone(), phases: phases(30), ..RecipeOptions::default() };
        let mut trainer = trainer_of(config.clone(), options);
        // A few steps, so that what is chosen is not noise alone.
        for seed in 0..3 {
            trainer.step(&[sequence(seed, 5)]).unwrap();
        }
        save(config, &trainer.parameters(), SavedDtype::F32, &dir.path().join("model.safetensors")).unwrap();
        let weights = Weights::open(dir.path(), &config.tensors()).unwrap();
        let model = Model::load(config.clone(), &weights, Portable, &Default::default()).unwrap();

        let (prompt, written) = problem(11, 8);
        let trained = trainer.logprobs(&sequence(11, 8), Mask::Zoomed).unwrap();
        let decoded = decode(&model, taught(&method), &prompt, &written);
        assert_eq!(trained.len(), decoded.len());
        for (i, (a, b)) in trained.iter().zip(&decoded).enumerate() {
            assert!((a - b).abs() < 1e-4, "{method:?}, token {i}: {a} in training, {b} in decoding");
        }
        // The mask hides something and shows something, or the test would say nothing.
        let full = trainer.logprobs(&sequence(11, 8), Mask::Full).unwrap();
        let nothing = Options { zoom: Zoom::Thoughts(0), zoom_tokens: Some(0), ..method };
        let unzoomed = decode(&model, Settings::try_from(nothing).unwrap(), &prompt, &written);
        for other in [full, unzoomed] {
            assert!(other.iter().zip(&trained).any(|(a, b)| (a - b).abs() > 1e-3));
        }
    }
}

/// The settings under which a model is decoded whose `zoomr.json` has this method.
fn taught(method: &Options) -> Settings {
    let dir = tempfile::tempdir().unwrap();
    ReasoningFormat { markers: markers(), method: method.clone() }.write(dir.path()).unwrap();
    write_tokenizer(dir.path(), Existing::Refuse).unwrap();
    let format = ReasoningFormat::from_dir(dir.path()).unwrap();
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    let resolved = MethodOptions::default().resolve(Some(&tokenizer), StopTokens::default(), format.as_ref());
    let settings = resolved.unwrap().1.settings;
    assert_eq!(settings, Settings::try_from(method.clone()).unwrap());
    settings
}
