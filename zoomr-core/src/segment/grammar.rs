//! The incremental grammar `prompt (thought summary)* answer`, one token at a time.
//!
//! It turns a segmenter's events into [`Mark`]s that always fit the stream, whatever the segmenter says:
//! in an open segment only that segment's own end counts; a summary without a closed thought before it is
//! ordinary text; an unclosed thought stays open. It logs what it did, so that cutting a sequence back
//! replays the log instead of asking anybody again.

use super::{Event, Kind, Mark, Segmenter, Stream};
use crate::{token::Token, trigger::Trigger};

/// Who wrote a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The user: part of a prompt, whatever the text says.
    Prompt,
    /// The model (or a text that stands for what it wrote): goes through the segmenter.
    Stream,
}

/// What the engine owes the stream before the next token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Nothing: the model goes on.
    Nothing,
    /// A thought has closed and its trigger wants the engine to open a summary now.
    Summary,
}

/// What is known of the token to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outlook {
    /// The segment that it begins, if that has been said.
    next: Option<Kind>,
    /// What the engine owes before it.
    due: Due,
}

/// What the log keeps of one token.
#[derive(Clone, Debug)]
struct Entry {
    mark: Mark,
    /// What was known of the token, by what the engine had said until then.
    before: Outlook,
    /// What its text said of the next one.
    after: Outlook,
    /// The token, where the segmenter has seen it.
    observed: Option<(u32, Box<[u8]>)>,
}

/// Segments a sequence as it grows.
#[derive(Debug)]
pub struct Grammar {
    segmenter: Box<dyn Segmenter>,
    trigger: Trigger,
    stream: Stream,
    log: Vec<Entry>,
    outlook: Outlook,
}

impl Outlook {
    const NONE: Self = Self { next: None, due: Due::Nothing };
}

impl Grammar {
    /// An empty sequence.
    pub fn new(segmenter: Box<dyn Segmenter>, trigger: Trigger) -> Self {
        let stream = Stream::new(trigger == Trigger::Pooled);
        Self { segmenter, trigger, stream, log: Vec::new(), outlook: Outlook::NONE }
    }

    /// The segments so far.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What the engine owes before the next token.
    pub fn due(&self) -> Due {
        self.outlook.due
    }

    /// Adds one token; `resident` is the resident KV memory in bytes, which a pressure trigger goes by.
    pub fn push(&mut self, token: Token<'_>, role: Role, resident: u64) {
        let before = self.outlook;
        let observed = role == Role::Stream && !self.engine_writes();
        let events = if observed { self.segmenter.observe(token) } else { Vec::new() };
        let events = self.accepted(events, resident);
        let begins = self.begins(role, events.first());
        let mut mark = Mark { begins, ends: false };
        let kind = begins.or(self.stream.open_kind());
        let mut after = Outlook::NONE;
        for event in events {
            match event {
                Event::End(ended) if Some(ended) == kind && !mark.ends => mark.ends = true,
                Event::Begin(next) if mark.ends => after.next = Some(next),
                Event::Begin(_) | Event::End(_) => {}
            }
        }
        self.stream.push(mark);
        if mark.ends && kind == Some(Kind::Thought) && self.trigger.asks_the_engine() {
            after.due = Due::Summary;
        }
        self.outlook = after;
        let observed = observed.then(|| (token.id, token.text.into()));
        self.log.push(Entry { mark, before, after, observed });
    }

    /// The next token begins a summary of the thought that just closed; without one, nothing happens.
    pub fn open_summary(&mut self) {
        if self.stream.awaits_summary() {
            self.outlook = Outlook { next: Some(Kind::Summary), due: Due::Nothing };
        }
    }

    /// The summary that is being written has ended; without one, nothing happens.
    pub fn close_summary(&mut self) {
        if self.stream.open_kind() == Some(Kind::Summary) {
            self.stream.end();
            if let Some(entry) = self.log.last_mut() {
                entry.mark.ends = true;
            }
        }
    }

    /// Cuts the sequence back to its first `len` tokens, as if no more had ever come; what the engine has said after
    /// the last of them is forgotten too.
    pub fn truncate(&mut self, len: usize) {
        if len < self.log.len() {
            self.log.truncate(len);
            self.unsay();
            self.replay();
        }
    }

    /// Takes back all tokens but the first `len`: it is then as it was when the next one came, with what the engine
    /// had said by then.
    pub fn undo(&mut self, len: usize) {
        if let Some(taken_back) = self.log.get(len) {
            self.outlook = taken_back.before;
            self.log.truncate(len);
            self.replay();
        }
    }

    /// A grammar that has taken in the first `len` tokens of this one: all, with what the engine has said since, or
    /// fewer, as [`truncate`](Self::truncate) leaves them.
    #[must_use]
    pub fn fork(&self, len: usize) -> Self {
        let mut fork = Self::new(self.segmenter.fresh(), self.trigger);
        fork.log.clone_from(&self.log);
        fork.outlook = self.outlook;
        if len < self.log.len() {
            fork.log.truncate(len);
            fork.unsay();
        }
        fork.replay();
        fork
    }

    /// Forgets what the engine has said since the last token of the log; a summary that it closed there is open again.
    fn unsay(&mut self) {
        let last = self.log.last_mut();
        self.outlook = last.as_ref().map_or(Outlook::NONE, |entry| entry.after);
        if let Some(entry) = last {
            entry.mark.ends &= entry.observed.is_some();
        }
    }

    /// Goes through the log anew.
    fn replay(&mut self) {
        self.segmenter.reset();
        self.stream = Stream::new(self.trigger == Trigger::Pooled);
        for entry in &self.log {
            if let Some((id, text)) = &entry.observed {
                self.segmenter.observe(Token { id: *id, text });
            }
            self.stream.push(entry.mark);
        }
    }

    /// Whether the engine is writing a summary, which no segmenter judges.
    fn engine_writes(&self) -> bool {
        let summary = Some(Kind::Summary);
        self.trigger.asks_the_engine() && (self.outlook.next == summary || self.stream.open_kind() == summary)
    }

    /// The events that the trigger lets through.
    fn accepted(&self, mut events: Vec<Event>, resident: u64) -> Vec<Event> {
        if !self.trigger.accepts_boundary(resident) {
            events.retain(|event| *event != Event::End(Kind::Thought));
        }
        events
    }

    /// The kind of the segment that this token begins, if it begins one.
    fn begins(&self, role: Role, first: Option<&Event>) -> Option<Kind> {
        let open = self.stream.open_kind();
        if role == Role::Prompt {
            return (open != Some(Kind::Prompt)).then_some(Kind::Prompt);
        }
        let wanted = match (self.outlook.next, first) {
            (Some(kind), _) => Some(kind),
            (None, Some(Event::Begin(kind))) => Some(*kind),
            _ => None,
        };
        match open {
            // Text between segments gives way to whatever begins; thoughts and summaries do not.
            Some(Kind::Thought | Kind::Summary) => None,
            Some(Kind::Answer) => wanted.map(|_| self.fitting(wanted)).filter(|k| *k != Kind::Answer),
            Some(Kind::Prompt) | None => Some(self.fitting(wanted)),
        }
    }

    /// `wanted`, unless it is a summary that no thought waits for; text of the default kind otherwise.
    fn fitting(&self, wanted: Option<Kind>) -> Kind {
        match wanted {
            Some(Kind::Summary) if !self.stream.awaits_summary() => Kind::Answer,
            Some(kind) => kind,
            None => self.segmenter.default_kind(),
        }
    }
}
