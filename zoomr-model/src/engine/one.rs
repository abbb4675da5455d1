//! A batch of one: it runs its request to the end.

use std::num::NonZeroUsize;

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, LinearKernels},
    segment::{Segmenter, Stream},
    session::{SequenceId, Session},
    trigger::Trigger,
};

use super::{Batch, EngineError, Event, Observer, Request, StepBudget, Stop, SummaryText, Task, Thinking};
use crate::{Model, recording::Recording, text::tokenizer::Tokenizer};

/// How an engine works, beyond what the policy's [`Settings`] say.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// The policy and its numbers.
    pub settings: Settings,
    /// When a summary is due, and who opens it.
    pub trigger: Trigger,
    /// The summaries' frame and length, under triggers that ask the engine for them.
    pub summary: SummaryText,
    /// Tokens of a prompt (or of a text to score) that are computed at once: more are faster and take more
    /// memory for activations.
    pub chunk: NonZeroUsize,
}

/// A model at work on one sequence.
pub struct Engine<'m, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> {
    batch: Batch<'m, B, K>,
    sequence: SequenceId,
    budget: StepBudget,
}

impl<'m, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Engine<'m, B, K> {
    /// An engine with an empty sequence. `kernels` are the provider's, on `device`, where the model is too.
    ///
    /// # Errors
    /// [`EngineError::Model`] where the session refuses the model's layers.
    pub fn new(
        model: &'m Model<B, K>,
        tokenizer: Option<&'m Tokenizer>,
        kernels: K,
        device: &Device<B>,
        segmenter: Box<dyn Segmenter>,
        options: EngineOptions,
    ) -> Result<Self, EngineError> {
        let EngineOptions { settings, trigger, summary, chunk } = options;
        let mut batch = Batch::new(model, tokenizer, settings, kernels, device)?;
        let sequence = batch.add(Thinking { segmenter, trigger, summary });
        Ok(Self { batch, sequence, budget: StepBudget { rows: chunk } })
    }

    /// Does something after the tokens so far; the request, and why it stopped.
    ///
    /// # Errors
    /// Whatever model, session and sampler say.
    pub(super) fn run(
        &mut self,
        task: Task,
        observer: &mut Observer<'_>,
    ) -> Result<(&Request, Stop), EngineError> {
        self.batch.begin(self.sequence, task)?;
        loop {
            let mut ended = self.batch.step(self.budget, &mut |_, event: Event<'_>| observer(event))?;
            if let Some(ended) = ended.pop() {
                return Ok((self.batch.request(self.sequence)?, ended.end?));
            }
        }
    }

    /// Records the run, from its first token on.
    ///
    /// # Errors
    /// [`EngineError::RecordedLate`] where there are tokens already.
    pub fn record(&mut self) -> Result<(), EngineError> {
        self.batch.record(self.sequence)
    }

    /// The recording so far, if the run [is recorded](Self::record).
    pub fn recording(&self) -> Option<&Recording> {
        self.batch.request(self.sequence).ok()?.recording()
    }

    /// The session: what is cached where, and what was counted.
    pub fn session(&self) -> &Session<B, K> {
        self.batch.session()
    }

    /// The segments of the sequence so far.
    ///
    /// # Errors
    /// None while the engine is the only one to use its session.
    pub fn stream(&self) -> Result<&Stream, EngineError> {
        Ok(self.session().stream(self.sequence)?)
    }

    /// Tokens of summaries that the engine opened, their frame included.
    pub fn summary_tokens(&self) -> usize {
        self.batch.request(self.sequence).map_or(0, Request::summary_tokens)
    }
}
