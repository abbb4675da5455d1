//! From logits to the next token.
//!
//! The steps, in Hugging Face's order: repetition penalty, temperature, top-k, top-p, min-p, and one draw.
//! Temperature 0 is greedy: the highest logit, ties to the lower id.
//!
//! The same logits, settings and seed give the same tokens on every machine: the draw comes from ChaCha8
//! (`rand_chacha`), weights are f64, and `exp` is `libm`'s, in Rust, not the platform's. Logits themselves
//! differ between backends in their last bits, so that whole texts may still part ways.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// How to choose the next token, as a person gives it; [`Sampler::new`] checks it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits; 0 is greedy, 1 leaves the model's own distribution.
    pub temperature: f32,
    /// Only so many most probable tokens; at least 1.
    pub top_k: Option<usize>,
    /// Only the fewest most probable tokens that together have at least this probability; 1 is off.
    pub top_p: f32,
    /// Only tokens with at least this share of the best token's probability; 0 is off.
    pub min_p: f32,
    /// Divides positive, multiplies negative logits of tokens that were seen before; 1 is off.
    pub repetition_penalty: f32,
    /// Where the random numbers start.
    pub seed: u64,
}

impl Default for SamplingOptions {
    /// Greedy, with everything else off.
    fn default() -> Self {
        Self { temperature: 0.0, top_k: None, top_p: 1.0, min_p: 0.0, repetition_penalty: 1.0, seed: 0 }
    }
}

/// Why no token can be chosen.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A setting is out of its range.
    #[error("{option} is {value}; it must be {range}")]
    Option {
        /// The setting, by its name in [`SamplingOptions`].
        option: &'static str,
        /// What was given.
        value: f64,
        /// What would do.
        range: &'static str,
    },
    /// A logit is NaN or plus infinity.
    #[error(
        "the logit of token {id} is {value}: the weights or the arithmetic are broken; \
         check the model files, or try another backend"
    )]
    NotANumber {
        /// The token.
        id: usize,
        /// Its logit.
        value: f32,
    },
    /// There is no token to choose from.
    #[error("none of the {count} logits is above minus infinity, so there is no token to choose")]
    Nothing {
        /// How many logits there were.
        count: usize,
    },
}

/// Chooses tokens; made from checked settings, it has the state of its random numbers only.
#[derive(Clone, Debug)]
pub struct Sampler {
    options: SamplingOptions,
    rng: ChaCha8Rng,
}

/// A token that may be chosen, and its probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// The token.
    pub id: u32,
    /// Its probability among the candidates.
    pub probability: f64,
}

impl Default for Sampler {
    /// Greedy: [`SamplingOptions::default`].
    fn default() -> Self {
        let options = SamplingOptions::default();
        Self { options, rng: ChaCha8Rng::seed_from_u64(options.seed) }
    }
}

impl Sampler {
    /// A sampler for some settings.
    ///
    /// # Errors
    /// [`SamplingError::Option`] for a setting out of its range.
    pub fn new(options: SamplingOptions) -> Result<Self, SamplingError> {
        let check = |option, value: f32, ok: bool, range| {
            let value = value.into();
            if ok { Ok(()) } else { Err(SamplingError::Option { option, value, range }) }
        };
        let SamplingOptions { temperature: t, top_p, min_p, repetition_penalty: penalty, .. } = options;
        check("temperature", t, t.is_finite() && t >= 0.0, "0 (greedy) or a positive number")?;
        check("top_p", top_p, top_p > 0.0 && top_p <= 1.0, "above 0 and at most 1 (off)")?;
        check("min_p", min_p, (0.0..=1.0).contains(&min_p), "from 0 (off) to 1")?;
        check(
            "repetition_penalty",
            penalty,
            penalty.is_finite() && penalty > 0.0,
            "a positive number; 1 is off",
        )?;
        check("top_k", 0.0, options.top_k != Some(0), "at least 1, or left out for all tokens")?;
        Ok(Self { options, rng: ChaCha8Rng::seed_from_u64(options.seed) })
    }

    /// One of the same settings, whose random numbers are the `number`th of many sequences from the same seed, each
    /// independent of the others; the 0th is that of a sampler just made.
    pub fn numbered(&self, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(self.options.seed);
        rng.set_stream(number);
        Self { options: self.options, rng }
    }

    /// The settings.
    pub fn options(&self) -> &SamplingOptions {
        &self.options
    }

    /// Whether it always takes the likeliest token.
    pub fn is_greedy(&self) -> bool {
        self.options.temperature == 0.0 || self.options.top_k == Some(1)
    }

    /// Chooses the next token.
    ///
    /// * `logits`: `[vocab]`, one per token id.
    /// * `history`: the tokens so far, prompt included, in any order; only the repetition penalty reads them.
    ///
    /// # Errors
    /// [`SamplingError`] where a logit is not a number, or none is above minus infinity.
    pub fn sample(&mut self, logits: &[f32], history: &[u32]) -> Result<u32, SamplingError> {
        let candidates = self.distribution(logits, history)?;
        if let [only] = candidates[..] {
            return Ok(only.id);
        }
        let mut left = unit(&mut self.rng);
        let chosen = candidates.iter().find(|candidate| {
            left -= candidate.probability;
            left < 0.0
        });
        // Rounding may leave a last crumb of probability beyond the last candidate.
        let chosen = chosen.or(candidates.last());
        chosen.map(|candidate| candidate.id).ok_or(SamplingError::Nothing { count: logits.len() })
    }

    /// What [`sample`](Self::sample) draws from: tokens in no particular order, their probabilities adding up
    /// to one. Never empty.
    ///
    /// # Errors
    /// As for [`sample`](Self::sample).
    pub fn distribution(&self, logits: &[f32], history: &[u32]) -> Result<Vec<Candidate>, SamplingError> {
        let logits = self.penalised(logits, history);
        let (best, max) = argmax(&logits)?;
        if self.is_greedy() {
            return Ok(vec![Candidate { id: best, probability: 1.0 }]);
        }
        let temperature = f64::from(self.options.temperature);
        let weight = |&logit: &f32| libm::exp((f64::from(logit) - f64::from(max)) / temperature);
        let mut candidates: Vec<Candidate> = (0..)
            .zip(&logits)
            .map(|(id, logit)| Candidate { id, probability: weight(logit) })
            .filter(|candidate| candidate.probability > 0.0)
            .collect();
        if let Some(k) = self.options.top_k {
            keep_top_k(&mut candidates, k);
        }
        if self.options.top_p < 1.0 {
            keep_top_p(&mut candidates, self.options.top_p.into());
        }
        // The best candidate's weight is still exp(0) = 1.
        candidates.retain(|candidate| candidate.probability >= self.options.min_p.into());
        normalise(&mut candidates);
        Ok(candidates)
    }

    fn penalised(&self, logits: &[f32], history: &[u32]) -> Vec<f32> {
        let mut logits = logits.to_vec();
        let penalty = self.options.repetition_penalty;
        if penalty == 1.0 {
            return logits;
        }
        let mut seen = history.to_vec();
        seen.sort_unstable();
        seen.dedup();
        for id in seen {
            if let Some(logit) = logits.get_mut(id as usize) {
                *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
            }
        }
        logits
    }
}

/// The id and value of the highest logit; ties to the lower id.
fn argmax(logits: &[f32]) -> Result<(u32, f32), SamplingError> {
    let mut best = None;
    for (id, &value) in logits.iter().enumerate() {
        if value.is_nan() || value == f32::INFINITY {
            return Err(SamplingError::NotANumber { id, value });
        }
        if value > best.map_or(f32::NEG_INFINITY, |(_, highest)| highest) {
            best = Some((id as u32, value));
        }
    }
    best.ok_or(SamplingError::Nothing { count: logits.len() })
}

/// Most probable first, ties to the lower id: a total order, as ids differ.
fn rank(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.probability.total_cmp(&a.probability).then(a.id.cmp(&b.id))
}

fn keep_top_k(candidates: &mut Vec<Candidate>, k: usize) {
    if k < candidates.len() {
        candidates.select_nth_unstable_by(k - 1, rank);
        candidates.truncate(k);
    }
}

/// Keeps the shortest ranked prefix with at least `p` of the whole weight.
///
/// Most prefixes are short, a vocabulary is not: rank ever larger prefixes instead of sorting everything.
fn keep_top_p(candidates: &mut Vec<Candidate>, p: f64) {
    let enough = p * total(candidates);
    let mut ranked = 0;
    let mut mass = 0.0;
    while ranked < candidates.len() {
        let end = candidates.len().min(if ranked == 0 { 64 } else { 8 * ranked });
        if end < candidates.len() {
            candidates[ranked..].select_nth_unstable_by(end - ranked - 1, rank);
        }
        candidates[ranked..end].sort_unstable_by(rank);
        for index in ranked..end {
            mass += candidates[index].probability;
            if mass >= enough {
                candidates.truncate(index + 1);
                return;
            }
        }
        ranked = end;
    }
}

fn total(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| candidate.probability).sum()
}

fn normalise(candidates: &mut [Candidate]) {
    let total = total(candidates);
    for candidate in candidates {
        candidate.probability /= total;
    }
}

/// A number in `[0, 1)`, of 53 random bits.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
