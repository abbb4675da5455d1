//! Generation and scoring: a model, a session of zoomr and a text put together, one step at a time.
//!
//! One loop (`drive`) serves both; they differ in the `Source` that the next tokens come from.
//!
//! | file | what is in it |
//! |---|---|
//! | `step` | one step: tokens in, logits out |
//! | `drive` | prompt in chunks, then the loop over streamed tokens |
//! | `summary` | the summaries that a trigger makes the engine open and close |
//! | `generate` | the source that samples |
//! | `score` | the source that follows a given text |
//! | `event` | what a caller is told while it runs, and how it stops it |
//! | `timing` | time per output token |
//!
//! An engine holds one sequence. It prints nothing and reads no terminal: text goes to the caller's observer.

mod drive;
mod error;
mod event;
mod generate;
mod score;
mod step;
mod summary;
mod timing;

use std::num::NonZeroUsize;

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, LinearKernels},
    segment::{Segmenter, Stream},
    session::{SequenceId, Session},
    trigger::Trigger,
};

pub use self::{
    error::EngineError,
    event::{Event, Observer, Stop},
    generate::{Generated, Limits},
    score::Scored,
    summary::SummaryText,
    timing::Timing,
};
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
    model: &'m Model<B, K>,
    /// Says what text each token stands for; without one, segmenters that go by text see none.
    tokenizer: Option<&'m Tokenizer>,
    session: Session<B, K>,
    sequence: SequenceId,
    summary: SummaryText,
    chunk: usize,
    /// All tokens of the sequence.
    tokens: Vec<u32>,
    /// The length that the sequence must not pass: the model's context, or less.
    limit: usize,
    /// The last row's logits `[vocab]`: what the next token is chosen by.
    last: Vec<f32>,
    /// Tokens of summaries that the engine opened.
    summary_tokens: usize,
    timing: Timing,
    /// Where the run is being recorded.
    recording: Option<Recording>,
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
        let layers = model.config().layer_specs();
        let mut session = Session::new(&layers, options.settings, kernels, device)?;
        let sequence = session.add_sequence(segmenter, options.trigger);
        Ok(Self {
            model,
            tokenizer,
            session,
            sequence,
            summary: options.summary,
            chunk: options.chunk.get(),
            tokens: Vec::new(),
            limit: model.config().context_length(),
            last: Vec::new(),
            summary_tokens: 0,
            timing: Timing::start(),
            recording: None,
        })
    }

    /// Records the run, from its first token on.
    ///
    /// # Errors
    /// [`EngineError::RecordedLate`] where there are tokens already.
    pub fn record(&mut self) -> Result<(), EngineError> {
        if !self.tokens.is_empty() {
            return Err(EngineError::RecordedLate { tokens: self.tokens.len() });
        }
        self.recording = Some(Recording::begin(&self.model.config().layer_specs()));
        Ok(())
    }

    /// The recording so far, if the run [is recorded](Self::record).
    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }

    /// The session: what is cached where, and what was counted.
    pub fn session(&self) -> &Session<B, K> {
        &self.session
    }

    /// The segments of the sequence so far.
    ///
    /// # Errors
    /// None while the engine is the only one to use its session.
    pub fn stream(&self) -> Result<&Stream, EngineError> {
        Ok(self.session.stream(self.sequence)?)
    }

    /// Tokens of summaries that the engine opened, their frame included.
    pub fn summary_tokens(&self) -> usize {
        self.summary_tokens
    }

    /// The text that a token adds, as far as a tokenizer knows.
    fn bytes(&self, id: u32) -> &'m [u8] {
        self.tokenizer.map_or(&[], |tokenizer| tokenizer.bytes_of(id))
    }
}
