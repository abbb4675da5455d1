//! Needles: where they are hidden, and that forks give what each text gives by itself.
//!
//! The model reads bytes, so that a text's tokens are its bytes.

use std::{fs, num::NonZeroUsize, ops::ControlFlow, path::Path};

use zoomr_core::{
    config::{Options, Settings},
    portable::Portable,
};
use zoomr_model::{
    engine::{EngineOptions, Event},
    eval::needle::{DISTRACTORS, Haystack, Hiding, Needle, NeedleError, Search, Sought},
    pretrained::{Loaded, MethodOptions, Pretrained},
    setting::Setting,
};

use crate::{bytes::byte_tokenizer, support::Cpu};

/// Sentences of about 20 bytes, three to a paragraph.
fn text(sentences: usize) -> String {
    let sentence = |number| format!("{}{}", number, if number % 3 == 2 { "!\n\n" } else { ". " });
    (0..sentences).map(|number| "Now comes number ".to_owned() + &sentence(number)).collect()
}

/// A golden model that reads bytes, with room for 1,000 of them.
fn model() -> Pretrained {
    let dir = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llama");
    fs::copy(golden.join("model.safetensors"), dir.path().join("model.safetensors")).unwrap();
    let config = fs::read_to_string(golden.join("config.json")).unwrap();
    fs::write(dir.path().join("config.json"), config.replace("512", "1000")).unwrap();
    fs::write(dir.path().join("tokenizer.json"), byte_tokenizer().to_string()).unwrap();
    let model = Pretrained::open(&dir.keep(), None).unwrap();
    assert_eq!(model.config().context_length(), 1000);
    model
}

fn needles(model: &Pretrained, text: &str, count: usize, tokens: usize) -> Result<Vec<Needle>, NeedleError> {
    let tokenizer = model.require_tokenizer().unwrap();
    let haystack = Haystack::new(text, tokenizer)?;
    Hiding { haystack: &haystack, tokenizer, count, tokens, seed: 5 }.needles()
}

#[test]
fn needles_lie_at_all_depths_among_others_of_their_kind() {
    let model = model();
    let text = text(200);
    let needles = needles(&model, &text, 7, 900).unwrap();
    for (number, needle) in needles.iter().enumerate() {
        let wanted = 0.05 + 0.9 * number as f64 / 6.0;
        assert!((needle.depth - wanted).abs() < 0.03, "{} for {wanted}", needle.depth);
        assert!((860..=900).contains(&needle.tokens), "{}", needle.tokens);
        let said = String::from_utf8(needle.text.iter().map(|&id| id as u8).collect()).unwrap();
        let facts = said.matches("To open the ").count();
        assert_eq!(facts, 1 + DISTRACTORS, "{said}");
        let sentence = format!("To open the {key}, enter {key} {}.", needle.value, key = needle.key);
        let before = said.find(&sentence).unwrap();
        assert!((before as f64 / 900.0 - wanted).abs() < 0.2, "{before} for {wanted}");
        // Without what is hidden it is a passage of the text.
        let kept: Vec<&str> = said.split_inclusive(['.', '!']).map(str::trim).collect();
        let kept: Vec<&str> = kept.into_iter().filter(|part| !part.starts_with("To open")).collect();
        let passage = kept.join(" ");
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words(&text).contains(&passage) && passage.starts_with("Now comes"), "{passage}");
    }
    let keys: std::collections::BTreeSet<&str> = needles.iter().map(|needle| &*needle.key).collect();
    assert!(keys.len() > 4, "{keys:?}");
}

#[test]
fn what_cannot_be_hidden_is_refused() {
    let model = model();
    let refused = |text: &str, tokens| needles(&model, text, 3, tokens).unwrap_err();
    assert!(matches!(refused(&text(10), 900), NeedleError::TooShort { tokens: 200..300, .. }));
    assert!(matches!(refused("", 900), NeedleError::TooShort { tokens: 0, .. }));
    for tokens in [0, 100, 250] {
        let error = refused(&text(100), tokens);
        assert!(matches!(error, NeedleError::NoPlace { facts: 4, .. }), "{tokens}: {error}");
    }
    let endless = "all in one ".repeat(200);
    assert!(matches!(refused(&endless, 900), NeedleError::NoPlace { places: 0, .. }));
}

/// What one setting finds of a needle.
fn sought(
    loaded: &Loaded<Cpu, Portable>,
    model: &Pretrained,
    needle: &Needle,
    line: &str,
    stream: bool,
) -> Sought {
    let (segmenter, options) = engine_options(model);
    let tokenizer = model.require_tokenizer().unwrap();
    let settings = setting(line);
    let search = Search { loaded, tokenizer, segmenter, options, stream };
    search.run(needle, &settings, &mut |_| ControlFlow::Continue(())).unwrap().unwrap()
}

fn engine_options(model: &Pretrained) -> (Box<dyn zoomr_core::segment::Segmenter>, EngineOptions) {
    let chunk = NonZeroUsize::new(64).unwrap();
    model.method(&MethodOptions { chunk, ..MethodOptions::default() }).unwrap()
}

fn setting(line: &str) -> Settings {
    Setting::parse(line, &Options::default()).unwrap().settings().clone()
}

#[test]
fn forks_find_each_value_as_likely_as_a_text_with_it_alone() {
    let model = model();
    let loaded = model.load::<Cpu, _>(Portable, &Default::default()).unwrap();
    let needle = &needles(&model, &text(100), 1, 600).unwrap()[0];
    for line in [
        "full",
        "zoomr:blocks=4,window=16,keep-prompt=8,zoom-share=0.05",
        "window:window=40",
        "h2o:budget=64",
    ] {
        for stream in [false, true] {
            let found = sought(&loaded, &model, needle, line, stream);
            let prompt = if stream { 32 } else { needle.tokens };
            let alone = |text: &[u32], value: usize| {
                let (segmenter, options) = engine_options(&model);
                let options = EngineOptions { settings: setting(line), ..options };
                let tokenizer = model.tokenizer();
                let mut engine = loaded.engine(tokenizer, segmenter, options).unwrap();
                let scored = engine.score(text, prompt, &mut |_| ControlFlow::Continue(())).unwrap();
                scored.logprobs[text.len() - value..].iter().flatten().sum::<f64>()
            };
            let answered = |value: &Vec<u32>| [&needle.text[..], &needle.question, value].concat();
            let texts: Vec<(Vec<u32>, usize)> =
                needle.values.iter().map(|value| (answered(value), value.len())).collect();
            let logprobs: Vec<f64> = texts.iter().map(|(text, value)| alone(text, *value)).collect();
            assert!((found.logprob - logprobs[0]).abs() < 1e-3, "{line}, {stream}: {found:?}, {logprobs:?}");
            let per_token: Vec<f64> =
                texts.iter().zip(&logprobs).map(|((_, tokens), sum)| sum / *tokens as f64).collect();
            assert_eq!(found.distractors.len(), DISTRACTORS);
            for (found, wanted) in found.distractors.iter().zip(&per_token[1..]) {
                assert!((found - wanted).abs() < 1e-3, "{line}: {found} for {wanted}");
            }
            assert_eq!(found.found, per_token[1..].iter().all(|other| *other < per_token[0]));
            let attends_less = found.attended_tokens < found.causal_tokens - 1.0;
            assert_eq!(attends_less, line != "full", "{found:?}");
            let rows = (needle.tokens, needle.tokens_in_all());
            assert!(found.causal_tokens > rows.0 as f64 && found.causal_tokens < rows.1 as f64, "{found:?}");
        }
    }
}

#[test]
fn an_observer_ends_a_search() {
    let model = model();
    let loaded = model.load::<Cpu, _>(Portable, &Default::default()).unwrap();
    let needle = &needles(&model, &text(100), 1, 600).unwrap()[0];
    for most in [0, 3, 12, 60, 90] {
        let (segmenter, options) = engine_options(&model);
        let tokenizer = model.require_tokenizer().unwrap();
        let search = Search { loaded: &loaded, tokenizer, segmenter, options, stream: false };
        let mut steps = 0;
        let mut stop = |event: Event<'_>| {
            steps += usize::from(matches!(event, Event::Step { .. }));
            if steps > most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        assert_eq!(search.run(needle, &setting("full"), &mut stop).unwrap(), None);
        assert_eq!(steps, most + 1);
    }
}
