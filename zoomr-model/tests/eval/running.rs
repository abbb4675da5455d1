//! Runs: what they count, how they end, and that the number of workers changes nothing.

use std::{collections::HashSet, num::NonZeroUsize, ops::ControlFlow};

use zoomr_model::{
    engine::Stop,
    eval::{Bench, Ended, EvalError, Outcome, Plan, Problem, Progress},
    text::sample::{Sampler, SamplingOptions},
};

use crate::support::{Place, done, plan, settings};

const LINES: [&str; 4] = ["full", "zoomr:zoom=1", "window:sinks=2", "h2o:budget=12"];

#[test]
fn outcomes_do_not_depend_on_the_number_of_workers() {
    let place = Place::new(None);
    let (bench, problems, settings) = (place.bench(), place.problems(5), settings(&LINES));
    let alone = done(&plan(&problems, &settings, 1), &bench, Vec::new(), None);
    let together = done(&plan(&problems, &settings, 3), &bench, Vec::new(), None);
    assert_eq!(alone, together);
    let order: Vec<_> = alone.iter().map(|outcome| (outcome.problem, &*outcome.setting)).collect();
    let expected: Vec<_> = (0..5).flat_map(|problem| LINES.map(|line| (problem, line))).collect();
    assert_eq!(order, expected);
}

#[test]
fn runs_count_what_they_did() {
    let place = Place::new(None);
    let (bench, problems, settings) = (place.bench(), place.problems(2), settings(&LINES));
    for outcome in done(&plan(&problems, &settings, 2), &bench, Vec::new(), None) {
        let problem = &problems[outcome.problem];
        assert_eq!((&outcome.kind, outcome.prompt_tokens), (&problem.kind, problem.prompt.len()));
        // A model that knows nothing does not come to an end by itself, but for a fluke.
        assert_eq!(outcome.stop, Stop::MaxTokens);
        assert_eq!(outcome.output_tokens, problem.max_tokens);
        let tokens = (outcome.prompt_tokens + outcome.output_tokens) as u64;
        // Keys and values of a head of 8 numbers of 4 bytes, in two layers and in one with a window of 12.
        assert_eq!(outcome.full_bytes, (tokens * 2 + tokens.min(12)) * 2 * 8 * 4);
        let prompt_steps = problem.prompt.len().div_ceil(50) as u64;
        assert_eq!(outcome.run.steps, prompt_steps + outcome.output_tokens as u64);
        assert!(outcome.run.resident_peak >= outcome.bytes.resident() && outcome.run.resident_area > 0);
        match &*outcome.setting {
            "full" => assert!(outcome.bytes.resident() >= outcome.full_bytes),
            "zoomr:zoom=1" => {
                assert!(outcome.run.hits + outcome.run.misses > 0 && outcome.bytes.cold > 0);
            }
            _ => assert!(outcome.bytes.total() < outcome.full_bytes / 2, "{outcome:?}"),
        }
    }
}

#[test]
fn answers_are_graded() {
    let place = Place::new(None);
    let (bench, mut problems, settings) = (place.bench(), place.problems(6), settings(&["full"]));
    let wrong = done(&plan(&problems, &settings, 2), &bench, Vec::new(), None);
    let given = wrong.iter().filter(|outcome| outcome.answer.is_some()).count();
    assert!(given > 0, "nothing that looks like a number was written: {wrong:?}");
    for (problem, outcome) in problems.iter_mut().zip(&wrong) {
        problem.answer = outcome.answer.clone().unwrap_or_default();
    }
    let right = done(&plan(&problems, &settings, 2), &bench, Vec::new(), None);
    assert!(right.iter().all(|outcome| outcome.correct == outcome.answer.is_some()));
}

fn sampler(seed: u64) -> Sampler {
    Sampler::new(SamplingOptions { temperature: 1.0, seed, ..SamplingOptions::default() }).unwrap()
}

/// Everything but the number of the text.
fn unnumbered(outcome: &Outcome) -> Outcome {
    Outcome { sample: 0, ..outcome.clone() }
}

#[test]
fn texts_depend_on_seed_problem_and_number_alone() {
    let place = Place::new(None);
    let (problems, settings) = (place.problems(2), settings(&LINES[..2]));
    let five = NonZeroUsize::new(5).unwrap();
    let run = |seed, samples, workers| {
        let bench = Bench { sampler: sampler(seed), ..place.bench() };
        done(&Plan { samples, ..plan(&problems, &settings, workers) }, &bench, Vec::new(), None)
    };
    let texts = run(3, five, 1);
    let order: Vec<_> = texts.iter().map(|text| (text.problem, &*text.setting, text.sample)).collect();
    let expected = (0..2).flat_map(|problem| {
        LINES[..2].iter().flat_map(move |line| (0..5).map(move |sample| (problem, *line, sample)))
    });
    assert_eq!(order, expected.collect::<Vec<_>>());
    assert_eq!(texts, run(3, five, 4));
    // The first text is the same, however many come after it.
    let first: Vec<_> = texts.iter().filter(|text| text.sample == 0).cloned().collect();
    assert_eq!(first, run(3, NonZeroUsize::MIN, 2));
    // Texts differ from each other, and from those of another seed.
    let answers = |texts: &[Outcome]| texts.iter().map(|text| text.answer.clone()).collect::<HashSet<_>>();
    assert!(answers(&texts[..5]).len() > 1, "{texts:?}");
    assert_ne!(
        texts.iter().map(unnumbered).collect::<Vec<_>>(),
        run(4, five, 1).iter().map(unnumbered).collect::<Vec<_>>()
    );
}

#[test]
fn what_follows_the_answer_is_not_the_models_own() {
    let place = Place::new(None);
    let (bench, problems, settings) = (place.bench(), place.problems(6), settings(&["full"]));
    let whole = done(&plan(&problems, &settings, 2), &bench, Vec::new(), None);
    // Every word of this vocabulary begins with a space: all texts end with their first word.
    let stopped: Vec<_> =
        problems.iter().map(|problem| Problem { stop: Some(" "), ..problem.clone() }).collect();
    let cut = done(&plan(&stopped, &settings, 2), &bench, Vec::new(), None);
    assert!(whole.iter().any(|outcome| outcome.answer.is_some()), "{whole:?}");
    assert!(
        cut.iter().all(|outcome| outcome.stop == Stop::StopString && outcome.answer.is_none()),
        "{cut:?}"
    );
}

#[test]
fn whoever_watches_may_end_it() {
    let place = Place::new(None);
    let (bench, problems, settings) = (place.bench(), place.problems(3), settings(&LINES));
    let mut seen = 0;
    let mut three = |progress: Progress<'_>| {
        seen = progress.done;
        assert_eq!(progress.total, 12);
        if seen >= 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let ended = plan(&problems, &settings, 2).run(&bench, Vec::new(), None, &mut three).unwrap();
    assert!(matches!(ended, Ended::Stopped { done: 3..=4, total: 12 }), "{ended:?}");
}

#[test]
fn what_cannot_be_done_is_refused() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(1));
    let some = settings(&["full"]);
    let refused = |plan: Plan<'_>, says: &str| {
        let error: EvalError = plan.check(&bench).unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(plan(&[], &some, 1), "at least one problem");
    refused(plan(&problems, &[], 1), "at least one setting");
    refused(plan(&problems, &settings(&["full", "zoomr", " full"]), 1), "`full` is given twice");
    let two = NonZeroUsize::new(2).unwrap();
    refused(
        Plan { samples: two, ..plan(&problems, &some, 1) },
        "2 texts for each problem would all be the same",
    );
    let long = [Problem { prompt: vec![9; 401], ..problems[0].clone() }];
    refused(plan(&long, &some, 1), "401 tokens, over the model's context of 400");
}
