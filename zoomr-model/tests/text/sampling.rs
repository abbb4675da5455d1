//! The sampler's laws, as properties over logits of all sizes, and its answers to bad input.

use proptest::prelude::*;
use zoomr_model::text::sample::{Candidate, Sampler, SamplingError, SamplingOptions};

const WARM: SamplingOptions = SamplingOptions {
    temperature: 1.0,
    top_k: None,
    top_p: 1.0,
    min_p: 0.0,
    repetition_penalty: 1.0,
    seed: 7,
};

/// Logits as a model has them, with ties and masked tokens among them; never all masked.
fn logits() -> impl Strategy<Value = Vec<f32>> {
    let logit = prop_oneof![
        6 => -15.0f32..15.0,
        3 => (-4i8..4).prop_map(f32::from),
        1 => Just(f32::NEG_INFINITY),
    ];
    (prop::collection::vec(logit, 0..700), -10.0f32..10.0).prop_map(|(mut logits, last)| {
        logits.push(last);
        logits
    })
}

fn distribution(options: SamplingOptions, logits: &[f32], history: &[u32]) -> Vec<Candidate> {
    Sampler::new(options).unwrap().distribution(logits, history).unwrap()
}

/// The softmax of the logits in plain loops, ranked, ties to the lower id.
fn softmax(logits: &[f32], temperature: f32) -> Vec<Candidate> {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let weight = |l: &f32| ((f64::from(*l) - max) / f64::from(temperature)).exp();
    let sum: f64 = logits.iter().map(weight).sum();
    let mut all: Vec<Candidate> = logits
        .iter()
        .enumerate()
        .map(|(id, l)| Candidate { id: id as u32, probability: weight(l) / sum })
        .collect();
    all.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id)));
    all
}

fn ids(candidates: &[Candidate]) -> Vec<u32> {
    let mut ids: Vec<u32> = candidates.iter().map(|candidate| candidate.id).collect();
    ids.sort_unstable();
    ids
}

fn mass(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| candidate.probability).sum()
}

proptest! {
    #[test]
    fn nothing_set_gives_the_softmax(logits in logits(), temperature in 0.1f32..4.0) {
        let options = SamplingOptions { temperature, ..WARM };
        let mut found = distribution(options, &logits, &[]);
        found.sort_by_key(|candidate| candidate.id);
        let mut wanted = softmax(&logits, temperature);
        wanted.retain(|candidate| logits[candidate.id as usize] > f32::NEG_INFINITY);
        wanted.sort_by_key(|candidate| candidate.id);
        prop_assert_eq!(ids(&found), ids(&wanted));
        for (found, wanted) in found.iter().zip(&wanted) {
            prop_assert!((found.probability - wanted.probability).abs() < 1e-12);
        }
    }

    #[test]
    fn top_k_keeps_the_k_best(logits in logits(), k in 1usize..800) {
        let found = distribution(SamplingOptions { top_k: Some(k), ..WARM }, &logits, &[]);
        let mut wanted = softmax(&logits, 1.0);
        wanted.retain(|candidate| candidate.probability > 0.0);
        wanted.truncate(k);
        prop_assert_eq!(ids(&found), ids(&wanted));
        prop_assert!((mass(&found) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn top_p_keeps_the_fewest_with_the_mass(logits in logits(), top_p in 0.01f32..1.0) {
        let found = distribution(SamplingOptions { top_p, ..WARM }, &logits, &[]);
        let ranked = softmax(&logits, 1.0);
        let kept = &ranked[..found.len()];
        prop_assert_eq!(ids(&found), ids(kept));
        let p = f64::from(top_p);
        prop_assert!(mass(kept) >= p - 1e-12, "{} of {p}", mass(kept));
        prop_assert!(mass(&kept[..kept.len() - 1]) < p + 1e-12);
        prop_assert!((mass(&found) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn min_p_keeps_what_comes_near_the_best(logits in logits(), min_p in 0.0f32..=1.0) {
        let found = distribution(SamplingOptions { min_p, ..WARM }, &logits, &[]);
        let all = softmax(&logits, 1.0);
        let bound = f64::from(min_p) * all[0].probability;
        let sure = all.iter().filter(|candidate| candidate.probability > bound * (1.0 + 1e-9));
        let near = all.iter().filter(|candidate| candidate.probability >= bound * (1.0 - 1e-9));
        prop_assert!((sure.count()..=near.count()).contains(&found.len()));
        prop_assert!(ids(&found).contains(&all[0].id));
    }

    #[test]
    fn cold_is_greedy(logits in logits(), seed in any::<u64>()) {
        let greedy = softmax(&logits, 1.0)[0].id;
        let highest = logits.iter().position(|&l| l == logits[greedy as usize]).unwrap();
        for temperature in [0.0, 1e-30] {
            let mut sampler = Sampler::new(SamplingOptions { temperature, seed, ..WARM }).unwrap();
            let id = sampler.sample(&logits, &[]).unwrap();
            prop_assert_eq!(logits[id as usize], logits[highest]);
            if temperature == 0.0 {
                prop_assert_eq!(id as usize, highest);
            }
        }
    }

    #[test]
    fn the_penalty_lowers_what_was_seen_once(
        logits in logits(),
        history in prop::collection::vec(0u32..800, 0..20),
        penalty in 1.01f32..3.0,
    ) {
        let penalised: Vec<f32> = logits
            .iter()
            .enumerate()
            .map(|(id, &l)| match (history.contains(&(id as u32)), l > 0.0) {
                (false, _) => l,
                (true, true) => l / penalty,
                (true, false) => l * penalty,
            })
            .collect();
        let options = SamplingOptions { repetition_penalty: penalty, ..WARM };
        let twice = [history.clone(), history].concat();
        prop_assert_eq!(distribution(options, &logits, &twice), distribution(WARM, &penalised, &[]));
    }

    #[test]
    fn a_seed_gives_the_same_tokens(logits in logits(), seed in any::<u64>()) {
        let run = || {
            let mut sampler = Sampler::new(SamplingOptions { seed, ..WARM }).unwrap();
            (0..5).map(|_| sampler.sample(&logits, &[]).unwrap()).collect::<Vec<_>>()
        };
        prop_assert_eq!(run(), run());
    }
}

#[test]
fn draws_follow_the_distribution() {
    let logits = [2.0, 1.0, 0.0, f32::NEG_INFINITY];
    let mut sampler = Sampler::new(WARM).unwrap();
    let mut counts = [0.0; 4];
    let draws = 20_000;
    for _ in 0..draws {
        counts[sampler.sample(&logits, &[]).unwrap() as usize] += 1.0;
    }
    for Candidate { id, probability } in softmax(&logits, 1.0) {
        // Four standard deviations of a binomial count.
        let deviation = (f64::from(draws) * probability * (1.0 - probability)).sqrt();
        let expected = f64::from(draws) * probability;
        assert!((counts[id as usize] - expected).abs() <= 4.0 * deviation, "{id}: {counts:?}");
    }
}

/// Written down so that a change of generator, seeding or order of the draws does not pass unseen.
#[test]
fn these_draws_are_the_same_on_every_machine() {
    let logits: Vec<f32> = (0..100).map(|id| (id % 10) as f32 / 4.0).collect();
    let mut sampler = Sampler::new(WARM).unwrap();
    let drawn: Vec<u32> = (0..8).map(|_| sampler.sample(&logits, &[]).unwrap()).collect();
    assert_eq!(drawn, [18, 18, 71, 75, 60, 38, 9, 87]);
}

#[test]
fn settings_out_of_range_are_named() {
    let bad = [
        ("temperature", SamplingOptions { temperature: -0.5, ..WARM }),
        ("temperature", SamplingOptions { temperature: f32::NAN, ..WARM }),
        ("top_k", SamplingOptions { top_k: Some(0), ..WARM }),
        ("top_p", SamplingOptions { top_p: 0.0, ..WARM }),
        ("top_p", SamplingOptions { top_p: 1.5, ..WARM }),
        ("min_p", SamplingOptions { min_p: -0.1, ..WARM }),
        ("min_p", SamplingOptions { min_p: f32::NAN, ..WARM }),
        ("repetition_penalty", SamplingOptions { repetition_penalty: 0.0, ..WARM }),
        ("repetition_penalty", SamplingOptions { repetition_penalty: f32::INFINITY, ..WARM }),
    ];
    for (name, options) in bad {
        let message = Sampler::new(options).unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
}

#[test]
fn broken_logits_are_an_error_at_every_temperature() {
    for temperature in [0.0, 1.0] {
        let mut sampler = Sampler::new(SamplingOptions { temperature, ..WARM }).unwrap();
        let error = sampler.sample(&[0.0, f32::NAN], &[]).unwrap_err();
        assert!(matches!(error, SamplingError::NotANumber { id: 1, .. }), "{error}");
        let error = sampler.sample(&[f32::INFINITY, 0.0], &[]).unwrap_err();
        assert!(matches!(error, SamplingError::NotANumber { id: 0, .. }), "{error}");
        for empty in [&[][..], &[f32::NEG_INFINITY; 3]] {
            let error = sampler.sample(empty, &[]).unwrap_err();
            assert_eq!(error, SamplingError::Nothing { count: empty.len() });
        }
    }
}
