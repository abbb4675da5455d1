//! Properties of what needs no tensors: position sets, page layouts, the grammar.

use std::collections::BTreeSet;

use proptest::prelude::*;
use zoomr_core::{
    cache::Layout,
    positions::PositionSet,
    segment::{Due, Grammar, Kind, Marker, MarkerPair, Markers, Paragraphs, Role, Segmenter},
    token::Token,
    trigger::Trigger,
};

fn ranges() -> impl Strategy<Value = Vec<(usize, usize)>> {
    prop::collection::vec((0..40usize, 0..8usize), 0..12)
}

fn set(ranges: &[(usize, usize)]) -> PositionSet {
    ranges.iter().map(|&(start, len)| start..start + len).collect()
}

fn reference(ranges: &[(usize, usize)]) -> BTreeSet<usize> {
    ranges.iter().flat_map(|&(start, len)| start..start + len).collect()
}

proptest! {
    #[test]
    fn position_sets_are_sets(a in ranges(), b in ranges(), within in (0..40usize, 0..20usize)) {
        let (mut found, mut expected) = (set(&a), reference(&a));
        found.extend(&set(&b));
        expected.extend(reference(&b));
        prop_assert_eq!(found.len(), expected.len());
        prop_assert!((0..60).all(|p| found.contains(p) == expected.contains(&p)));
        prop_assert!(found.ranges().windows(2).all(|w| w[0].end < w[1].start), "runs are apart");
        let within = within.0..within.0 + within.1;
        let clipped: Vec<usize> = found.clipped(within.clone()).flatten().collect();
        let inside: Vec<usize> = expected.range(within.clone()).copied().collect();
        prop_assert_eq!(found.overlaps(within), !inside.is_empty());
        prop_assert_eq!(clipped, inside);
    }

    #[test]
    fn layouts_tile_the_sequence(
        begins in prop::collection::vec(any::<bool>(), 0..60),
        page_size in 1..7usize,
        cut in 0..60usize,
        probe in (0..60usize, 0..20usize),
    ) {
        let mut layout = Layout::new(page_size);
        begins.iter().for_each(|&b| layout.push(b));
        let mut next = 0;
        for (i, page) in layout.pages().iter().enumerate() {
            prop_assert_eq!(page.start, next);
            prop_assert!((1..=page_size).contains(&page.len));
            prop_assert!(!begins[page.start + 1..page.start + page.len].contains(&true), "page {} spans segments", i);
            next += page.len;
        }
        prop_assert_eq!(next, begins.len());
        let probe = probe.0..(probe.0 + probe.1).min(begins.len());
        let holds = |page: &zoomr_core::cache::Extent| page.positions().any(|p| probe.contains(&p));
        let expected: Vec<usize> = (0..layout.pages().len()).filter(|&i| holds(&layout.pages()[i])).collect();
        prop_assert_eq!(layout.overlapping(probe).collect::<Vec<_>>(), expected);
        let mut short = Layout::new(page_size);
        begins.iter().take(cut).for_each(|&b| short.push(b));
        layout.truncate(cut);
        prop_assert_eq!(layout, short);
    }

    #[test]
    fn the_grammar_survives_any_stream(
        ids in prop::collection::vec(0..9u32, 1..80),
        markers in any::<bool>(),
        trigger in prop::sample::select(vec![
            Trigger::Pooled, Trigger::Forced, Trigger::ModelEmitted, Trigger::Pressure { limit: 40 },
        ]),
        cut in 0..80usize,
    ) {
        let mut whole = grammar(markers, trigger);
        let mut states = vec![format!("{whole:?}")];
        for (i, &id) in ids.iter().enumerate() {
            push(&mut whole, id, i);
            check_tiling(&whole)?;
            states.push(format!("{whole:?}"));
        }
        let cut = cut.min(ids.len());
        whole.truncate(cut);
        // The engine's calls come after a token; up to them, the state is what it was.
        let mut again = grammar(markers, trigger);
        ids[..cut].iter().enumerate().for_each(|(i, &id)| push(&mut again, id, i));
        let mut resumed = whole;
        engine(&mut resumed, ids.get(cut.wrapping_sub(1)).copied());
        prop_assert_eq!(format!("{resumed:?}"), states[cut].clone());
    }
}

fn grammar(markers: bool, trigger: Trigger) -> Grammar {
    let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
    let segmenter: Box<dyn Segmenter> = match markers {
        true => Box::new(Markers::new(pair(1, 2), pair(3, 4)).expect("four markers")),
        false => Box::new(Paragraphs::new(2..=6).expect("a range")),
    };
    Grammar::new(segmenter, trigger)
}

/// Pushes a token, and does what an engine does after it: opens summaries that are due, closes them at 8.
fn push(grammar: &mut Grammar, id: u32, position: usize) {
    let text: &[u8] = if id == 5 { b"\n\n" } else { b"x" };
    let role = if position < 3 { Role::Prompt } else { Role::Stream };
    grammar.push(Token { id, text }, role, position as u64);
    engine(grammar, Some(id));
}

fn engine(grammar: &mut Grammar, last: Option<u32>) {
    if grammar.due() == Due::Summary {
        grammar.open_summary();
    } else if last == Some(8) {
        grammar.close_summary();
    }
}

fn check_tiling(grammar: &Grammar) -> Result<(), TestCaseError> {
    let stream = grammar.stream();
    let mut next = 0;
    for segment in stream.segments() {
        prop_assert_eq!(segment.range.start, next);
        prop_assert!(!segment.range.is_empty());
        next = segment.range.end;
    }
    prop_assert_eq!(next, stream.len());
    let closed = stream.segments().iter().rev().skip(1);
    prop_assert!(closed.into_iter().all(|s| !s.open), "only the last segment is open");
    let kinds = |kind| stream.segments().iter().filter(move |s| s.kind == kind).count();
    prop_assert_eq!(kinds(Kind::Thought), stream.thoughts().len());
    let summaries = stream.thoughts().iter().filter(|t| t.summary.is_some()).count();
    prop_assert_eq!(kinds(Kind::Summary), summaries, "every summary has its thought");
    let pending = stream.thoughts().iter().filter(|t| t.retired_at.is_none()).count();
    prop_assert!(pending <= 1);
    Ok(())
}

#[test]
fn ordinary_text_may_stand_between_a_thought_and_its_summary() {
    let mut grammar = grammar(true, Trigger::ModelEmitted);
    for id in [7, 7, 7, 1, 7, 2, 7, 3, 7, 4, 7, 3, 7, 1, 7, 7] {
        grammar.push(Token::bare(id), Role::Stream, 0);
    }
    let thoughts = grammar.stream().thoughts();
    assert_eq!((thoughts[0].detail.clone(), thoughts[0].summary.clone()), (3..6, Some(7..10)));
    assert_eq!(thoughts[0].retired_at, Some(10));
    // The second "summary" follows no thought: ordinary text. The second thought stays open.
    assert_eq!((thoughts[1].detail.clone(), thoughts[1].retired_at), (13..16, None));
}

#[test]
fn pressure_keeps_thoughts_open_until_memory_is_short() {
    let mut grammar = grammar(false, Trigger::Pressure { limit: 100 });
    for i in 0..20 {
        grammar.push(Token { id: 5, text: b"\n\n" }, Role::Stream, 10 * i);
        if grammar.due() == Due::Summary {
            break;
        }
    }
    let thought = &grammar.stream().thoughts()[0];
    assert!(thought.detail.len() > 10, "closed after the limit: {thought:?}");
    assert_eq!(grammar.due(), Due::Summary);
}
