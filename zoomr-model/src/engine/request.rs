//! One request: its tokens, what it is doing, and what it does with a step.

use std::{ops::Range, vec};

use zoomr_core::{layer::LayerSpec, segment::Role};

use super::{
    EngineError, Event, Observer, Stop, SummaryText, Task, Timing,
    generate::Sampled,
    score::Given,
    share::Want,
    task::TokenSource,
    took::{End, Flow, Took, tell},
    turn::Turn,
};
use crate::{
    Error,
    recording::Recording,
    text::{
        sample::Sampler,
        stop::{StopStrings, StopTokens},
        stream::Utf8Stream,
    },
};

/// A request of a [`Batch`](super::Batch): its tokens, and what it is doing or has done last.
#[derive(Debug)]
pub struct Request {
    pub(super) summary: SummaryText,
    /// All tokens that have gone in.
    pub(super) tokens: Vec<u32>,
    /// The logits `[vocab]` of the last row that any were wanted of: what the next token is chosen by.
    pub(super) last: Vec<f32>,
    pub(super) recording: Option<Recording>,
    /// Tokens of summaries that the engine opened.
    summary_tokens: usize,

    /// Which of all tasks the last one is, in the order in which they began.
    number: usize,
    pub(super) turn: Turn,
    /// What goes in next; not all of it need go in at once.
    pub(super) wanted: vec::IntoIter<u32>,
    /// What goes in once prompt or summary are over.
    pub(super) later: vec::IntoIter<u32>,
    pub(super) source: TokenSource,
    /// Chooses tokens of the text, and of summaries.
    pub(super) sampler: Sampler,
    /// Where the prompt stands among the tokens.
    prompt: Range<usize>,
    /// The model's context.
    pub(super) context: usize,
    /// The most tokens there may be: the context, or fewer.
    limit: usize,
    /// The text of the summary that is being written.
    pub(super) summary_utf8: Utf8Stream,
    pub(super) timing: Timing,
}

impl Request {
    /// A request without tokens, and with nothing to do.
    pub(super) fn new(summary: SummaryText) -> Self {
        Self {
            summary,
            tokens: Vec::new(),
            last: Vec::new(),
            recording: None,
            summary_tokens: 0,
            number: 0,
            turn: Turn::Idle,
            wanted: vec::IntoIter::default(),
            later: vec::IntoIter::default(),
            source: TokenSource::Sampled(Sampled::new(StopTokens::default(), StopStrings::default())),
            sampler: Sampler::default(),
            prompt: 0..0,
            context: 0,
            limit: 0,
            summary_utf8: Utf8Stream::default(),
            timing: Timing::start(),
        }
    }

    /// One that has the first `at` tokens of this one, and nothing to do.
    pub(super) fn fork(&self, at: usize) -> Self {
        let tokens = self.tokens[..at.min(self.tokens.len())].to_vec();
        Self { prompt: tokens.len()..tokens.len(), tokens, ..Self::new(self.summary.clone()) }
    }

    /// Begins a task, the `number`th of all, in a context of so many tokens.
    pub(super) fn begin(&mut self, task: Task, context: usize, number: usize) -> Result<(), EngineError> {
        if self.is_busy() {
            return Err(EngineError::Busy);
        }
        let start = self.tokens.len();
        check(&task, start, context)?;
        let (prompt, later) = match task {
            Task::Generate { prompt, sampler, limits } => {
                self.limit = context.min((start + prompt.len()).saturating_add(limits.max_tokens));
                self.source = TokenSource::Sampled(Sampled::new(limits.tokens, limits.strings));
                self.sampler = sampler;
                (prompt, Vec::new())
            }
            Task::Score { mut text, prompt } => {
                self.limit = context;
                self.source = TokenSource::Given(Given::new(text.len()));
                self.sampler = Sampler::default();
                // What begins a sequence is a prompt.
                let least = usize::from(start == 0);
                let rest = text.split_off(prompt.clamp(least, text.len()));
                (text, rest)
            }
        };
        self.prompt = start..start + prompt.len();
        (self.turn, self.wanted, self.later) = match prompt.is_empty() {
            true => (Turn::Stream, later.into_iter(), vec::IntoIter::default()),
            false => (Turn::Prompt, prompt.into_iter(), later.into_iter()),
        };
        (self.number, self.context) = (number, context);
        self.last.clear();
        self.timing = Timing::start();
        Ok(())
    }

    /// Begins a recording, for a model with such layers.
    pub(super) fn record(&mut self, layers: &[LayerSpec]) -> Result<(), EngineError> {
        if !self.tokens.is_empty() {
            return Err(EngineError::RecordedLate { tokens: self.tokens.len() });
        }
        self.recording = Some(Recording::begin(layers));
        Ok(())
    }

    /// What it wants in next.
    pub(super) fn want(&self) -> Want {
        let given = match (&self.source, self.turn) {
            (_, Turn::Prompt) | (TokenSource::Given(_), Turn::Stream) => Some(self.number),
            _ => None,
        };
        Want { tokens: self.wanted.len().min(self.room()), given }
    }

    /// The rows whose logits it wants, where its next `accepted` tokens are rows; a vocabulary makes them dear.
    pub(super) fn rows(&self, accepted: usize) -> Range<usize> {
        match (&self.source, self.turn) {
            (TokenSource::Given(_), Turn::Prompt | Turn::Stream) => 0..accepted,
            // The last one says what follows, where nothing else is to.
            _ if accepted == self.wanted.len() => accepted - 1..accepted,
            _ => 0..0,
        }
    }

    /// Takes what a step did, tells the observer, and finds what goes in next.
    pub(super) fn took(&mut self, step: &Took<'_>, observer: &mut Observer<'_>) -> Flow {
        let role = self.turn.role();
        let before = self.remember(step);
        let ids: Vec<u32> = self.wanted.by_ref().take(step.accepted).collect();
        self.tokens.extend_from_slice(&ids);
        if let Some(recording) = &mut self.recording {
            recording.took(&ids, role);
        }
        if self.turn.writes_summary() {
            self.summary_tokens += ids.len();
        }
        if role == Role::Stream {
            self.timing.add(ids.len());
        }
        tell(observer, Event::Step { role, stats: step.stats, run: step.run })?;
        if self.turn.writes_summary() {
            self.took_summary(&ids, step, observer)?;
        } else {
            self.source.took(&ids, role == Role::Prompt, &before, step, observer)?;
        }
        if role == Role::Prompt {
            let done = self.tokens.len() - self.prompt.start;
            tell(observer, Event::Prompt { done, total: self.prompt.len() })?;
        }
        self.proceed(step.due, step.texts, observer)
    }

    /// Keeps the logits of the step's last row, if they were wanted; returns those kept before.
    fn remember(&mut self, step: &Took<'_>) -> Vec<f32> {
        match self.rows(step.accepted).len() {
            0 => Vec::new(),
            rows => std::mem::replace(
                &mut self.last,
                step.logits[step.logits.len() / rows * (rows - 1)..].to_vec(),
            ),
        }
    }

    /// Ends the task: text that was held back is text all the same, also where the observer has had enough.
    pub(super) fn end(&mut self, end: End, observer: &mut Observer<'_>) -> End {
        if self.turn == Turn::Prompt {
            self.timing.end_prompt();
        }
        let _ = self.source.flush(observer);
        self.turn = Turn::Idle;
        (self.wanted, self.later) = Default::default();
        end
    }

    /// The end of a task whose next tokens were refused: where a text is being written, it is one that found no room.
    pub(super) fn refused(&self, error: EngineError) -> End {
        match (&self.source, error) {
            (
                TokenSource::Sampled(_),
                EngineError::Model(Error::Attention(zoomr_core::Error::OverCap { .. })),
            ) if self.turn != Turn::Prompt => Ok(Stop::Cap),
            (_, error) => Err(error),
        }
    }

    /// How many more tokens it may take.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.tokens.len())
    }

    /// Whether it has something to do.
    pub fn is_busy(&self) -> bool {
        self.turn != Turn::Idle
    }

    /// All its tokens that have gone in, prompts included.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// The tokens after the last prompt, summaries and stop token included.
    pub fn new_tokens(&self) -> &[u32] {
        &self.tokens[self.prompt.end.min(self.tokens.len())..]
    }

    /// The text that was generated last, as far as a tokenizer was at hand; without a stop string.
    pub fn text(&self) -> &str {
        if let TokenSource::Sampled(sampled) = &self.source { &sampled.text } else { "" }
    }

    /// For each token of the text that was scored last, its natural log-probability given those before; `None` for the
    /// text's first.
    pub fn logprobs(&self) -> &[Option<f64>] {
        if let TokenSource::Given(given) = &self.source { &given.logprobs } else { &[] }
    }

    /// How long the last task took.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Tokens of summaries that the engine opened, their frame included.
    pub fn summary_tokens(&self) -> usize {
        self.summary_tokens
    }

    /// The recording so far, if it [is recorded](super::Batch::record).
    pub fn recording(&self) -> Option<&Recording> {
        self.recording.as_ref()
    }
}

/// Whether a task can be done after `start` tokens, in a context of so many.
fn check(task: &Task, start: usize, context: usize) -> Result<(), EngineError> {
    let (what, tokens) = match task {
        Task::Generate { prompt, .. } if prompt.is_empty() => return Err(EngineError::EmptyPrompt),
        Task::Score { text, .. } if text.len() < 2 => {
            return Err(EngineError::NothingToScore { tokens: text.len() });
        }
        Task::Generate { prompt, .. } => ("prompt", start + prompt.len()),
        Task::Score { text, .. } => ("text", start + text.len()),
    };
    if tokens > context { Err(EngineError::TooLong { what, tokens, context }) } else { Ok(()) }
}
