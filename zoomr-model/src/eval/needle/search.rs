//! One needle under one setting. Text and question go in once; each of the values that could follow is a fork.
//!
//! A session has one policy, and what its store holds (which pages, blocks and evicted tokens) follows from that. So a text
//! goes in once under each setting, not once for all.

use std::num::NonZeroUsize;

use burn::tensor::backend::Backend;
use serde::Serialize;
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, LinearKernels},
    segment::Segmenter,
    session::SequenceId,
    stats::RunStats,
};

use super::Needle;
use crate::{
    engine::{Batch, EngineError, EngineOptions, Event, Limits, Observer, StepBudget, Stop, Task, Thinking},
    pretrained::Loaded,
    text::{
        sample::Sampler,
        stop::{StopStrings, StopTokens},
        tokenizer::Tokenizer,
    },
};

/// The prompt of a text that is streamed, in tokens; as in `zoomr score`.
const STREAM_PROMPT: usize = 32;

/// Question and values go in one by one, as in decoding, so that what each row attends to is counted.
const ONE: StepBudget = StepBudget { rows: NonZeroUsize::MIN };

/// What all searches have in common.
pub struct Search<'a, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> {
    /// The model.
    pub loaded: &'a Loaded<B, K>,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Cuts texts into thoughts; each search has a fresh one.
    pub segmenter: Box<dyn Segmenter>,
    /// How an engine works; its settings are replaced by each search's own.
    pub options: EngineOptions,
    /// Whether the text goes in as if the model had written it; else it is the prompt.
    pub stream: bool,
}

/// What came of a search. Log-probabilities are natural.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sought {
    /// Whether the right value is likelier than any other that is in the text, per token.
    pub found: bool,
    /// Whether each token of the right value is the likeliest of all.
    pub exact: bool,
    /// The right value's log-probability.
    pub logprob: f64,
    /// The same per token.
    pub logprob_per_token: f64,
    /// For each distractor, its value's log-probability per token.
    pub distractors: Vec<f64>,
    /// Tokens attended by a row of question and values, on average.
    pub attended_tokens: f64,
    /// Tokens that it would have attended to with full attention.
    pub causal_tokens: f64,
}

/// How likely a value is.
struct Likelihood {
    logprob: f64,
    per_token: f64,
    exact: bool,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone> Search<'_, B, K> {
    /// Looks for a needle; `None` where the observer, who is told of every step, has had enough.
    ///
    /// # Errors
    /// Whatever the engine says.
    pub fn run(
        &self,
        needle: &Needle,
        settings: &Settings,
        observer: &mut Observer<'_>,
    ) -> Result<Option<Sought>, EngineError> {
        let Loaded { model, kernels, device, .. } = self.loaded;
        let mut batch = Batch::new(model, Some(self.tokenizer), settings.clone(), kernels.clone(), device)?;
        let EngineOptions { trigger, summary, chunk, .. } = &self.options;
        let thinking =
            Thinking { segmenter: self.segmenter.fresh(), trigger: *trigger, summary: summary.clone() };
        let id = batch.add(thinking);
        // The question's last token goes in with each value, whose first token it foretells.
        let (asked, last) = needle.question.split_at(needle.question.len().saturating_sub(1));
        let ask = Task::Score { text: asked.to_vec(), prompt: 0 };
        if !finish(&mut batch, id, self.reading(needle), StepBudget { rows: *chunk }, observer)? {
            return Ok(None);
        }
        let read = *batch.session().run_stats();
        if !finish(&mut batch, id, ask, ONE, observer)? {
            return Ok(None);
        }
        let mut likelihoods = Vec::new();
        for value in &needle.values {
            match likelihood(&mut batch, id, &[last, value].concat(), observer)? {
                Some(likelihood) => likelihoods.push(likelihood),
                None => return Ok(None),
            }
        }
        Ok(Some(Sought::of(&likelihoods, &read, batch.session().run_stats())))
    }

    /// The text goes in.
    fn reading(&self, needle: &Needle) -> Task {
        let text = needle.text.clone();
        if self.stream {
            return Task::Score { text, prompt: STREAM_PROMPT };
        }
        let limits = Limits { max_tokens: 0, tokens: StopTokens::default(), strings: StopStrings::default() };
        Task::Generate { prompt: text, sampler: Sampler::default(), limits }
    }
}

/// Goes through with a task; whether it came to its end, and was not interrupted.
fn finish<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
    batch: &mut Batch<'_, B, K>,
    id: SequenceId,
    task: Task,
    budget: StepBudget,
    observer: &mut Observer<'_>,
) -> Result<bool, EngineError> {
    batch.begin(id, task)?;
    loop {
        let mut ended = batch.step(budget, &mut |_, event: Event<'_>| observer(event))?;
        if let Some(ended) = ended.pop() {
            return Ok(ended.end? != Stop::Interrupted);
        }
    }
}

/// How likely tokens are, but the first, after those of the request `id`; `None` where the observer has had enough.
fn likelihood<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
    batch: &mut Batch<'_, B, K>,
    id: SequenceId,
    tokens: &[u32],
    observer: &mut Observer<'_>,
) -> Result<Option<Likelihood>, EngineError> {
    let fork = batch.fork(id, usize::MAX)?;
    let mut greedy = Sampler::default();
    let mut likeliest = Vec::new();
    let mut listen = |event: Event<'_>| {
        if let Event::Scored { logits, .. } = &event {
            likeliest.push(greedy.sample(logits, &[]).ok());
        }
        observer(event)
    };
    let task = Task::Score { text: tokens.to_vec(), prompt: 0 };
    if !finish(batch, fork, task, ONE, &mut listen)? {
        return Ok(None);
    }
    let value = &tokens[1..];
    let logprob: f64 = batch.remove(fork)?.logprobs().iter().flatten().sum();
    let exact = value.iter().zip(likeliest).all(|(token, likeliest)| likeliest == Some(*token));
    Ok(Some(Likelihood { logprob, per_token: logprob / value.len() as f64, exact }))
}

impl Sought {
    /// What the likelihoods of the right value and of the distractors' say; runs are counted before the question and at
    /// the end.
    fn of(likelihoods: &[Likelihood], read: &RunStats, run: &RunStats) -> Self {
        let (right, others) = (&likelihoods[0], &likelihoods[1..]);
        let rows = (run.steps - read.steps) as f64;
        Self {
            found: others.iter().all(|other| other.per_token < right.per_token),
            exact: right.exact,
            logprob: right.logprob,
            logprob_per_token: right.per_token,
            distractors: others.iter().map(|other| other.per_token).collect(),
            attended_tokens: (run.attended - read.attended) / rows,
            causal_tokens: (run.attended_full - read.attended_full) / rows,
        }
    }
}
