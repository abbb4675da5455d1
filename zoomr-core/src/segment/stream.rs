//! The segments of one sequence so far, and its thoughts: plain positions, no tokens and no tensors.

use std::ops::Range;

use super::Kind;

/// What one token did: the unit of the log that truncation replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The kind of the segment that begins with this token, if one does.
    pub begins: Option<Kind>,
    /// Whether the token's segment ends with it.
    pub ends: bool,
}

/// A run of consecutive tokens of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// What it is.
    pub kind: Kind,
    /// Its positions so far.
    pub range: Range<usize>,
    /// Whether the next token may still belong to it.
    pub open: bool,
}

/// A thought, open or closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thought {
    /// Positions of the thought itself; what zooming brings back.
    pub detail: Range<usize>,
    /// Positions of its summary, if it has one (so far).
    pub summary: Option<Range<usize>>,
    /// The number of tokens after which its index vector stands for it: rows from this position on no
    /// longer see its detail unless they zoom. `None` while it or its summary is being written.
    pub retired_at: Option<usize>,
}

impl Thought {
    /// The positions whose mean key is the thought's index vector: its summary's, else its own.
    pub fn indexed_by(&self) -> Range<usize> {
        self.summary.clone().unwrap_or_else(|| self.detail.clone())
    }
}

/// The segments of a sequence.
///
/// Segments tile `0..len()`. At most the last thought is not retired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    segments: Vec<Segment>,
    thoughts: Vec<Thought>,
    len: usize,
    /// The number of tokens up to the last of a prompt's.
    prompted: usize,
    /// Whether thoughts retire as they close, without waiting for a summary.
    pooled: bool,
}

impl Stream {
    /// A stream without tokens; under `pooled`, thoughts have no summaries and retire as they close.
    pub fn new(pooled: bool) -> Self {
        Self { segments: Vec::new(), thoughts: Vec::new(), len: 0, prompted: 0, pooled }
    }

    /// Tokens so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no token yet.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Tokens since the last one that belongs to a prompt.
    pub fn since_prompt(&self) -> usize {
        self.len - self.prompted
    }

    /// All segments, in order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// All thoughts, in order, the one under way included.
    pub fn thoughts(&self) -> &[Thought] {
        &self.thoughts
    }

    /// The kind of the open segment, if one is open.
    pub fn open_kind(&self) -> Option<Kind> {
        self.segments.last().filter(|s| s.open).map(|s| s.kind)
    }

    /// Whether a closed thought still waits for its summary; ordinary text may stand between the two.
    pub fn awaits_summary(&self) -> bool {
        let busy = matches!(self.open_kind(), Some(Kind::Thought | Kind::Summary));
        !busy && self.thoughts.last().is_some_and(|t| t.retired_at.is_none())
    }

    /// How many thoughts (the oldest ones) have retired for the row at `position`.
    pub fn retired(&self, position: usize) -> usize {
        self.thoughts.partition_point(|t| t.retired_at.is_some_and(|at| at <= position))
    }

    /// How many thoughts (the oldest ones) the row at `position` may zoom into: retired, with a first
    /// token that has left the window of `window` tokens.
    pub fn candidates(&self, position: usize, window: usize) -> usize {
        let start = (position + 1).saturating_sub(window);
        let left = self.thoughts.partition_point(|t| t.detail.start < start);
        left.min(self.retired(position))
    }

    /// Adds one token.
    pub fn push(&mut self, mark: Mark) {
        if let Some(kind) = mark.begins {
            self.begin(kind);
        }
        self.len += 1;
        self.grow();
        if mark.ends {
            self.end();
        }
    }

    /// Ends the open segment after the fact: the engine closes a summary so.
    pub fn end(&mut self) {
        let Some(segment) = self.segments.last_mut().filter(|s| s.open) else { return };
        segment.open = false;
        match segment.kind {
            Kind::Thought if self.pooled => self.retire(),
            Kind::Summary => self.retire(),
            Kind::Thought | Kind::Prompt | Kind::Answer => {}
        }
    }

    fn begin(&mut self, kind: Kind) {
        if let Some(segment) = self.segments.last_mut() {
            segment.open = false;
        }
        let here = self.len..self.len;
        match kind {
            Kind::Summary => {
                if let Some(thought) = self.thoughts.last_mut() {
                    thought.summary = Some(here.clone());
                }
            }
            Kind::Prompt | Kind::Thought => self.retire_unsummarised(),
            Kind::Answer => {}
        }
        if kind == Kind::Thought {
            let detail = here.clone();
            self.thoughts.push(Thought { detail, summary: None, retired_at: None });
        }
        self.segments.push(Segment { kind, range: here, open: true });
    }

    /// A thought whose summary never came stands for itself once another thought begins.
    fn retire_unsummarised(&mut self) {
        if self.thoughts.last().is_some_and(|t| t.retired_at.is_none()) {
            self.retire();
        }
    }

    fn retire(&mut self) {
        let len = self.len;
        if let Some(thought) = self.thoughts.last_mut() {
            thought.retired_at = Some(len);
        }
    }

    /// Extends the open segment, and the thought it belongs to, to the last token.
    fn grow(&mut self) {
        let Some(segment) = self.segments.last_mut() else { return };
        segment.range.end = self.len;
        match (segment.kind, self.thoughts.last_mut()) {
            (Kind::Prompt, _) => self.prompted = self.len,
            (Kind::Thought, Some(thought)) => thought.detail.end = self.len,
            (Kind::Summary, Some(Thought { summary: Some(range), .. })) => range.end = self.len,
            _ => {}
        }
    }
}
