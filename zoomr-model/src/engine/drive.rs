//! The loop that generation and scoring share: the prompt in chunks, then streamed tokens from a source.

use std::ops::ControlFlow;

use burn::tensor::backend::Backend;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::{Due, Role},
};

use super::{
    Engine, EngineError, Event, Observer, Stop,
    step::{Rows, Stepped},
};
use crate::text::sample::Sampler;

/// The tokens that a source wants in next.
#[derive(Debug)]
pub(super) enum Next {
    /// These, at least one; not all need be taken in at once.
    Tokens(Vec<u32>),
    /// None any more.
    Stop(Stop),
}

/// Whether the stream goes on.
pub(super) type Flow = ControlFlow<Stop>;

/// Where the streamed tokens come from, and who hears what came of them.
pub(super) trait Source {
    /// The rows whose logits [`took`](Self::took) reads.
    const ROWS: Rows;

    /// The next tokens, given the last row's logits `[vocab]` and all tokens so far.
    fn next(&mut self, logits: &[f32], tokens: &[u32]) -> Result<Next, EngineError>;

    /// Tokens of the prompt, or of what [`next`](Self::next) wanted, have gone in; a stop ends the stream.
    fn took(&mut self, step: &Stepped, role: Role, observer: &mut Observer<'_>) -> Result<Flow, EngineError>;

    /// The engine is about to write a summary: text held back so far comes before it.
    fn interrupt(&mut self, observer: &mut Observer<'_>) -> Flow;

    /// Chooses the tokens of summaries.
    fn sampler(&mut self) -> &mut Sampler;
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Engine<'_, B, K> {
    /// Takes in the prompt, then streams tokens from `source` until it, the observer or the limit stops it.
    pub(super) fn drive<S: Source>(
        &mut self,
        prompt: &[u32],
        source: &mut S,
        observer: &mut Observer<'_>,
    ) -> Result<Stop, EngineError> {
        let mut flow = self.prompt(prompt, source, observer)?;
        self.timing.end_prompt();
        loop {
            if let ControlFlow::Break(stop) = flow {
                return Ok(stop);
            }
            flow = self.advance(source, observer)?;
        }
    }

    fn prompt<S: Source>(
        &mut self,
        prompt: &[u32],
        source: &mut S,
        observer: &mut Observer<'_>,
    ) -> Result<Flow, EngineError> {
        let mut done = 0;
        for chunk in prompt.chunks(self.chunk) {
            let step = self.step(chunk, Role::Prompt, S::ROWS)?;
            done += step.ids.len();
            let mut flow = self.report(Role::Prompt, observer);
            if flow.is_continue() {
                flow = source.took(&step, Role::Prompt, observer)?;
            }
            if flow.is_continue() {
                flow = tell(observer, Event::Prompt { done, total: prompt.len() });
            }
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// One step of the stream, and the summary that it may make due.
    fn advance<S: Source>(
        &mut self,
        source: &mut S,
        observer: &mut Observer<'_>,
    ) -> Result<Flow, EngineError> {
        let mut ids = match source.next(&self.last, &self.tokens)? {
            Next::Tokens(ids) => ids,
            Next::Stop(stop) => return Ok(ControlFlow::Break(stop)),
        };
        if self.room() == 0 {
            return Ok(ControlFlow::Break(self.full()));
        }
        ids.truncate(self.room());
        let step = self.step(&ids, Role::Stream, S::ROWS)?;
        self.timing.add(step.ids.len());
        let mut flow = self.report(Role::Stream, observer);
        if flow.is_continue() {
            flow = source.took(&step, Role::Stream, observer)?;
        }
        if flow.is_continue() && self.session.due(self.sequence)? == Due::Summary {
            flow = self.write_summary(source, observer)?;
        }
        Ok(flow)
    }

    /// Tells the observer of the step just taken.
    pub(super) fn report(&self, role: Role, observer: &mut Observer<'_>) -> Flow {
        let (stats, run) = (self.session.last_step(), self.session.run_stats());
        tell(observer, Event::Step { role, stats, run })
    }

    /// Why no more tokens fit.
    pub(super) fn full(&self) -> Stop {
        if self.tokens.len() < self.model.config().context_length() { Stop::MaxTokens } else { Stop::Context }
    }
}

/// Tells the observer, whose `Break` is an interruption.
pub(super) fn tell(observer: &mut Observer<'_>, event: Event<'_>) -> Flow {
    match observer(event) {
        ControlFlow::Continue(()) => ControlFlow::Continue(()),
        ControlFlow::Break(()) => ControlFlow::Break(Stop::Interrupted),
    }
}
