//! Scoring: the source that follows a given text and writes down how likely the model found it.
//!
//! The log-probability of a token comes from the row before it: the row at `i - 1` is what predicts token
//! `i`. Where a summary stands between the two, its last row is; summaries themselves are not scored.

use std::ops::ControlFlow;

use burn::tensor::backend::Backend;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Role,
};

use super::{
    Engine, EngineError, Event, Observer, Stop, Timing,
    drive::{Flow, Next, Source, tell},
    step::{Rows, Stepped},
};
use crate::text::sample::{Sampler, SamplingError, SamplingOptions};

/// How likely a text is.
#[derive(Clone, Debug)]
pub struct Scored {
    /// For each token, its natural log-probability given those before; `None` for the first.
    pub logprobs: Vec<Option<f64>>,
    /// Why it ended: [`Stop::TextOver`], or [`Stop::Interrupted`] with fewer tokens than the text has.
    pub stop: Stop,
    /// How long it took.
    pub timing: Timing,
}

impl Scored {
    /// The negative log-likelihood, in nats, of the tokens from position `from` on, and how many there are.
    pub fn nll(&self, from: usize) -> (f64, usize) {
        let tail = self.logprobs.get(from..).unwrap_or_default();
        let counted: Vec<f64> = tail.iter().flatten().copied().collect();
        // Not the negation of the sum: that makes -0 of nothing.
        (counted.iter().map(|logprob| -logprob).sum(), counted.len())
    }

    /// The mean negative log-likelihood per token from position `from` on, in nats; `None` without tokens.
    pub fn mean_nll(&self, from: usize) -> Option<f64> {
        let (sum, count) = self.nll(from);
        (count > 0).then(|| sum / count as f64)
    }
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Engine<'_, B, K> {
    /// Scores `text`, whose first `prompt` tokens (at least 1) are its prompt, pinned; the rest stands for what
    /// the model wrote, and goes through segmenter, trigger and policy.
    ///
    /// # Errors
    /// [`EngineError::NothingToScore`], [`EngineError::TooLong`], [`EngineError::ContextFull`], and whatever
    /// model and session say.
    pub fn score(
        &mut self,
        text: &[u32],
        prompt: usize,
        observer: &mut Observer<'_>,
    ) -> Result<Scored, EngineError> {
        let context = self.model.config().context_length();
        if text.len() < 2 {
            return Err(EngineError::NothingToScore { tokens: text.len() });
        }
        if text.len() > context {
            return Err(EngineError::TooLong { what: "text", tokens: text.len(), context });
        }
        let (prompt, rest) = text.split_at(prompt.clamp(1, text.len()));
        let mut source = Given {
            rest,
            chunk: self.chunk,
            vocab: self.model.config().vocab_size(),
            logprobs: Vec::with_capacity(text.len()),
            sampler: Sampler::new(SamplingOptions::default())?,
        };
        let stop = self.drive(prompt, &mut source, observer)?;
        let logprobs = source.logprobs;
        match stop {
            Stop::TextOver | Stop::Interrupted => Ok(Scored { logprobs, stop, timing: self.timing.clone() }),
            _ => Err(EngineError::ContextFull { scored: logprobs.len(), tokens: text.len(), context }),
        }
    }
}

/// Follows a text.
struct Given<'a> {
    /// What has not gone in yet, but for the prompt.
    rest: &'a [u32],
    chunk: usize,
    vocab: usize,
    logprobs: Vec<Option<f64>>,
    /// Greedy, for the summaries.
    sampler: Sampler,
}

impl Source for Given<'_> {
    const ROWS: Rows = Rows::All;

    fn next(&mut self, _: &[f32], _: &[u32]) -> Result<Next, EngineError> {
        Ok(match self.rest {
            [] => Next::Stop(Stop::TextOver),
            rest => Next::Tokens(rest[..rest.len().min(self.chunk)].to_vec()),
        })
    }

    fn took(&mut self, step: &Stepped, role: Role, observer: &mut Observer<'_>) -> Result<Flow, EngineError> {
        if role == Role::Stream {
            self.rest = &self.rest[step.ids.len()..];
        }
        let before = std::iter::once(&step.before[..]).chain(step.logits.chunks_exact(self.vocab));
        let logprobs = before.zip(&step.ids).map(|(row, &id)| logprob(row, id));
        let logprobs: Vec<Option<f64>> = logprobs.collect::<Result<_, _>>()?;
        self.logprobs.extend_from_slice(&logprobs);
        Ok(tell(observer, Event::Scored { logprobs: &logprobs, logits: &step.logits }))
    }

    fn interrupt(&mut self, _: &mut Observer<'_>) -> Flow {
        ControlFlow::Continue(())
    }

    fn sampler(&mut self) -> &mut Sampler {
        &mut self.sampler
    }
}

/// The natural log of the softmax of `logits` at `id`, in f64; `None` where there are no logits.
fn logprob(logits: &[f32], id: u32) -> Result<Option<f64>, SamplingError> {
    if logits.is_empty() {
        return Ok(None);
    }
    if let Some((id, value)) = logits.iter().enumerate().find(|(_, v)| v.is_nan() || **v == f32::INFINITY) {
        return Err(SamplingError::NotANumber { id, value: *value });
    }
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - max).exp()).sum();
    Ok(Some(f64::from(logits[id as usize]) - max - sum.ln()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_probabilities_are_those_of_the_softmax() {
        let logits = [1000.0, 1000.0 + 3f32.ln(), f32::NEG_INFINITY];
        let of = |id| logprob(&logits, id).unwrap().unwrap();
        assert!((of(0) - 0.25f64.ln()).abs() < 1e-4);
        assert!((of(1) - 0.75f64.ln()).abs() < 1e-4);
        assert_eq!(of(2), f64::NEG_INFINITY);
        assert_eq!(logprob(&[], 0).unwrap(), None);
        assert!(logprob(&[0.0, f32::NAN], 0).is_err());
    }

    #[test]
    fn means_are_over_the_tokens_that_were_scored() {
        let logprobs = vec![None, Some(-1.0), Some(-2.0), Some(-6.0)];
        let scored = Scored { logprobs, stop: Stop::TextOver, timing: Timing::start() };
        assert_eq!(scored.nll(0), (9.0, 3));
        assert_eq!(scored.mean_nll(2), Some(4.0));
        assert_eq!(scored.mean_nll(9), None);
        assert_eq!(scored.nll(9), (0.0, 0));
    }
}
