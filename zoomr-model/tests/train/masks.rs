//! Which mask an example is learnt under: chance alone decides, not which example it is.

use std::collections::BTreeSet;

use zoomr_core::config::SummaryVisibility;
use zoomr_model::{
    atomic_file::Existing,
    data::{
        lines::Writer,
        synth::{
            Kind,
            draw::Draw,
            vocabulary::{markers, write_tokenizer},
        },
    },
    text::tokenizer::Tokenizer,
    train::{Curriculum, Data, Mask, Recipe, RecipeOptions},
};

use crate::support::{config_over, method, phases, trainer_of};

/// With one text a step, either of two examples meets either mask; which it was, the step's loss tells.
#[test]
fn every_example_is_learnt_under_every_mask() {
    let dir = tempfile::tempdir().unwrap();
    write_tokenizer(dir.path(), Existing::Replace).unwrap();
    let tokenizer = Tokenizer::from_dir(dir.path()).unwrap();
    let file = dir.path().join("examples.jsonl");
    let mut examples = Writer::create(&file, Existing::Refuse).unwrap();
    for index in 0..2 {
        let example = Kind::Ledger.generator().example(200, &mut Draw::new(3, index)).unwrap();
        examples.write(&example).unwrap();
    }
    examples.finish().unwrap();
    let mut phases = phases(40);
    phases[0].data = Data::File(file);
    let method = method(SummaryVisibility::Voted);
    let options = RecipeOptions { phases, method, zoomed: 0.5, explore: 0.0, ..RecipeOptions::default() };

    let config = config_over(tokenizer.vocab_size());
    let recipe = Recipe::try_from(options.clone()).unwrap();
    let curriculum = Curriculum::new(&recipe, &tokenizer, markers(), None, config.context_length()).unwrap();
    let mut trainer = trainer_of(config, options);
    let mut met = BTreeSet::new();
    for step in 0..40 {
        let batch = curriculum.batch(step).unwrap();
        let [text] = &batch[..] else { panic!("{} texts", batch.len()) };
        let loss = |mask| {
            let logprobs = trainer.logprobs(text, mask).unwrap();
            -logprobs.iter().map(|&x| f64::from(x)).sum::<f64>() / logprobs.len() as f64
        };
        let (full, zoomed) = (loss(Mask::Full), loss(Mask::Zoomed));
        let learnt = trainer.step(&batch).unwrap().loss;
        let apart = (full - zoomed).abs();
        assert!(apart > 1e-5, "step {step}: the masks differ by {apart} nats");
        met.insert((text.inputs().to_vec(), (learnt - zoomed).abs() < apart / 2.0));
    }
    assert_eq!(met.len(), 4, "two examples, two masks");
}
