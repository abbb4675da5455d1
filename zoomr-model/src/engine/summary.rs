//! Summaries that a trigger makes the engine open: it writes the frame, the model what stands in it.

use std::{num::NonZeroUsize, ops::ControlFlow};

use super::{
    Event, Observer, Request,
    took::{Flow, Texts, Took, tell},
    turn::Turn,
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

impl Request {
    /// Begins the summary that is due; text that was held back comes before it.
    pub(super) fn open_summary(&mut self, texts: Texts<'_>, observer: &mut Observer<'_>) -> Flow {
        let mut opening = self.summary.open.clone();
        let mut left = self.summary.limit.get();
        if opening.is_empty() {
            // A summary needs a first token to begin with; a model with nothing to say writes none.
            let Some(first) = self.summary_token(texts)? else { return self.stream_on() };
            opening.push(first);
            left -= 1;
        }
        self.source.flush(observer)?;
        self.later = std::mem::replace(&mut self.wanted, opening.into_iter());
        self.turn = Turn::Opening { left };
        self.summary_utf8 = Utf8Stream::default();
        ControlFlow::Continue(())
    }

    /// Finds the summary's next token, of which it may have `left` more, or else closes it.
    pub(super) fn write_summary(&mut self, left: usize, texts: Texts<'_>) -> Flow {
        let next = if left > 0 { self.summary_token(texts)? } else { None };
        match next {
            Some(id) => (self.turn, self.wanted) = (Turn::Summary { left: left - 1 }, vec![id].into_iter()),
            None if self.summary.close.is_empty() => return self.resume(),
            None => (self.turn, self.wanted) = (Turn::Closing, self.summary.close.clone().into_iter()),
        }
        ControlFlow::Continue(())
    }

    /// What the model writes next into the summary; `None` where it is done.
    fn summary_token(&mut self, texts: Texts<'_>) -> Flow<Option<u32>> {
        let id = self.sample()?;
        let ends = self.summary.end.contains(id) || self.summary.is_closed_by(texts.of(id), texts);
        ControlFlow::Continue((!ends).then_some(id))
    }

    /// Tokens of the summary have gone in.
    pub(super) fn took_summary(&mut self, ids: &[u32], step: &Took<'_>, observer: &mut Observer<'_>) -> Flow {
        for &id in ids {
            tell(observer, Event::Token { id, kind: step.kind })?;
            let text = self.summary_utf8.push(step.texts.of(id));
            if !text.is_empty() {
                self.source.note(&text);
                tell(observer, Event::Text { kind: step.kind, text: &text })?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl SummaryText {
    /// Whether a token's text ends the line, or begins what closes the summary.
    fn is_closed_by(&self, bytes: &[u8], texts: Texts<'_>) -> bool {
        let closing = self.close.iter().flat_map(|&id| texts.of(id));
        let mark = closing.copied().find(|byte| !byte.is_ascii_whitespace());
        bytes.iter().any(|&byte| byte == b'\n' || Some(byte) == mark)
    }
}
