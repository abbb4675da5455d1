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
