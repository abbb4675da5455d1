//! Missed attention: nothing where everything is shown, and the right share where attention is even.

use zoomr_core::config::{Options, Scope};
use zoomr_model::{
    eval::{EvalError, Plan},
    setting::Setting,
};

use crate::support::{Place, done, plan, settings};

#[test]
fn where_everything_is_shown_nothing_is_missed() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(1));
    let everything = [
        "full",
        "zoomr:zoom=999",
        "zoomr:zoom=999,scope=global",
        "zoomr:zoom=999,scope=two-pass",
        "window:window=999",
        "h2o:budget=999",
        "rkv:budget=999",
        "quest:budget=999",
        "oracle:zoom=999",
    ];
    let settings = settings(&everything);
    let plan = Plan { mass: 1, ..plan(&problems, &settings, 2) };
    for outcome in done(&plan, &bench, Vec::new(), None) {
        let missed = outcome.missed_mass.unwrap();
        assert!(missed < 1e-5, "{}: {missed}", outcome.setting);
    }
}

#[test]
fn what_is_not_shown_is_missed() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(2));
    let settings =
        settings(&["window:sinks=0", "zoomr:zoom=1", "oracle:zoom=1", "h2o:budget=12", "quest:budget=12"]);
    let plan = Plan { mass: 1, ..plan(&problems, &settings, 2) };
    let outcomes = done(&plan, &bench, Vec::new(), None);
    let (measured, others) = outcomes.split_at(5);
    assert!(others.iter().all(|outcome| outcome.missed_mass.is_none()));
    let missed: Vec<f64> = measured.iter().map(|outcome| outcome.missed_mass.unwrap()).collect();
    assert!(missed.iter().all(|&share| (0.01..0.99).contains(&share)), "{missed:?}");
    // Everything that the window shows, zoomr shows, and the prompt besides.
    assert!(missed[0] > missed[1], "{missed:?}");
}

/// With keys of zero a row gives each token the same, so that what a window misses can be counted.
#[test]
fn even_attention_misses_as_many_tokens_as_are_hidden() {
    let place = Place::new(Some("k_proj"));
    let (bench, problems) = (place.bench(), place.problems(1));
    let base = Options { scope: Scope::Layer, window: 9, page_size: 3, ..Options::default() };
    let settings = [Setting::parse("window:sinks=2", &base).unwrap()];
    let plan = Plan { mass: 1, ..plan(&problems, &settings, 1) };
    let outcome = done(&plan, &bench, Vec::new(), None).remove(0);
    let rows = outcome.prompt_tokens..outcome.prompt_tokens + outcome.output_tokens;
    let hidden = |position: usize| 1.0 - 11.0 / (position + 1) as f64;
    let expected = rows.clone().map(hidden).sum::<f64>() / rows.len() as f64;
    assert!(outcome.prompt_tokens > 11 && (outcome.missed_mass.unwrap() - expected).abs() < 1e-5);
}

#[test]
fn summaries_that_the_engine_opens_are_in_the_way() {
    let place = Place::new(None);
    let (mut bench, problems, settings) = (place.bench(), place.problems(1), settings(&["full"]));
    bench.options.trigger = zoomr_core::trigger::Trigger::Forced;
    let plan = Plan { mass: 1, ..plan(&problems, &settings, 1) };
    assert!(matches!(plan.check(&bench), Err(EvalError::Mass)));
}
