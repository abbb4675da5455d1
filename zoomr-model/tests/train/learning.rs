//! That training learns, and what its result does not depend on.

use zoomr_core::{
    config::{BlockScope, Options, SummaryVisibility},
    portable::Portable,
};
use zoomr_model::{
    config::ModelConfig,
    train::{LoraOptions, Parameters, Phase, Recipe, RecipeOptions, Sequence, StepReport, Trainer},
};

use crate::support::{Cpu, blocks, config, config_json, method, phases, sequence, trainer};

fn options() -> RecipeOptions {
    RecipeOptions {
        phases: phases(40),
        warm_up: 5,
        learning_rate: 1e-2,
        micro_batch_tokens: 100,
        ..RecipeOptions::default()
    }
}

fn batch() -> Vec<Sequence> {
    (0..6).map(|seed| sequence(seed, 3)).collect()
}

fn reports(options: RecipeOptions, steps: usize) -> Vec<StepReport> {
    let mut trainer = trainer(options);
    (0..steps).map(|_| trainer.step(&batch()).unwrap()).collect()
}

#[test]
fn the_loss_falls_under_either_mask() {
    for (zoomed, method) in [
        (0.0, Options::default()),
        (1.0, Options::default()),
        (1.0, blocks(BlockScope::Kv)),
        (1.0, blocks(BlockScope::Layer)),
    ] {
        let reports = reports(RecipeOptions { zoomed, method: method.clone(), ..options() }, 40);
        let (first, last) = (reports[0], reports[39]);
        assert!(first.loss > f64::ln(32.0) * 0.9, "a model that knows nothing guesses: {}", first.loss);
        assert!(last.loss < first.loss / 4.0, "{zoomed}, {method:?}: from {} to {}", first.loss, last.loss);
    }
}

/// Under blocks no index is asked for what thoughts hold; a recipe that would teach it is refused before it starts, and
/// so is one that teaches it in one phase alone.
#[test]
fn blocks_and_an_index_loss_do_not_go_together() {
    let method = blocks(BlockScope::Kv);
    let phase = Phase { index_loss: Some(0.5), ..phases(3).remove(0) };
    let recipes = [
        RecipeOptions { index_loss: 0.5, method: method.clone(), ..options() },
        RecipeOptions { phases: [phases(2), vec![phase.clone()]].concat(), method, ..options() },
    ];
    for recipe in recipes {
        let refused = Recipe::try_from(recipe).unwrap_err().to_string();
        assert!(refused.starts_with("setting `index-loss`: with blocks"), "{refused}");
    }
    // A phase of its own mind may go without.
    let without = Phase { index_loss: Some(0.0), ..phase };
    let options =
        RecipeOptions { phases: vec![without], index_loss: 0.5, method: blocks(BlockScope::Kv), ..options() };
    assert!(Recipe::try_from(options).is_ok());
}

/// Of two phases under the full mask without an index loss, the second is made another: it begins with another loss
/// under the zoomed mask, and with the same loss but other gradients under an index loss.
#[test]
fn a_phase_may_differ_from_its_recipe() {
    let second = |zoomed, index_loss| {
        let second = Phase { zoomed, index_loss, ..phases(3).remove(0) };
        let phases = [phases(2), vec![second]].concat();
        let method = method(SummaryVisibility::Voted);
        reports(RecipeOptions { phases, zoomed: 0.0, method, ..options() }, 3)
    };
    let (same, zoomed, foretelling) = (second(None, None), second(Some(1.0), None), second(None, Some(1.0)));
    assert_eq!(same[..2], zoomed[..2]);
    assert_eq!(same[..2], foretelling[..2]);
    assert!(same[2].loss != zoomed[2].loss, "{same:?} and {zoomed:?}");
    assert!(same[2].loss == foretelling[2].loss && same[2].norm != foretelling[2].norm, "{foretelling:?}");
}

/// Up over the steps of the warm-up, down over the tokens after it: half of these are done in the second phase.
#[test]
fn the_rate_rises_and_falls() {
    let long = Phase { step_tokens: 2, ..phases(15).remove(0) };
    let phases = [phases(14), vec![long]].concat();
    let options = RecipeOptions { phases, learning_rate: 1e-3, warm_up: 4, final_rate: 0.2, ..options() };
    let recipe = Recipe::try_from(options).unwrap();
    let expected = [(0, 0.25e-3), (3, 1e-3), (4, 1e-3), (19, 0.6e-3), (29, 0.2e-3)];
    for (step, rate) in expected {
        assert!((recipe.rate(step) - rate).abs() < 1e-15, "{step}: {}", recipe.rate(step));
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let options = RecipeOptions { method: method(SummaryVisibility::Voted), index_loss: 0.5, ..options() };
    let alone = reports(RecipeOptions { workers: 1, ..options.clone() }, 5);
    let together = reports(RecipeOptions { workers: 3, ..options }, 5);
    assert_eq!(alone, together);
}

/// The gradients of micro-batches add up to those of the whole.
#[test]
fn the_size_of_micro_batches_changes_rounding_only() {
    let small = reports(RecipeOptions { micro_batch_tokens: 1, zoomed: 0.0, ..options() }, 5);
    let large = reports(RecipeOptions { micro_batch_tokens: 10_000, zoomed: 0.0, ..options() }, 5);
    for (a, b) in small.iter().zip(&large) {
        assert!(
            (a.loss - b.loss).abs() < 1e-4 && (a.norm / b.norm - 1.0).abs() < 1e-3,
            "{a:?} against {b:?}"
        );
    }
}

#[test]
fn a_resumed_run_continues_to_the_same_losses() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let expected = reports(options(), 6);
    let mut first = trainer(options());
    (0..3).for_each(|_| assert!(first.step(&batch()).is_ok()));
    first.checkpoint(&path, "").unwrap();
    drop(first);
    // Another number of workers is still the same run.
    let second = trainer(RecipeOptions { workers: 2, ..options() });
    let mut second = second.resume(&path, "").unwrap();
    let rest: Vec<StepReport> = (0..3).map(|_| second.step(&batch()).unwrap()).collect();
    assert_eq!(rest, expected[3..]);
}

#[test]
fn a_run_may_become_longer_but_not_shorter() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let of = |steps: usize| {
        let mut options = options();
        options.phases.last_mut().unwrap().steps = steps;
        options.warm_up = 1;
        options
    };
    let mut first = trainer(of(20));
    (0..3).for_each(|_| assert!(first.step(&batch()).is_ok()));
    first.checkpoint(&path, "").unwrap();
    let mut longer = trainer(of(400)).resume(&path, "").unwrap();
    let next = longer.step(&batch()).unwrap();
    let rate = |steps| Recipe::try_from(of(steps)).unwrap().rate(3);
    assert_eq!((next.step, next.rate), (4, rate(400)));
    assert_ne!(next.rate, rate(20));
    let shorter = trainer(of(19)).resume(&path, "").err().unwrap().to_string();
    assert!(shorter.contains("another recipe"), "{shorter}");
}

#[test]
fn a_checkpoint_of_another_run_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoint.safetensors");
    let none = "";
    trainer(options()).checkpoint(&path, none).unwrap();
    assert!(trainer(options()).resume(&path, none).is_ok());
    let refused = |trainer: Trainer<Cpu, Portable>, texts, says| {
        let error = trainer.resume(&path, texts).err().unwrap().to_string();
        assert!(error.contains("checkpoint.safetensors") && error.contains(says), "{error}");
    };
    refused(trainer(RecipeOptions { seed: 9, ..options() }), none, "another recipe");
    refused(trainer(options()), "1f", "other texts");
    // Weights of the same shapes, and a configuration that no shape tells apart.
    let of = |config, seed| {
        let parameters = Parameters::random(&config, seed, &Default::default());
        let recipe = Recipe::try_from(options()).unwrap();
        Trainer::new(config, parameters, recipe, Portable, &Default::default()).unwrap()
    };
    assert!(of(config(), 7).resume(&path, none).is_ok());
    refused(of(config(), 8), none, "another model");
    let theta = config_json().to_string().replace("10000.0", "20000.0");
    refused(of(ModelConfig::from_json(&theta).unwrap(), 7), none, "another model");
    std::fs::write(&path, b"not a checkpoint").unwrap();
    refused(trainer(options()), none, "");
}

#[test]
fn adapters_learn_and_the_matrices_stay_as_they_are() {
    let lora = Some(LoraOptions { rank: 4, alpha: 8.0, ..LoraOptions::default() });
    let mut trainer = trainer(RecipeOptions { lora, ..options() });
    let before = trainer.parameters();
    let reports: Vec<StepReport> = (0..40).map(|_| trainer.step(&batch()).unwrap()).collect();
    assert!(reports[39].loss < reports[0].loss * 0.7, "from {} to {}", reports[0].loss, reports[39].loss);
    let after = trainer.parameters();
    for ((name, old), (_, new)) in before.iter().zip(after.iter()) {
        let moved = old.to_data() != new.to_data();
        assert_eq!(moved, name.contains("_proj"), "{name}");
    }
    let none = LoraOptions { targets: vec!["nothing".into()], ..LoraOptions::default() };
    let recipe = Recipe::try_from(RecipeOptions { lora: Some(none), ..options() }).unwrap();
    let parameters = Parameters::random(&config(), 7, &Default::default());
    let error =
        Trainer::<Cpu, _>::new(config(), parameters, recipe, Portable, &Default::default()).err().unwrap();
    assert!(error.to_string().contains("nothing"), "{error}");
}
