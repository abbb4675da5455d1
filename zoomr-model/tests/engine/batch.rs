//! Batches: each request comes to what it comes to alone, whatever becomes of the others.

use std::{num::NonZeroUsize, ops::ControlFlow};

use zoomr_core::{
    Error as CoreError,
    config::{Options, PolicyKind, Scope, Settings},
    segment::Kind,
    trigger::Trigger,
};
use zoomr_model::{
    Error,
    engine::{EngineError, EngineOptions, StepBudget, Stop, Task},
    text::sample::{Sampler, SamplingOptions},
};

use crate::{
    support::{Expected, engine, go_on, golden, options},
    together::{Ask, Together},
};

fn zoomr() -> EngineOptions {
    options(PolicyKind::Zoomr, Trigger::Pooled)
}

fn full() -> EngineOptions {
    options(PolicyKind::Full, Trigger::Pooled)
}

/// Settings as those of `options`, with a cap.
fn capped(options: &EngineOptions, cap: u64) -> Settings {
    Settings::try_from(Options { cap: Some(cap), ..Options::clone(&options.settings) }).unwrap()
}

/// Texts of different lengths under different triggers; the third is sampled.
fn asks(expected: &Expected) -> Vec<Ask> {
    let prompt = &expected.prompt;
    let options = SamplingOptions { temperature: 1.0, seed: 3, ..SamplingOptions::default() };
    vec![
        Ask::new(&prompt[..5], Trigger::Pooled, 70),
        Ask::new(&prompt[3..40], Trigger::Forced, 90),
        Ask { sampler: Sampler::new(options).unwrap(), ..Ask::new(prompt, Trigger::Pooled, 60) },
        Ask::new(&prompt[20..], Trigger::ModelEmitted, 80),
        Ask::new(&prompt[..30], Trigger::Forced, 75),
    ]
}

#[test]
fn each_request_writes_what_it_writes_alone_while_others_come_and_go() {
    let (model, expected) = golden("llama");
    let asks = asks(&expected);
    let alone: Vec<_> = asks.iter().map(|ask| ask.alone(&model, &zoomr()).tokens).collect();
    let most = 48 * 8 * 768;
    let mut together = Together::with(&model, &zoomr(), capped(&zoomr(), most));
    let mut ids = Vec::new();
    for ask in &asks {
        ids.push(together.ask(ask));
        (0..7).for_each(|_| together.step(64));
    }
    let long: Vec<u32> = expected.prompt.iter().copied().cycle().take(500).collect();
    let refused = together.ask(&Ask::new(&long, Trigger::Pooled, 9));
    together.step(600);
    let cancelled = together.batch.remove(ids[1]).unwrap();
    together.finish(64);

    let error = together.ended.remove(&refused).unwrap().unwrap_err();
    assert!(matches!(error, EngineError::Model(Error::Attention(CoreError::OverCap { .. }))), "{error}");
    assert!(together.batch.request(refused).unwrap().tokens().is_empty());
    let written = cancelled.new_tokens().len();
    assert!((10..90).contains(&written) && cancelled.new_tokens() == &alone[1][..written]);
    for number in [0, 2, 3, 4] {
        assert_eq!(together.written(ids[number]), alone[number], "request {number}");
        assert_eq!(together.ended.remove(&ids[number]).unwrap().unwrap(), Stop::MaxTokens);
    }
    assert!(together.ended.is_empty());
    let segments = |number: usize| together.batch.session().stream(ids[number]).unwrap().segments();
    // Summaries there were, of both kinds, and something to zoom into.
    for number in [3, 4] {
        assert!(segments(number).iter().filter(|s| s.kind == Kind::Summary).count() > 2, "{number}");
    }
    let run = together.batch.session().run_stats();
    assert!(run.hits + run.misses > 0 && run.attended < run.attended_full);
}

#[test]
fn whoever_writes_goes_on_while_a_long_prompt_is_taken_in() {
    let (model, expected) = golden("llama");
    let long: Vec<u32> = expected.prompt.iter().copied().cycle().take(200).collect();
    let asks = [
        Ask::new(&expected.prompt[..8], Trigger::Pooled, 60),
        Ask::new(&long, Trigger::Pooled, 5),
        Ask::new(&expected.prompt[..20], Trigger::Pooled, 5),
    ];
    let mut together = Together::new(&model, &zoomr());
    let writer = together.ask(&asks[0]);
    together.step(16);
    let (prompt, later) = (together.ask(&asks[1]), together.ask(&asks[2]));
    for step in 1.. {
        together.step(16);
        assert_eq!(together.written(writer).len(), step);
        let stats = together.batch.session().last_step();
        assert_eq!(stats.rows, 16);
        if together.prompts[&prompt].last() == Some(&200) {
            break;
        }
        // One row writes, the others are the prompt's that came first.
        let rows: Vec<_> = stats.last_rows.iter().map(|row| (row.sequence, row.position + 1)).collect();
        assert_eq!(rows, [(writer.number(), 8 + step), (prompt.number(), 15 * step)]);
        assert!(!together.prompts.contains_key(&later));
    }
    // What the first prompt left of the last of these steps, the second got.
    assert_eq!((together.prompts[&prompt].len(), &together.prompts[&later][..]), (14, &[10][..]));
    // With no more budget than that, prompts get on all the same.
    together.step(1);
    assert_eq!(together.prompts[&later], [10, 11]);
    together.finish(16);
    for (id, ask) in [writer, prompt, later].into_iter().zip(&asks) {
        assert_eq!(together.written(id), ask.alone(&model, &zoomr()).tokens);
    }
}

#[test]
fn one_that_outgrows_the_cap_keeps_what_it_has_written() {
    let (model, expected) = golden("llama");
    let asks = [
        Ask::new(&expected.prompt[..8], Trigger::Pooled, 12),
        Ask::new(&expected.prompt[..40], Trigger::Pooled, 300),
    ];
    // Room for some 80 tokens.
    let mut together = Together::with(&model, &full(), capped(&full(), 80 * 768));
    let [short, long] = [0, 1].map(|number| together.ask(&asks[number]));
    together.finish(64);
    assert!(matches!(together.ended[&short], Ok(Stop::MaxTokens)));
    assert!(matches!(together.ended[&long], Ok(Stop::Cap)));
    assert_eq!(together.written(short), asks[0].alone(&model, &full()).tokens);
    let written = together.written(long).len();
    assert!((5..40).contains(&written), "{written}");
    assert_eq!(together.written(long), &asks[1].alone(&model, &full()).tokens[..written]);
}

#[test]
fn summaries_go_on_where_another_request_outgrows_the_cap() {
    let (model, expected) = golden("llama");
    // Layers find out for themselves that there is no room for what they have chosen: the step is done again without
    // that request, and others are about to open or to close a summary.
    let choosing = Options { scope: Scope::Layer, window: 8, ..Options::clone(&zoomr().settings) };
    let options = EngineOptions { settings: Settings::try_from(choosing).unwrap(), ..zoomr() };
    let asks: Vec<Ask> =
        (0..5).map(|i| Ask::new(&expected.prompt[i..12 + 3 * i], Trigger::Forced, 80)).collect();
    let alone: Vec<_> = asks.iter().map(|ask| ask.alone(&model, &options).tokens).collect();
    let mut refused = 0;
    for tokens in (120..300).step_by(6) {
        let mut together = Together::with(&model, &options, capped(&options, tokens * 768));
        let ids: Vec<_> = asks.iter().map(|ask| together.ask(ask)).collect();
        together.finish(64);
        for (id, alone) in ids.iter().zip(&alone) {
            let written = together.written(*id);
            assert_eq!(written, &alone[..written.len()], "a cap of {tokens} tokens");
            refused += usize::from(!matches!(together.ended[id], Ok(Stop::MaxTokens | Stop::EndOfText)));
        }
    }
    assert!(refused > 20, "{refused}");
}

#[test]
fn a_request_that_is_removed_leaves_nothing() {
    let (model, expected) = golden("llama");
    let mut together = Together::new(&model, &zoomr());
    let ids: Vec<_> = asks(&expected).iter().map(|ask| together.ask(ask)).collect();
    (0..45).for_each(|_| together.step(32));
    let held = together.batch.session().allocated();
    for (left, id) in ids.into_iter().rev().enumerate() {
        assert!(!together.batch.remove(id).unwrap().is_busy(), "{left}");
        assert!(matches!(together.batch.remove(id), Err(EngineError::Model(_))));
        assert!(together.batch.session().allocated() < held);
    }
    assert_eq!((together.batch.session().allocated(), together.batch.requests().count()), (0, 0));
    together.step(1);
    assert!(together.ended.is_empty());
}

#[test]
fn an_observer_ends_the_one_that_it_hears_of() {
    let (model, expected) = golden("llama");
    let asks = asks(&expected);
    let mut together = Together::new(&model, &zoomr());
    let [first, second] = [0, 1].map(|number| together.ask(&asks[number]));
    (0..20).for_each(|_| together.step(64));
    let budget = StepBudget { rows: NonZeroUsize::new(64).unwrap() };
    let mut no = |id, _: zoomr_model::engine::Event<'_>| match id == first {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let ended = together.batch.step(budget, &mut no).unwrap();
    assert_eq!((ended.len(), ended[0].id), (1, first));
    assert!(matches!(ended[0].end, Ok(Stop::Interrupted)));
    assert!(!together.batch.request(first).unwrap().is_busy());
    together.finish(64);
    let alone = asks[1].alone(&model, &zoomr()).tokens;
    assert_eq!(together.batch.request(second).unwrap().new_tokens(), alone);
}

#[test]
fn a_token_that_the_model_has_not_ends_its_own_request_only() {
    let (model, expected) = golden("llama");
    let ask = Ask::new(&expected.prompt, Trigger::Pooled, 20);
    let mut together = Together::new(&model, &zoomr());
    let sound = together.ask(&ask);
    let unsound = together.ask(&Ask::new(&[1, 2, 307], Trigger::Pooled, 20));
    together.finish(64);
    let error = together.ended[&unsound].as_ref().unwrap_err();
    assert!(matches!(error, EngineError::Model(Error::TokenId { id: 307, row: 2, .. })), "{error}");
    assert_eq!(together.written(sound), ask.alone(&model, &zoomr()).tokens);
}

#[test]
fn forks_share_a_prompt_and_part_ways() {
    let (model, expected) = golden("llama");
    let (prompt, last) = (&expected.prompt, expected.prompt.len() - 1);
    let sampled = |seed| {
        let options = SamplingOptions { temperature: 1.5, seed, ..SamplingOptions::default() };
        Ask { sampler: Sampler::new(options).unwrap(), ..Ask::new(prompt, Trigger::Forced, 40) }
    };
    let asks: Vec<Ask> = [1, 2, 3].map(sampled).to_vec();
    let mut together = Together::new(&model, &zoomr());
    let first = together.ask(&asks[0]);
    (0..5).for_each(|_| together.step(64));
    let held = together.batch.session().allocated();
    let mut ids = vec![first];
    for ask in &asks[1..] {
        let fork = together.batch.fork(first, last).unwrap();
        assert!(!together.batch.request(fork).unwrap().is_busy());
        let rest = Ask { prompt: prompt[last..].to_vec(), ..ask.clone() };
        together.batch.begin(fork, rest.task()).unwrap();
        ids.push(fork);
    }
    assert!(together.batch.session().allocated() < held + held / 2, "the prompt is shared");
    assert!(matches!(together.batch.record(ids[1]), Err(EngineError::RecordedLate { tokens: 47 })));
    together.finish(64);
    for (id, ask) in ids.iter().zip(&asks) {
        assert_eq!(together.written(*id), ask.alone(&model, &zoomr()).tokens);
        assert_eq!(together.batch.request(*id).unwrap().tokens()[..=last], prompt[..]);
    }
    assert_ne!(together.written(ids[1]), together.written(ids[2]));
}

#[test]
fn a_request_that_has_ended_goes_on_from_there() {
    let (model, expected) = golden("llama");
    let ask = Ask::new(&expected.prompt[..20], Trigger::Pooled, 10);
    let mut together = Together::new(&model, &full());
    let id = together.ask(&ask);
    assert!(matches!(together.batch.begin(id, ask.task()), Err(EngineError::Busy)));
    together.finish(64);
    let before = together.batch.request(id).unwrap().tokens().to_vec();
    assert_eq!(before.len(), 30);
    let next = Ask::new(&expected.prompt[20..], Trigger::Pooled, 15);
    assert!(matches!(
        together.batch.begin(id, Ask { prompt: vec![1; 483], ..next.clone() }.task()),
        Err(EngineError::TooLong { tokens: 513, context: 512, .. })
    ));
    together.tokens.clear();
    together.ended.clear();
    together.batch.begin(id, next.task()).unwrap();
    together.finish(7);
    assert_eq!(together.prompts[&id], [20, 7, 14, 21, 28]);
    let whole = Ask { prompt: [&before[..], &next.prompt].concat(), ..next };
    assert_eq!(together.written(id), whole.alone(&model, &full()).tokens);
}

#[test]
fn texts_are_scored_beside_others_that_are_written() {
    let (model, expected) = golden("llama");
    let text: Vec<u32> = [&expected.prompt[..], &expected.greedy_continuation].concat();
    for trigger in [Trigger::Pooled, Trigger::Forced] {
        let asks = asks(&expected);
        let mut together = Together::new(&model, &zoomr());
        let writers: Vec<_> = asks.iter().map(|ask| together.ask(ask)).collect();
        let scored = together.add(trigger);
        together.batch.begin(scored, Task::Score { text: text.clone(), prompt: 8 }).unwrap();
        together.finish(24);
        assert!(matches!(together.ended[&scored], Ok(Stop::TextOver)));
        let alone = engine(&model, options(PolicyKind::Zoomr, trigger)).score(&text, 8, &mut go_on).unwrap();
        let request = together.batch.request(scored).unwrap();
        assert_eq!(request.logprobs().len(), text.len());
        for (found, wanted) in request.logprobs().iter().zip(&alone.logprobs) {
            assert!((found.unwrap_or(9.0) - wanted.unwrap_or(9.0)).abs() < 1e-4, "{trigger:?}");
        }
        for (id, ask) in writers.into_iter().zip(&asks) {
            assert_eq!(together.written(id), ask.alone(&model, &zoomr()).tokens);
        }
    }
}

#[test]
fn one_of_several_is_recorded_as_if_it_were_alone() {
    let (model, expected) = golden("llama");
    let asks = asks(&expected);
    let recorded = |others: &[usize]| {
        let mut together = Together::new(&model, &zoomr());
        others.iter().for_each(|&number| {
            together.ask(&asks[number]);
        });
        let id = together.ask(&asks[4]);
        together.batch.record(id).unwrap();
        together.finish(40);
        together.batch.remove(id).unwrap().recording().unwrap().to_bytes().unwrap()
    };
    let (alone, beside) = (recorded(&[]), recorded(&[0, 1, 2, 3]));
    assert_eq!(alone.len(), beside.len());
    // The header is the same, and the rest is numbers of four bytes.
    let header = 8 + u64::from_le_bytes(alone[..8].try_into().unwrap()) as usize;
    assert_eq!(alone[..header], beside[..header]);
    let numbers = |bytes: &[u8]| -> Vec<f32> {
        bytes[header..].as_chunks().0.iter().copied().map(f32::from_le_bytes).collect()
    };
    let mut pairs = numbers(&alone).into_iter().zip(numbers(&beside));
    assert!(pairs.all(|(a, b)| (a - b).abs() < 1e-4));
}
