//! Generation: the right tokens, and every way to end.

use std::{num::NonZeroUsize, ops::ControlFlow};

use zoomr_core::{config::PolicyKind, segment::Role, trigger::Trigger};
use zoomr_model::engine::{EngineError, EngineOptions, Event, Limits, Stop};

use crate::support::{engine, generate, go_on, golden, greedy, limits, options};

fn full() -> EngineOptions {
    options(PolicyKind::Full, Trigger::Pooled)
}

#[test]
fn greedy_tokens_are_those_of_transformers_whatever_the_chunk() {
    for name in ["llama", "gemma3"] {
        let (model, expected) = golden(name);
        for chunk in [1, 7, 256] {
            let options = EngineOptions { chunk: NonZeroUsize::new(chunk).unwrap(), ..full() };
            let generated = generate(&mut engine(&model, options), &expected.prompt, limits(32));
            assert_eq!(generated.tokens, expected.greedy_continuation, "{name}, chunks of {chunk}");
            assert_eq!(generated.stop, Stop::MaxTokens);
        }
    }
}

#[test]
fn a_stop_token_is_the_last_token() {
    let (model, expected) = golden("llama");
    let end = expected.greedy_continuation[4];
    let limits = Limits { tokens: [end].into_iter().collect(), ..limits(32) };
    let generated = generate(&mut engine(&model, full()), &expected.prompt, limits);
    let first = expected.greedy_continuation.iter().position(|&id| id == end).unwrap();
    assert_eq!(generated.tokens, expected.greedy_continuation[..=first]);
    assert_eq!(generated.stop, Stop::EndOfText);
}

#[test]
fn the_context_is_filled_and_not_passed() {
    let (model, expected) = golden("llama");
    let context = model.config().context_length();
    let prompt: Vec<u32> = expected.prompt.iter().copied().cycle().take(context - 3).collect();
    let generated = generate(&mut engine(&model, full()), &prompt, limits(1000));
    assert_eq!((generated.tokens.len(), generated.stop), (3, Stop::Context));

    let whole: Vec<u32> = prompt.iter().copied().cycle().take(context).collect();
    let generated = generate(&mut engine(&model, full()), &whole, limits(1000));
    assert_eq!((generated.tokens.len(), generated.stop), (0, Stop::Context));
}

#[test]
fn prompts_that_do_not_fit_are_refused() {
    let (model, expected) = golden("llama");
    let context = model.config().context_length();
    let prompt: Vec<u32> = expected.prompt.iter().copied().cycle().take(context + 1).collect();
    let refused = |prompt: &[u32]| {
        engine(&model, full()).generate(prompt, greedy(), limits(4), &mut go_on).unwrap_err()
    };
    let error = refused(&prompt);
    assert!(matches!(error, EngineError::TooLong { .. }));
    let message = error.to_string();
    assert!(message.contains("513") && message.contains("512"), "{message}");
    assert!(matches!(refused(&[]), EngineError::EmptyPrompt));
}

#[test]
fn an_observer_ends_it_at_once() {
    let (model, expected) = golden("llama");
    let mut tokens = 0;
    let mut three = |event: Event<'_>| {
        tokens += usize::from(matches!(event, Event::Token { .. }));
        if tokens == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let generated =
        engine(&model, full()).generate(&expected.prompt, greedy(), limits(32), &mut three).unwrap();
    assert_eq!((generated.tokens.len(), generated.stop), (3, Stop::Interrupted));

    let mut never = |_: Event<'_>| ControlFlow::Break(());
    let options = EngineOptions { chunk: NonZeroUsize::new(8).unwrap(), ..full() };
    let generated =
        engine(&model, options).generate(&expected.prompt, greedy(), limits(32), &mut never).unwrap();
    assert_eq!((generated.tokens.len(), generated.stop), (0, Stop::Interrupted));
}

#[test]
fn the_observer_hears_of_every_step_and_token() {
    let (model, expected) = golden("llama");
    let options = EngineOptions { chunk: NonZeroUsize::new(20).unwrap(), ..full() };
    let (mut steps, mut rows, mut prompt, mut tokens) = (0, 0, Vec::new(), Vec::new());
    let mut listen = |event: Event<'_>| {
        match event {
            Event::Step { role, stats, .. } => {
                steps += 1;
                rows += if role == Role::Prompt { stats.rows } else { 0 };
            }
            Event::Prompt { done, total } => prompt.push((done, total)),
            Event::Token { id, .. } => tokens.push(id),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let mut engine = engine(&model, options);
    let generated = engine.generate(&expected.prompt, greedy(), limits(5), &mut listen).unwrap();
    assert_eq!((steps, rows), (3 + 5, expected.prompt.len()));
    assert_eq!(prompt, [(20, 48), (40, 48), (48, 48)]);
    assert_eq!(tokens, generated.tokens);
    // The cache holds all of the text.
    assert_eq!(engine.stream().unwrap().len(), expected.prompt.len() + 5);
}
