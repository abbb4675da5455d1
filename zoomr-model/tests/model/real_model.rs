//! SmolLM2-135M-Instruct against Hugging Face transformers: f32 arithmetic on the same bf16 weights.

use serde::Deserialize;
use zoomr_model::config::ModelConfig;

use crate::{
    shared::real_model,
    support::{Cpu, DenseCache, golden, json, load},
};

/// Two f32 implementations over 30 layers; the smallest gap between neighbours of the 20 best is larger.
const TOLERANCE: f32 = 1e-3;

#[derive(Deserialize)]
struct Reference {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    ids: Vec<u32>,
    prompt_nll: f64,
    first_top20: Vec<(u32, f32)>,
}

#[test]
fn smollm2_prompts_match_transformers() {
    let Some(dir) = real_model() else { return };
    let model = load(&dir, ModelConfig::from_dir(&dir).expect("the model's config.json"));
    let reference: Reference = json(&golden("smollm2-135m-instruct.json"));
    for case in &reference.cases {
        let mut cache = DenseCache::<Cpu>::new(model.config().layer_specs());
        let logits = model.forward(&case.ids, cache.step(case.ids.len())).expect("prefill");
        let logits: Vec<f32> = logits.into_data().to_vec().expect("f32 logits");
        let rows: Vec<&[f32]> = logits.chunks(model.config().vocab_size()).collect();

        let nll = nll(&rows, &case.ids);
        assert!((nll / case.prompt_nll - 1.0).abs() < 1e-4, "{nll} nats, not {}", case.prompt_nll);
        let best = best(rows[rows.len() - 1], case.first_top20.len());
        for (found, wanted) in best.iter().zip(&case.first_top20) {
            assert!((found.1 - wanted.1).abs() < TOLERANCE, "{found:?} for {wanted:?}");
            assert_eq!(found.0, wanted.0);
        }
    }
}

/// Nats that the tokens after the first cost, in all.
fn nll(rows: &[&[f32]], ids: &[u32]) -> f64 {
    let cost = |(row, id): (&&[f32], &u32)| {
        let sum: f64 = row.iter().map(|logit| f64::from(*logit).exp()).sum();
        sum.ln() - f64::from(row[*id as usize])
    };
    rows.iter().zip(&ids[1..]).map(cost).sum()
}

/// The `count` best tokens with their logits, best first.
fn best(logits: &[f32], count: usize) -> Vec<(u32, f32)> {
    let mut ranked: Vec<(u32, f32)> = (0u32..).zip(logits.iter().copied()).collect();
    ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
    ranked.truncate(count);
    ranked
}
