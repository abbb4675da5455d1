//! A run in its directory: what a cut in the middle leaves, and that nothing shows it afterwards.

use std::{
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use burn::tensor::TensorData;
use zoomr_model::{
    atomic_file::Existing,
    data::synth::vocabulary::{markers, write_tokenizer},
    text::tokenizer::Tokenizer,
    train::{Curriculum, Recipe, RecipeOptions, Run, TrainError},
};

use crate::support::{config_over, phases, trainer_of};

const STEPS: usize = 12;
const INTERVAL: usize = 2;

fn options() -> RecipeOptions {
    RecipeOptions { phases: phases(STEPS), warm_up: 2, ..RecipeOptions::default() }
}

/// Runs in `dir`, for `steps` steps at most, and returns the losses on the way with the weights at its end.
fn run_in(
    dir: &Path,
    tokenizer: &Tokenizer,
    resume: bool,
    steps: usize,
) -> Result<(String, Vec<TensorData>), TrainError> {
    let config = config_over(tokenizer.vocab_size());
    let recipe = Recipe::try_from(options())?;
    let curriculum = Curriculum::new(&recipe, tokenizer, markers(), None, config.context_length())?;
    let mut run = Run::open(trainer_of(config, options()), &curriculum, dir, INTERVAL, resume)?;
    let stop = run.log().len() + steps;
    let over = run.go_on(&mut |report| {
        if report.step == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    assert_eq!(over, stop >= STEPS);
    let weights = run.trainer().parameters().iter().map(|(_, tensor)| tensor.to_data()).collect();
    Ok((fs::read_to_string(log_of(dir)).unwrap(), weights))
}

fn log_of(run: &Path) -> PathBuf {
    run.join("log.jsonl")
}

/// Log and weights are, to the last digit, those of a run that nobody cut off; also where the log is ahead of the
/// checkpoint.
#[test]
fn a_run_that_was_cut_off_leaves_no_trace_of_it() {
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path(), Existing::Replace).unwrap();
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    let (whole, parts) = (dir.path().join("whole"), dir.path().join("parts"));
    let expected = run_in(&whole, &tokenizer, false, STEPS).unwrap();

    let (log, _) = run_in(&parts, &tokenizer, false, 9).unwrap();
    let refused = run_in(&parts, &tokenizer, false, 1).unwrap_err();
    assert!(matches!(refused, TrainError::Started { .. }), "{refused}");
    // Two at the same time would write over each other.
    let held = fs::File::open(&parts).unwrap();
    held.try_lock().unwrap();
    let refused = run_in(&parts, &tokenizer, true, 1).unwrap_err();
    assert!(matches!(refused, TrainError::Busy { .. }), "{refused}");
    drop(held);
    // Nor is a log taken whose steps are not those before the checkpoint.
    let tail: String = log.split_inclusive('\n').skip(1).collect();
    for cut in [tail.as_str(), log[..log.len() / 2 + 1].rsplit_once('\n').unwrap().0] {
        fs::write(log_of(&parts), cut).unwrap();
        let refused = run_in(&parts, &tokenizer, true, 1).unwrap_err();
        assert!(matches!(refused, TrainError::Log { steps: 9, .. }), "{refused}");
    }
    // Killed in the middle of a checkpoint: the log is ahead, and an unfinished file lies there.
    fs::write(log_of(&parts), log.clone() + log.lines().last().unwrap()).unwrap();
    let left = parts.join("checkpoint.safetensors.aB3xYz.zoomr.part");
    fs::write(&left, "unfinished").unwrap();
    let parts = run_in(&parts, &tokenizer, true, STEPS).unwrap();
    assert!(parts.0 == expected.0, "{} is not {}", parts.0, expected.0);
    assert!(parts.1 == expected.1, "other weights");
    assert!(!left.exists());
}
