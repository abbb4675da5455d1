//! Directories: a run that was cut off anywhere goes on to the same outcomes, and nothing else may go on with it.

use std::{fs, ops::ControlFlow};

use zoomr_model::eval::{Description, EvalError, Plan, Progress, Record};

use crate::support::{Place, done, plan, settings, timeless};

const LINES: [&str; 2] = ["full", "zoomr:zoom=1"];

#[test]
fn wherever_a_run_was_cut_off_it_goes_on_to_the_same_outcomes() {
    let place = Place::new(None);
    let (bench, problems, settings) = (place.bench(), place.problems(3), settings(&LINES));
    let (plan, out) = (plan(&problems, &settings, 1), place.dir.path().join("out"));
    let description = Description::new("weights".into(), &bench, &plan);
    let open = || Record::open(&out, &description).unwrap();

    let (record, known) = open();
    assert_eq!(known, []);
    let whole = done(&plan, &bench, known, Some(record));
    let path = out.join("outcomes.jsonl");
    let bytes = fs::read(&path).unwrap();
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    assert_eq!(lines(&bytes), 6);
    // After the last line, in its middle, before its end of line, before it, and at the very beginning.
    let last = bytes[..bytes.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1;
    for torn in [bytes.len(), (last + bytes.len()) / 2, bytes.len() - 1, last, 7, 0] {
        fs::write(&path, &bytes[..torn]).unwrap();
        let (record, known) = open();
        assert_eq!(known.len(), lines(&bytes[..torn]), "{torn}");
        let mut fresh = 0;
        let mut count = |progress: Progress<'_>| {
            fresh += usize::from(progress.latest.is_some());
            ControlFlow::Continue(())
        };
        plan.run(&bench, known, Some(record), &mut count).unwrap();
        assert_eq!(fresh, 6 - lines(&bytes[..torn]), "{torn}");
        let (_, mut again) = open();
        again.sort_by_key(|outcome| (outcome.problem, outcome.setting.clone()));
        assert_eq!(again.into_iter().map(timeless).collect::<Vec<_>>(), whole, "{torn}");
    }
}

#[test]
fn other_evaluations_are_refused() {
    let place = Place::new(None);
    let (bench, problems) = (place.bench(), place.problems(3));
    let (both, one) = (settings(&LINES), settings(&LINES[..1]));
    let out = place.dir.path().join("out");
    let describe = |model: &str, plan: &Plan<'_>| Description::new(model.into(), &bench, plan);
    let ours = describe("weights", &plan(&problems, &both, 1));
    drop(Record::open(&out, &ours).unwrap());
    let refused = |description: &Description, says: &str| {
        let error = Record::open(&out, description).unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("out"), "{error}");
    };
    refused(&describe("others", &plan(&problems, &both, 1)), "another model");
    refused(&describe("weights", &plan(&problems[..2], &both, 1)), "other problems");
    refused(&describe("weights", &plan(&problems, &one, 1)), "other settings");
    let measured = Plan { mass: 1, ..plan(&problems, &both, 1) };
    refused(&describe("weights", &measured), "other options");
    // The number of workers changes nothing.
    let (record, _) = Record::open(&out, &describe("weights", &plan(&problems, &both, 9))).unwrap();
    assert!(matches!(Record::open(&out, &ours), Err(EvalError::Busy { .. })));
    drop(record);

    fs::write(out.join("outcomes.jsonl"), "my notes\n\n").unwrap();
    refused(&ours, "outcomes.jsonl, line 1 is no outcome");
    fs::remove_file(out.join("eval.json")).unwrap();
    fs::write(out.join("outcomes.jsonl"), "").unwrap();
    drop(Record::open(&out, &ours).unwrap());
    fs::write(out.join("eval.json"), "{}").unwrap();
    refused(&ours, "eval.json");
}
