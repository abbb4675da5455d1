//! Scoring: a given text goes in, and it is written down how likely the model found it.
//!
//! The log-probability of a token comes from the row before it: the row at `i - 1` is what predicts token
//! `i`. Where a summary stands between the two, its last row is; summaries themselves are not scored.

use std::ops::ControlFlow;

use burn::tensor::backend::Backend;
use zoomr_core::kernels::{AttentionKernels, LinearKernels};

use super::{
    Engine, EngineError, Event, Observer, Stop, Task, Timing,
    took::{Flow, Took, tell},
};
use crate::text::sample::SamplingError;

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
    /// Scores `text`, whose first `prompt` tokens are its prompt, as [`Task::Score`] says.
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
        let (request, stop) = self.run(Task::Score { text: text.to_vec(), prompt }, observer)?;
        Ok(Scored { logprobs: request.logprobs().to_vec(), stop, timing: request.timing().clone() })
    }
}

/// A text that is given, and how likely its tokens have been so far.
#[derive(Clone, Debug)]
pub(super) struct Given {
    /// How many tokens the text has.
    tokens: usize,
    pub(super) logprobs: Vec<Option<f64>>,
}

impl Given {
    pub(super) fn new(tokens: usize) -> Self {
        Self { tokens, logprobs: Vec::with_capacity(tokens) }
    }

    /// Scores tokens of the text, each by the row before it.
    pub(super) fn took(
        &mut self,
        ids: &[u32],
        before: &[f32],
        step: &Took<'_>,
        observer: &mut Observer<'_>,
    ) -> Flow {
        let vocab = step.logits.len() / ids.len();
        let before = std::iter::once(before).chain(step.logits.chunks_exact(vocab));
        let logprobs: Result<Vec<_>, _> = before.zip(ids).map(|(row, &id)| logprob(row, id)).collect();
        let logprobs = match logprobs {
            Ok(logprobs) => logprobs,
            Err(error) => return ControlFlow::Break(Err(error.into())),
        };
        self.logprobs.extend_from_slice(&logprobs);
        tell(observer, Event::Scored { logprobs: &logprobs, logits: step.logits })
    }

    /// The error of a text that a context of so many tokens has no room for, summaries included.
    pub(super) fn does_not_fit(&self, context: usize) -> EngineError {
        EngineError::ContextFull { scored: self.logprobs.len(), tokens: self.tokens, context }
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
