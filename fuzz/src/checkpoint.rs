//! Checkpoints of training: what is gone on with is what was kept, and the next step can be taken.

use std::{fs, sync::OnceLock};

use burn_ndarray::NdArray;
use safetensors::SafeTensors;
use zoomr_core::{
    portable::Portable,
    segment::{Marker, MarkerPair, Markers},
};
use zoomr_model::{
    config::ModelConfig,
    data::synth::Kind,
    train::{Data, LoraOptions, Parameters, Phase, Recipe, RecipeOptions, Sequence, Trainer},
};

use super::file::{framed, scratch};

/// A model of eight tokens and one layer.
const CONFIG: &str = r#"{"model_type": "llama", "vocab_size": 8, "hidden_size": 4, "intermediate_size": 4,
    "num_hidden_layers": 1, "num_attention_heads": 1, "max_position_embeddings": 64, "tie_word_embeddings": true}"#;
/// The digest of the texts that it learns from.
const TEXTS: &str = "texts";

/// A checkpoint, as [`framed`] has it, of adapters of rank 1 beside the queries' and values' matrices. Where a checkpoint
/// says what run it is of, a seed has `@recipe` and `@model`: what those are changes with zoomr.
pub fn checkpoint(bytes: &[u8]) -> bool {
    let path = scratch("checkpoint").join("checkpoint.safetensors");
    let [recipe, model] = origin();
    let named = replaced(&replaced(bytes, b"@recipe", recipe.as_bytes()), b"@model", model.as_bytes());
    fs::write(&path, framed(&named)).unwrap();
    let Ok(resumed) = trainer().resume(&path, TEXTS) else { return false };
    resumed.checkpoint(&path, TEXTS).unwrap();
    let again = trainer().resume(&path, TEXTS).unwrap();
    assert_eq!(again.steps(), resumed.steps());
    for ((name, was), (_, is)) in resumed.trained().iter().zip(again.trained().iter()) {
        assert!(was.to_data() == is.to_data(), "{name}");
    }
    goes_on(resumed);
    true
}

/// Where a run is over, no step comes; else a step is taken, or it is said why it cannot be.
fn goes_on(mut trainer: Trainer<NdArray, Portable>) {
    let steps = trainer.steps();
    assert!(steps <= trainer.recipe().steps(), "{steps} steps");
    let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
    let segmenter = Markers::new(pair(2, 3), pair(4, 5)).unwrap();
    let sequence = Sequence::new(&[6, 7], &[2, 6, 7, 3, 4, 6, 5, 7, 1], Box::new(segmenter)).unwrap();
    if steps < trainer.recipe().steps()
        && let Ok(report) = trainer.step(&[sequence])
    {
        assert_eq!((report.step, trainer.steps()), (steps + 1, steps + 1));
        assert!(report.loss.is_finite() && report.norm.is_finite());
    }
}

fn trainer() -> Trainer<NdArray, Portable> {
    let config = ModelConfig::from_json(CONFIG).unwrap();
    let device = Default::default();
    let data = Data::Synth { kinds: vec![Kind::Ledger], tokens: 200..=200, labels: None, more_finds: 0 };
    let phases = vec![Phase { steps: 9, step_tokens: 1, zoomed: None, index_loss: None, data }];
    let targets = ["q_proj", "v_proj"].map(str::to_owned).to_vec();
    let lora = Some(LoraOptions { rank: 1, targets, ..LoraOptions::default() });
    let options = RecipeOptions { phases, lora, ..RecipeOptions::default() };
    let parameters = Parameters::random(&config, 7, &device);
    Trainer::new(config, parameters, Recipe::try_from(options).unwrap(), Portable, &device).unwrap()
}

/// The recipe and the digest of the model, as they stand in a checkpoint's header.
fn origin() -> &'static [String; 2] {
    static ORIGIN: OnceLock<[String; 2]> = OnceLock::new();
    ORIGIN.get_or_init(|| {
        let path = scratch("checkpoint").join("first.safetensors");
        trainer().checkpoint(&path, TEXTS).unwrap();
        let bytes = fs::read(&path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let fields = header.metadata().as_ref().unwrap();
        ["recipe", "model"].map(|name| {
            let quoted = serde_json::to_string(&fields[name]).unwrap();
            quoted[1..quoted.len() - 1].to_owned()
        })
    })
}

/// The bytes with the first `what` in them replaced.
fn replaced(bytes: &[u8], what: &[u8], with: &[u8]) -> Vec<u8> {
    match bytes.windows(what.len()).position(|part| part == what) {
        Some(at) => [&bytes[..at], with, &bytes[at + what.len()..]].concat(),
        None => bytes.to_vec(),
    }
}
