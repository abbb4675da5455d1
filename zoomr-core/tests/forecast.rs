//! Forecasts agree with what runs then take.

use burn_ndarray::NdArray;
use zoomr_core::{
    config::{Options, PolicyKind, Scope},
    forecast::{Assumption, forecast},
    layer::LayerSpec,
    portable::Portable,
    select::Zoom,
    testing::{
        host::Host,
        scenario::{Scenario, Segmentation},
    },
    trigger::Trigger,
};

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
            let expected = forecast(&scenario.host.layers, session.settings(), 4, run);
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
    let planned = |run| forecast(&scenario.host.layers, driven.session.settings(), 4, run).peak;
    let peak = driven.session.run_stats().resident_peak;
    assert!(peak <= planned(run), "{peak}, planned {}", planned(run));
    let short = Assumption { longest: thought(usual), ..run };
    assert!(peak > planned(short), "{peak}, planned {} without long thoughts", planned(short));
}
