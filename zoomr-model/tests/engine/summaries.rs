//! Summaries that the engine opens: their place in the stream, their length, their end.

use zoomr_core::{
    config::PolicyKind,
    segment::{Kind, Segment},
    trigger::Trigger,
};
use zoomr_model::engine::{EngineOptions, SummaryText};

use crate::support::{Tiny, engine, generate, golden, limits, options};

/// The segments after the prompt and the new tokens, of `max_tokens` greedy ones.
fn segments(
    model: &Tiny,
    prompt: &[u32],
    options: EngineOptions,
    max_tokens: usize,
) -> (Vec<Segment>, Vec<u32>) {
    let mut engine = engine(model, options);
    let generated = generate(&mut engine, prompt, limits(max_tokens));
    (engine.stream().unwrap().segments()[1..].to_vec(), generated.tokens)
}

fn lengths(segments: &[Segment]) -> Vec<(Kind, usize)> {
    segments.iter().map(|segment| (segment.kind, segment.range.len())).collect()
}

#[test]
fn every_thought_gets_one_and_they_count_as_new_tokens() {
    let (model, expected) = golden("llama");
    let prompt = &expected.prompt;
    // Thoughts of 8 tokens; summaries of 2 to open, 3 written, 1 to close. 33 tokens end inside of the third.
    let (segments, tokens) = segments(&model, prompt, options(PolicyKind::Zoomr, Trigger::Forced), 33);
    let (thought, summary) = ((Kind::Thought, 8), (Kind::Summary, 6));
    assert_eq!(lengths(&segments), [thought, summary, thought, summary, (Kind::Thought, 5)]);
    for segment in segments.iter().filter(|s| s.kind == Kind::Summary) {
        let text = &tokens[segment.range.start - prompt.len()..segment.range.end - prompt.len()];
        assert_eq!((&text[..2], text[5]), (&[5, 6][..], 7));
    }
}

#[test]
fn the_limit_on_tokens_cuts_a_summary_too() {
    let (model, expected) = golden("llama");
    for max_tokens in 9..14 {
        let forced = options(PolicyKind::Zoomr, Trigger::Forced);
        let (segments, tokens) = segments(&model, &expected.prompt, forced, max_tokens);
        assert_eq!(tokens.len(), max_tokens);
        assert_eq!(lengths(&segments), [(Kind::Thought, 8), (Kind::Summary, max_tokens - 8)]);
    }
}

#[test]
fn the_end_of_a_text_ends_the_summary_alone() {
    let (model, expected) = golden("llama");
    let forced = options(PolicyKind::Zoomr, Trigger::Forced);
    let (_, tokens) = segments(&model, &expected.prompt, forced.clone(), 14);
    let first = tokens[10];
    let summary = SummaryText { end: [first].into_iter().collect(), ..forced.summary.clone() };
    let (segments, tokens) = segments(&model, &expected.prompt, EngineOptions { summary, ..forced }, 20);
    assert_eq!(lengths(&segments[..2]), [(Kind::Thought, 8), (Kind::Summary, 3)]);
    assert_eq!(tokens[8..11], [5, 6, 7]);
}

#[test]
fn without_a_frame_a_summary_is_what_the_model_writes_next() {
    let (model, expected) = golden("llama");
    let forced = options(PolicyKind::Full, Trigger::Forced);
    let summary = SummaryText { open: Vec::new(), close: Vec::new(), ..forced.summary.clone() };
    let bare = EngineOptions { summary: summary.clone(), ..forced.clone() };
    let (found, tokens) = segments(&model, &expected.prompt, bare, 22);
    let (thought, written) = ((Kind::Thought, 8), (Kind::Summary, 3));
    assert_eq!(lengths(&found), [thought, written, thought, written]);
    // Full attention, and not a token that the model did not choose.
    assert_eq!(tokens, expected.greedy_continuation[..22]);

    // A model with nothing to say writes no summary at all.
    let end = [expected.greedy_continuation[8]].into_iter().collect();
    let silent = EngineOptions { summary: SummaryText { end, ..summary }, ..forced };
    let (found, tokens) = segments(&model, &expected.prompt, silent, 12);
    assert_eq!(lengths(&found), [thought, (Kind::Thought, 4)]);
    assert_eq!(tokens, expected.greedy_continuation[..12]);
}

#[test]
fn pooled_thoughts_get_none() {
    let (model, expected) = golden("llama");
    let (segments, _) = segments(&model, &expected.prompt, options(PolicyKind::Zoomr, Trigger::Pooled), 20);
    assert_eq!(lengths(&segments), [(Kind::Thought, 8), (Kind::Thought, 8), (Kind::Thought, 4)]);
}
