//! Forecasts agree with what runs then take, and with a walk over the whole run.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

use std::time::{Duration, Instant};

use burn_ndarray::NdArray;
use proptest::{collection::vec, option::of, prelude::*, sample::select};
use zoomr_core::{
    config::{AtHand, Options, PolicyKind, Scope, Settings, SummaryVisibility},
    forecast::{Assumption, Widths, forecast},
    kv::KvDtype,
    layer::LayerSpec,
    portable::Portable,
    select::Zoom,
    testing::{
        forecast::walk,
        host::Host,
        scenario::{Scenario, Segmentation},
    },
    trigger::Trigger,
};

/// Of stores of Burn's tensors.
fn portable() -> Widths {
    Widths::of::<NdArray<f32>, Portable>()
}

/// Vectors of blocks in bytes, with a step each.
const BYTES: Widths = Widths { kv_vector: KvDtype::bytes, block_vector: |head_dim| head_dim + 4 };

fn scenario(options: Options, trigger: Trigger) -> Scenario {
    let layer = |sliding_window: Option<usize>| LayerSpec {
        query_heads: 2,
        kv_heads: 1,
        head_dim: 4,
        scale: 0.5,
        sliding_window: sliding_window.and_then(std::num::NonZeroUsize::new),
    };
    let layers = (0..4).map(|i| layer((i % 4 == 3).then_some(24))).collect();
    let host = Host { layers, seed: 3 };
    let tokens = (0..300).map(|i| 9 + i * 7 % 11).collect();
    Scenario { host, options, segmentation: Segmentation::Budget(12), trigger, tokens, prompt: 20 }
}

#[test]
fn forecasts_agree_with_runs() {
    // What the oracle holds depends on masses, which nobody knows beforehand.
    for &policy in PolicyKind::ALL.iter().filter(|&&policy| policy != PolicyKind::Oracle) {
        for (trigger, summary) in [(Trigger::Pooled, 0), (Trigger::Forced, 3)] {
            let options = Options {
                policy,
                scope: Scope::Global,
                window: 40,
                budget: 60,
                page_size: 4,
                zoom: Zoom::Thoughts(2),
                ..Options::default()
            };
            let scenario = scenario(options, trigger);
            let mut driven = scenario.start::<NdArray<f32>, _>(Portable, &Default::default()).unwrap();
            driven.run(|_| 1).unwrap();
            let session = &driven.session;
            let run = Assumption {
                prompt: 20,
                tokens: session.stream(driven.id).unwrap().len(),
                thought: 12.try_into().unwrap(),
                longest: 12.try_into().unwrap(),
                summary,
            };
            let expected = forecast(&scenario.host.layers, session.settings(), portable(), run);
            let found = session.account();
            let close =
                |found: u64, expected: u64| (found as f64 - expected as f64).abs() <= 0.02 * expected as f64;
            let case = format!("{policy} {trigger:?}: {found:?}, forecast {expected:?}");
            assert_eq!(session.full_bytes(), expected.full, "{case}");
            assert!(
                close(session.run_stats().resident_peak, expected.peak),
                "{case}, {:?}",
                session.run_stats()
            );
            let fixed = [
                (found.prompt, expected.end.prompt),
                (found.window, expected.end.window),
                (found.index, expected.end.index),
                (found.summaries, expected.end.summaries),
            ];
            assert!(fixed.iter().all(|(found, expected)| found == expected), "{case}");
            assert!(close(found.resident(), expected.end.resident()), "{case}");
            assert!(close(found.cold, expected.end.cold), "{case}");
        }
    }
}

#[test]
fn forecasts_with_blocks_agree_with_runs_to_the_byte() {
    // What stays visible ends within a block, within the prompt and beyond it; keys are known early, and never.
    for (keep_prompt, spread_tokens, slab_pages) in [(Some(10), 30, 1), (None, 160, 1), (Some(0), 400, 3)] {
        for (trigger, summary) in [(Trigger::Pooled, 0), (Trigger::Forced, 3)] {
            let blocks = Some(4);
            let options = Options {
                blocks,
                zoom_share: 0.01,
                window: 33,
                keep_prompt,
                spread_tokens,
                page_size: 8,
                slab_pages,
                ..Options::default()
            };
            let scenario = scenario(options, trigger);
            let mut driven = scenario.start::<NdArray<f32>, _>(Portable, &Default::default()).unwrap();
            driven.run(|_| 1).unwrap();
            let session = &driven.session;
            let thought = 12.try_into().unwrap();
            let tokens = session.stream(driven.id).unwrap().len();
            let run = Assumption { prompt: 20, tokens, thought, longest: thought, summary };
            let expected = forecast(&scenario.host.layers, session.settings(), portable(), run);
            let case = format!("{trigger:?}, {keep_prompt:?}, {spread_tokens}");
            assert_eq!(session.account(), expected.end, "{case}");
            assert_eq!(session.run_stats().resident_peak, expected.peak, "{case}");
            assert_eq!(session.full_bytes(), expected.full, "{case}");
            assert_eq!(expected.end.index > 0, spread_tokens <= tokens, "{case}");
            assert!(expected.end.zoomed > 0 || spread_tokens > tokens, "{case}");
        }
    }
}

#[test]
fn forecasts_know_what_is_at_hand() {
    for (at_hand, prompt) in [(40, 20), (0, 20), (100, 100)] {
        let options = Options {
            blocks: Some(4),
            window: 33,
            keep_prompt: Some(8),
            spread_tokens: 30,
            at_hand: AtHand::Tokens(at_hand),
            passage_tokens: 16,
            page_size: 4,
            ..Options::default()
        };
        let mut scenario = scenario(options, Trigger::Pooled);
        scenario.prompt = prompt;
        let mut driven = scenario.start::<NdArray<f32>, _>(Portable, &Default::default()).unwrap();
        driven.run(|_| 1).unwrap();
        let session = &driven.session;
        let (thought, tokens) = (12.try_into().unwrap(), scenario.tokens.len());
        let run = Assumption { prompt, tokens, thought, longest: thought, summary: 0 };
        let expected = forecast(&scenario.host.layers, session.settings(), portable(), run);
        let (found, peak) = (session.account(), session.run_stats().resident_peak);
        let case = format!("{at_hand}: {found:?}, {peak}, forecast {expected:?}");
        assert_eq!(found.index, expected.end.index, "{case}");
        let room = |found: u64, expected: u64| found <= expected && 10 * found >= 8 * expected;
        assert!(room(found.resident(), expected.end.resident()), "{case}");
        assert!(room(peak, expected.peak), "{case}");
        assert!(room(found.cold, expected.end.cold), "{case}");
    }
}

#[test]
fn a_peak_has_room_for_the_longest_thoughts() {
    let options = Options { window: 40, page_size: 1, zoom: Zoom::Thoughts(4), ..Options::default() };
    let mut scenario = scenario(options, Trigger::Pooled);
    // A blank line ends a paragraph: most of them after 4 tokens, some not before the limit.
    scenario.segmentation = Segmentation::Paragraphs(24);
    let short = |i: &usize| i % 4 == 3 && (i / 24).is_multiple_of(2);
    (20..scenario.tokens.len()).filter(short).for_each(|i| scenario.tokens[i] = 5);
    let mut driven = scenario.start::<NdArray<f32>, _>(Portable, &Default::default()).unwrap();
    driven.run(|_| 1).unwrap();
    let stream = driven.session.stream(driven.id).unwrap();
    let lengths: Vec<usize> = stream.thoughts().iter().map(|thought| thought.detail.len()).collect();
    let usual = lengths.iter().sum::<usize>() / lengths.len();
    assert!(usual < 8 && lengths.contains(&24), "{lengths:?}");
    let thought = |tokens: usize| tokens.try_into().unwrap();
    let run = Assumption {
        prompt: 20,
        tokens: stream.len(),
        thought: thought(usual),
        longest: thought(24),
        summary: 0,
    };
    let planned = |run| forecast(&scenario.host.layers, driven.session.settings(), portable(), run).peak;
    let peak = driven.session.run_stats().resident_peak;
    assert!(peak <= planned(run), "{peak}, planned {}", planned(run));
    let short = Assumption { longest: thought(usual), ..run };
    assert!(peak > planned(short), "{peak}, planned {} without long thoughts", planned(short));
}

prop_compose! {
    /// Settings of all policies, small enough that a walk is short.
    fn settings()(
        policy in select(PolicyKind::ALL),
        zoom in prop_oneof![
            (0..5_usize).prop_map(Zoom::Thoughts),
            (0..200_usize).prop_map(Zoom::Tokens),
            (0.0..1.0).prop_map(Zoom::Mass),
        ],
        (window, prompt, sinks) in (1..90_usize, of(0..60_usize), 0..60_usize),
        (budget, buffer) in (9..120_usize, 8..50_usize),
        summaries in select(SummaryVisibility::ALL),
        resident_thoughts in of(0..6_usize),
        (blocks, spread_tokens) in (of(1..9_usize), 1..300_usize),
        (page_size, slab_pages, kv) in (1..20_usize, 1..5_usize, select(KvDtype::ALL)),
    ) -> Settings {
        // Blocks fill pages, and every summary is visible with them.
        let page_size = blocks.map_or(page_size, |block| page_size.next_multiple_of(block));
        let summaries = if blocks.is_some() { SummaryVisibility::All } else { summaries };
        let options = Options {
            policy, zoom, window, keep_prompt: prompt, sinks, budget, buffer, summaries, resident_thoughts, blocks, spread_tokens, page_size, slab_pages, kv,
            ..Options::default()
        };
        Settings::try_from(options).unwrap()
    }
}

prop_compose! {
    /// Runs of no token and of many.
    fn assumption()(
        prompt in 0..120_usize,
        tokens in 0..900_usize,
        thought in 1..50_usize,
        longer in 0..30_usize,
        summary in 0..15_usize,
    ) -> Assumption {
        let count = |tokens: usize| tokens.try_into().unwrap();
        Assumption { prompt, tokens, thought: count(thought), longest: count(thought + longer), summary }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn a_forecast_is_what_a_walk_finds(
        settings in settings(),
        run in assumption(),
        windows in vec(of(1..70_usize), 1..5),
    ) {
        let layer = |window: &Option<usize>| LayerSpec {
            query_heads: 2,
            kv_heads: 1,
            head_dim: 4,
            scale: 0.5,
            sliding_window: window.and_then(std::num::NonZeroUsize::new),
        };
        let layers: Vec<LayerSpec> = windows.iter().map(layer).collect();
        prop_assert_eq!(forecast(&layers, &settings, BYTES, run), walk(&layers, &settings, BYTES, run));
    }
}

#[test]
fn the_length_of_a_run_costs_nothing() {
    let layer = LayerSpec { query_heads: 9, kv_heads: 3, head_dim: 64, scale: 0.1, sliding_window: None };
    let blocks = [(PolicyKind::Zoomr, Some(4))];
    for (policy, blocks) in PolicyKind::ALL.iter().map(|&policy| (policy, None)).chain(blocks) {
        let settings = Settings::try_from(Options { policy, blocks, ..Options::default() }).unwrap();
        let thought = 56.try_into().unwrap();
        let run = Assumption { prompt: 128, tokens: 1 << 32, thought, longest: thought, summary: 12 };
        let begun = Instant::now();
        let found = forecast(&[layer; 30], &settings, BYTES, run);
        assert!(begun.elapsed() < Duration::from_millis(200), "{policy}: {:?}", begun.elapsed());
        assert_eq!(found.full, (1 << 32) * 30 * 2 * 3 * 64 * 4, "{policy}");
    }
}
