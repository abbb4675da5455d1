//! Scoring: log-probabilities in the right places, under any policy and however the text is cut.

use std::{num::NonZeroUsize, ops::ControlFlow};

use zoomr_core::{config::PolicyKind, segment::Kind, trigger::Trigger};
use zoomr_model::engine::{EngineError, EngineOptions, Event, Scored, Stop};

use crate::support::{Tiny, engine, go_on, golden, options};

/// f32 in another order of summation.
const TOLERANCE: f64 = 1e-4;

fn score(model: &Tiny, options: EngineOptions, text: &[u32], prompt: usize) -> Scored {
    engine(model, options).score(text, prompt, &mut go_on).unwrap()
}

fn distance(a: &Scored, b: &[f64]) -> f64 {
    assert_eq!((a.logprobs.len(), a.logprobs[0]), (b.len() + 1, None));
    let pairs = a.logprobs[1..].iter().zip(b);
    pairs.map(|(a, b)| (a.unwrap() - b).abs()).fold(0.0, f64::max)
}

/// The log-probabilities of all tokens but the first, from transformers' logits.
fn reference(logits: &[Vec<f32>], text: &[u32]) -> Vec<f64> {
    let logprob = |(row, id): (&Vec<f32>, &u32)| {
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        f64::from(row[*id as usize]) - sum.ln()
    };
    logits.iter().zip(&text[1..]).map(logprob).collect()
}

#[test]
fn full_attention_scores_as_transformers_does() {
    for name in ["llama", "qwen3", "mistral_sw"] {
        let (model, expected) = golden(name);
        let wanted = reference(&expected.prefill_logits, &expected.prompt);
        for (chunk, prompt) in [(256, 1), (5, 32), (1, 1), (256, 48), (256, 999)] {
            let chunk = NonZeroUsize::new(chunk).unwrap();
            let options = EngineOptions { chunk, ..options(PolicyKind::Full, Trigger::Pooled) };
            let scored = score(&model, options, &expected.prompt, prompt);
            assert_eq!(scored.stop, Stop::TextOver);
            assert!(distance(&scored, &wanted) < TOLERANCE, "{name}, prompt {prompt}");
        }
    }
}

#[test]
fn chunks_make_no_difference_to_a_policy() {
    let (model, expected) = golden("llama");
    let text: Vec<u32> = [&expected.prompt[..], &expected.greedy_continuation].concat();
    for trigger in [Trigger::Pooled, Trigger::Forced] {
        let options = |chunk| {
            let chunk = NonZeroUsize::new(chunk).unwrap();
            EngineOptions { chunk, ..options(PolicyKind::Zoomr, trigger) }
        };
        let alone = score(&model, options(1), &text, 8);
        let alone: Vec<f64> = alone.logprobs.iter().flatten().copied().collect();
        assert!(distance(&score(&model, options(256), &text, 8), &alone) < TOLERANCE, "{trigger:?}");
    }
}

#[test]
fn logits_are_given_for_every_token_of_the_text() {
    let (model, expected) = golden("llama");
    let text = &expected.prompt;
    // Summaries come in between, and their rows are nobody's.
    for trigger in [Trigger::Pooled, Trigger::Forced] {
        let (mut rows, mut tokens) = (Vec::new(), 0);
        let mut listen = |event: Event<'_>| {
            if let Event::Scored { logprobs, logits } = event {
                tokens += logprobs.len();
                rows.extend_from_slice(logits);
            }
            ControlFlow::Continue(())
        };
        let mut engine = engine(&model, options(PolicyKind::Full, trigger));
        engine.score(text, 4, &mut listen).unwrap();
        assert_eq!((tokens, rows.len()), (text.len(), text.len() * model.config().vocab_size()));
        assert_eq!(engine.stream().unwrap().len(), text.len() + engine.summary_tokens());
    }
}

#[test]
fn texts_that_cannot_be_scored_are_refused() {
    let (model, expected) = golden("llama");
    let refused = |trigger, tokens| {
        let text: Vec<u32> = expected.prompt.iter().copied().cycle().take(tokens).collect();
        engine(&model, options(PolicyKind::Zoomr, trigger)).score(&text, 4, &mut go_on).unwrap_err()
    };
    assert!(matches!(refused(Trigger::Pooled, 1), EngineError::NothingToScore { tokens: 1 }));
    assert!(matches!(refused(Trigger::Pooled, 513), EngineError::TooLong { tokens: 513, .. }));
    // 500 tokens fit, but not with a summary to every eighth.
    let full = refused(Trigger::Forced, 500);
    assert!(matches!(full, EngineError::ContextFull { tokens: 500, context: 512, .. }), "{full}");
}

/// What continues a text is part of it: no prompt stands in between, and what is before it is seen.
#[test]
fn a_text_is_scored_part_by_part_as_in_one_go() {
    let (model, expected) = golden("llama");
    let text: Vec<u32> = [&expected.prompt[..], &expected.greedy_continuation].concat();
    for trigger in [Trigger::Pooled, Trigger::Forced] {
        let options = options(PolicyKind::Zoomr, trigger);
        let mut whole = engine(&model, options.clone());
        let wanted = whole.score(&text, 8, &mut go_on).unwrap().logprobs;
        let mut parts = engine(&model, options);
        for (part, prompt) in [(0..21, 8), (21..40, 0), (40..text.len(), 0)] {
            let scored = parts.score(&text[part.clone()], prompt, &mut go_on).unwrap();
            assert_eq!((scored.logprobs.len(), scored.logprobs[0]), (part.len(), None));
            for (found, wanted) in scored.logprobs.iter().zip(&wanted[part]).skip(1) {
                assert!((found.unwrap() - wanted.unwrap()).abs() < TOLERANCE, "{trigger:?}");
            }
        }
        let (whole, parts) = (whole.stream().unwrap().segments(), parts.stream().unwrap().segments());
        assert_eq!(parts, whole, "{trigger:?}");
        assert_eq!(whole.iter().filter(|segment| segment.kind == Kind::Prompt).count(), 1);
    }
}
