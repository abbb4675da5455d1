//! Generation: a text that is sampled, token by token, until something ends it.

use std::ops::ControlFlow;

use burn::tensor::backend::Backend;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Kind,
};

use super::{
    Engine, EngineError, Event, Observer, Stop, Task, Timing,
    took::{Flow, Took, tell},
};
use crate::text::{
    sample::Sampler,
    stop::{StopStrings, StopTokens},
    stream::Utf8Stream,
};

/// What ends a generation, other than the model's context.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most new tokens, those of summaries included.
    pub max_tokens: usize,
    /// Tokens that end it; such a token is the last one given.
    pub tokens: StopTokens,
    /// Strings that end it; they are not part of the text.
    pub strings: StopStrings,
}

/// A text that was generated.
#[derive(Clone, Debug)]
pub struct Generated {
    /// The new tokens: everything after the prompt, summaries and stop token included.
    pub tokens: Vec<u32>,
    /// Their text, as far as a tokenizer was at hand; without a stop string.
    pub text: String,
    /// Why it ended.
    pub stop: Stop,
    /// How long it took.
    pub timing: Timing,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Engine<'_, B, K> {
    /// Continues `prompt`, as [`Task::Generate`] says.
    ///
    /// # Errors
    /// [`EngineError::EmptyPrompt`], [`EngineError::TooLong`], and whatever model, session and sampler say.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        sampler: Sampler,
        limits: Limits,
        observer: &mut Observer<'_>,
    ) -> Result<Generated, EngineError> {
        let (request, stop) =
            self.run(Task::Generate { prompt: prompt.to_vec(), sampler, limits }, observer)?;
        let (tokens, text) = (request.new_tokens().to_vec(), request.text().to_owned());
        Ok(Generated { tokens, text, stop, timing: request.timing().clone() })
    }
}

/// A text that comes from the model, token by token.
#[derive(Clone, Debug)]
pub(super) struct Sampled {
    ends: StopTokens,
    stops: StopStrings,
    utf8: Utf8Stream,
    /// What the last token belonged to.
    kind: Kind,
    /// The text so far, that of summaries included.
    pub(super) text: String,
}

impl Sampled {
    pub(super) fn new(ends: StopTokens, stops: StopStrings) -> Self {
        Self { ends, stops, utf8: Utf8Stream::default(), kind: Kind::Answer, text: String::new() }
    }

    /// Gives out the text of new tokens, until one of them ends it.
    pub(super) fn took(&mut self, ids: &[u32], step: &Took<'_>, observer: &mut Observer<'_>) -> Flow {
        self.kind = step.kind;
        for &id in ids {
            let streamed = self.stops.push(&self.utf8.push(step.texts.of(id)));
            tell(observer, Event::Token { id, kind: self.kind })?;
            self.say(&streamed.text, observer)?;
            if streamed.stopped {
                return ControlFlow::Break(Ok(Stop::StopString));
            }
            if self.ends.contains(id) {
                return ControlFlow::Break(Ok(Stop::EndOfText));
            }
        }
        ControlFlow::Continue(())
    }

    /// Gives out the text that was held back.
    pub(super) fn flush(&mut self, observer: &mut Observer<'_>) -> Flow {
        let mut text = self.stops.push(&self.utf8.flush()).text;
        text.push_str(&self.stops.flush());
        self.say(&text, observer)
    }

    fn say(&mut self, text: &str, observer: &mut Observer<'_>) -> Flow {
        if text.is_empty() {
            return ControlFlow::Continue(());
        }
        self.text.push_str(text);
        tell(observer, Event::Text { kind: self.kind, text })
    }
}
