//! Replays: a recording under its own settings is the run again, and under others what they would have shown.

use std::ops::ControlFlow;

use zoomr_core::trigger::Trigger;
use zoomr_model::{
    eval::{EvalError, Plan},
    setting::Setting,
};

use crate::support::{Place, done, plan, recorded, replay, replayed, settings};

/// Shares are differences of log-sum-exps below 8 in f32, whose last bit is 5e-7, of queries that the model computes
/// one token at a time here, and many at a time there.
const ROUNDING: f64 = 1e-5;

#[test]
fn under_its_own_setting_a_recording_is_the_run_again() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(1));
    let settings = settings(&[
        "full",
        "zoomr:zoom=1",
        "zoomr:zoom=2,votes=3,scope=global",
        "window:sinks=2",
        "h2o:budget=12",
        "rkv:budget=12,buffer=8",
        "quest:budget=12",
        "summaries",
        "oracle:zoom=1",
    ]);
    let plan = Plan { mass: 1, ..plan(&problems, &settings, 2) };
    for (outcome, setting) in done(&plan, &bench, Vec::new(), None).iter().zip(&settings) {
        let recording = recorded(&bench, &problems[0], setting, outcome.output_tokens);
        let again = &replayed(&bench, &recording, std::slice::from_ref(setting))[0];
        let name = setting.name();
        assert_eq!((&*again.setting, again.policy), (name, setting.settings().policy.name()));
        assert_eq!(
            (again.prompt_tokens, again.output_tokens),
            (outcome.prompt_tokens, outcome.output_tokens)
        );
        let run = &outcome.run;
        let counted = (again.resident_peak, again.resident_area, again.hits, again.misses);
        assert_eq!(counted, (run.resident_peak, run.resident_area, run.hits, run.misses), "{name}");
        assert_eq!((again.bytes, again.full_bytes), (outcome.bytes, outcome.full_bytes), "{name}");
        let missed = outcome.missed_mass.unwrap();
        assert!((again.missed_mass - missed).abs() < ROUNDING, "{name}: {again:?}, {missed}");
    }
}

#[test]
fn other_settings_show_what_they_would_have_shown() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(1));
    let settings = settings(&["full", "zoomr:zoom=999", "oracle:zoom=2", "zoomr:zoom=2", "window:sinks=0"]);
    let recording = recorded(&bench, &problems[0], &settings[0], 60);
    let rows = replayed(&bench, &recording, &settings);
    let names: Vec<&str> = rows.iter().map(|row| &*row.setting).collect();
    assert_eq!(names, settings.iter().map(Setting::name).collect::<Vec<_>>());
    let [full, everything, oracle, zoomr, window] = &rows[..] else { panic!("{rows:?}") };
    assert!(full.missed_mass < ROUNDING && everything.missed_mass < ROUNDING, "{rows:?}");
    // The thoughts with most attention of all heads miss least; a window shows less than either.
    let close = oracle.missed_mass..window.missed_mass;
    assert!(close.contains(&(zoomr.missed_mass + ROUNDING)) && oracle.missed_mass > 0.01, "{rows:?}");
    // Position by position: each token sees those before it, and itself.
    let (first, last) = (full.prompt_tokens + 1, full.prompt_tokens + full.output_tokens);
    assert_eq!(full.attended_tokens, (first + last) as f64 / 2.0);
    assert_eq!(full.attended_times_fewer, 1.0);
    assert_eq!(window.attended_tokens, 9.0);
    assert!((window.attended_times_fewer * 9.0 - full.attended_tokens).abs() < 1e-9);
    assert_eq!((full.hit_rate, window.hit_rate), (None, None));
    let rate = zoomr.hits as f64 / (zoomr.hits + zoomr.misses) as f64;
    assert!(zoomr.hit_rate == Some(rate) && zoomr.misses > 0);
    assert!(window.reduction_of_device > zoomr.reduction_of_device && zoomr.bytes.cold > 0);
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(1));
    let (one, twice) = (settings(&["full"]), settings(&["full", "full"]));
    let recording = recorded(&bench, &problems[0], &one[0], 3);
    let mut opened = replay(&bench, &recording, &one);
    for trigger in [Trigger::Forced, Trigger::Pressure { limit: 1 }] {
        opened.trigger = trigger;
        assert!(matches!(opened.run(&mut |_| ControlFlow::Continue(())), Err(EvalError::Opened)));
    }
    let refused = |settings: &[Setting]| replay(&bench, &recording, settings).check().unwrap_err();
    assert!(matches!(refused(&[]), EvalError::Nothing { what: "setting" }));
    assert!(matches!(refused(&twice), EvalError::Twice { .. }));
    let capped = settings(&["full:cap=1000"]);
    let error = replay(&bench, &recording, &capped).run(&mut |_| ControlFlow::Continue(())).unwrap_err();
    assert!(error.to_string().starts_with("replaying under `full:cap=1000`: this step needs "), "{error}");
}

#[test]
fn whoever_watches_may_end_a_replay() {
    let place = Place::new(None);
    // By the time that the first is taken the second may be under way, which is then finished and taken, too.
    let settings = settings(&["full", "window", "summaries"]);
    let (bench, problems) = (place.bench(), place.problems(1));
    let recording = recorded(&bench, &problems[0], &settings[0], 20);
    let mut replay = replay(&bench, &recording, &settings);
    replay.workers = std::num::NonZeroUsize::MIN;
    let ended = replay.run(&mut |done| match done {
        0 => ControlFlow::Continue(()),
        _ => ControlFlow::Break(()),
    });
    assert_eq!(ended.unwrap(), None);
}
