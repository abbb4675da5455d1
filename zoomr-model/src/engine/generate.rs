//! Generation: the source that samples, token by token, until something ends the text.

use std::ops::ControlFlow;

use burn::tensor::backend::Backend;
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::{Kind, Role},
};

use super::{
    Engine, EngineError, Event, Observer, Stop, Timing,
    drive::{Flow, Next, Source, tell},
    step::{Rows, Stepped},
};
use crate::text::{
    sample::Sampler,
    stop::{StopStrings, StopTokens},
    stream::Utf8Stream,
    tokenizer::Tokenizer,
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
    /// Continues `prompt`. Every new token goes through the model, the last one too: the cache then holds all
    /// of the text.
    ///
    /// # Errors
    /// [`EngineError::EmptyPrompt`], [`EngineError::TooLong`], and whatever model, session and sampler say.
    pub fn generate(
        &mut self,
        prompt: &[u32],
        sampler: &mut Sampler,
        limits: Limits,
        observer: &mut Observer<'_>,
    ) -> Result<Generated, EngineError> {
        let context = self.model.config().context_length();
        if prompt.is_empty() {
            return Err(EngineError::EmptyPrompt);
        }
        if prompt.len() > context {
            return Err(EngineError::TooLong { what: "prompt", tokens: prompt.len(), context });
        }
        self.limit = context.min(prompt.len().saturating_add(limits.max_tokens));
        let mut text = String::new();
        // The observer's text is the result's, too.
        let mut collecting = |event: Event<'_>| {
            if let Event::Text { text: piece, .. } = &event {
                text.push_str(piece);
            }
            observer(event)
        };
        let mut source = Sampled {
            sampler,
            tokenizer: self.tokenizer,
            utf8: Utf8Stream::default(),
            ends: limits.tokens,
            stops: limits.strings,
            kind: Kind::Answer,
        };
        let stop = self.drive(prompt, &mut source, &mut collecting)?;
        // What was held back is text all the same, also where the observer has had enough.
        let _ = source.flush(&mut collecting);
        let tokens = self.tokens[prompt.len().min(self.tokens.len())..].to_vec();
        Ok(Generated { tokens, text, stop, timing: self.timing.clone() })
    }
}

/// Samples the next token from the last logits.
struct Sampled<'a> {
    sampler: &'a mut Sampler,
    tokenizer: Option<&'a Tokenizer>,
    utf8: Utf8Stream,
    ends: StopTokens,
    stops: StopStrings,
    /// What the last token belonged to.
    kind: Kind,
}

impl Sampled<'_> {
    /// Gives out the text that was held back.
    fn flush(&mut self, observer: &mut Observer<'_>) -> Flow {
        let mut text = self.stops.push(&self.utf8.flush()).text;
        text.push_str(&self.stops.flush());
        self.say(&text, observer)
    }

    fn say(&self, text: &str, observer: &mut Observer<'_>) -> Flow {
        if text.is_empty() {
            return ControlFlow::Continue(());
        }
        tell(observer, Event::Text { kind: self.kind, text })
    }
}

impl Source for Sampled<'_> {
    const ROWS: Rows = Rows::Last;

    fn next(&mut self, logits: &[f32], tokens: &[u32]) -> Result<Next, EngineError> {
        Ok(Next::Tokens(vec![self.sampler.sample(logits, tokens)?]))
    }

    fn took(&mut self, step: &Stepped, role: Role, observer: &mut Observer<'_>) -> Result<Flow, EngineError> {
        if role == Role::Prompt {
            return Ok(ControlFlow::Continue(()));
        }
        self.kind = step.kind;
        for &id in &step.ids {
            let bytes = self.tokenizer.map_or(&[][..], |tokenizer| tokenizer.bytes_of(id));
            let streamed = self.stops.push(&self.utf8.push(bytes));
            let mut flow = tell(observer, Event::Token { id, kind: self.kind });
            if flow.is_continue() {
                flow = self.say(&streamed.text, observer);
            }
            if flow.is_continue() && streamed.stopped {
                flow = ControlFlow::Break(Stop::StopString);
            }
            if flow.is_continue() && self.ends.contains(id) {
                flow = ControlFlow::Break(Stop::EndOfText);
            }
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn interrupt(&mut self, observer: &mut Observer<'_>) -> Flow {
        self.flush(observer)
    }

    fn sampler(&mut self) -> &mut Sampler {
        self.sampler
    }
}
