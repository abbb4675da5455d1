//! Summaries that a trigger makes the engine open: it writes the frame, the model what stands in it.

use std::{num::NonZeroUsize, ops::ControlFlow};

use burn::tensor::backend::Backend;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Role,
};

use super::{
    Engine, EngineError, Event, Observer,
    drive::{Flow, Source, tell},
    step::Rows,
};
use crate::text::{stop::StopTokens, stream::Utf8Stream};

/// The frame of the summaries, in tokens, and how long the model may write in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummaryText {
    /// What opens one; may be empty, and then the summary is simply what the model writes next.
    pub open: Vec<u32>,
    /// What closes one; may be empty.
    pub close: Vec<u32>,
    /// The most tokens between the two.
    pub limit: NonZeroUsize,
    /// Tokens that end the model's text: inside of a summary they end the summary alone, and are not kept.
    pub end: StopTokens,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Engine<'_, B, K> {
    /// Writes the summary that is due.
    pub(super) fn write_summary<S: Source>(
        &mut self,
        source: &mut S,
        observer: &mut Observer<'_>,
    ) -> Result<Flow, EngineError> {
        let mut opening = self.summary.open.clone();
        let mut left = self.summary.limit.get();
        if opening.is_empty() {
            // A summary needs a first token to begin with; a model with nothing to say writes none.
            let Some(first) = self.summary_token(source)? else { return Ok(ControlFlow::Continue(())) };
            opening.push(first);
            left -= 1;
        }
        if let ControlFlow::Break(stop) = source.interrupt(observer) {
            return Ok(ControlFlow::Break(stop));
        }
        self.session.open_summary(self.sequence)?;
        let flow = self.fill_summary(&opening, left, source, observer);
        self.session.close_summary(self.sequence)?;
        flow
    }

    fn fill_summary<S: Source>(
        &mut self,
        opening: &[u32],
        left: usize,
        source: &mut S,
        observer: &mut Observer<'_>,
    ) -> Result<Flow, EngineError> {
        let mut text = Utf8Stream::default();
        let mut flow = self.push_summary(opening, &mut text, observer)?;
        for _ in 0..left {
            if flow.is_break() {
                return Ok(flow);
            }
            let Some(id) = self.summary_token(source)? else { break };
            flow = self.push_summary(&[id], &mut text, observer)?;
        }
        if flow.is_continue() {
            let closing = self.summary.close.clone();
            flow = self.push_summary(&closing, &mut text, observer)?;
        }
        Ok(flow)
    }

    /// What the model writes next into the summary; `None` where it is done.
    fn summary_token<S: Source>(&self, source: &mut S) -> Result<Option<u32>, EngineError> {
        let id = source.sampler().sample(&self.last, &self.tokens)?;
        let ends = self.summary.end.contains(id) || self.closes(self.bytes(id));
        Ok((!ends).then_some(id))
    }

    /// Whether a token's text ends the line, or begins what closes the summary.
    fn closes(&self, bytes: &[u8]) -> bool {
        let closing = self.summary.close.iter().flat_map(|&id| self.bytes(id));
        let mark = closing.copied().find(|byte| !byte.is_ascii_whitespace());
        bytes.iter().any(|&byte| byte == b'\n' || Some(byte) == mark)
    }

    /// Adds tokens to the summary, as many as there is room for.
    fn push_summary(
        &mut self,
        mut ids: &[u32],
        text: &mut Utf8Stream,
        observer: &mut Observer<'_>,
    ) -> Result<Flow, EngineError> {
        while !ids.is_empty() {
            let fits = ids.len().min(self.room());
            if fits == 0 {
                return Ok(ControlFlow::Break(self.full()));
            }
            let step = self.step(&ids[..fits], Role::Stream, Rows::Last)?;
            ids = &ids[step.ids.len()..];
            self.summary_tokens += step.ids.len();
            self.timing.add(step.ids.len());
            let mut flow = self.report(Role::Stream, observer);
            for &id in &step.ids {
                if flow.is_continue() {
                    flow = tell(observer, Event::Token { id, kind: step.kind });
                }
                let piece = text.push(self.bytes(id));
                if flow.is_continue() && !piece.is_empty() {
                    flow = tell(observer, Event::Text { kind: step.kind, text: &piece });
                }
            }
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}
