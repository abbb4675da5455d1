//! The states of a request, and how one follows on another.
//!
//! ```text
//! Idle -> Prompt -> Stream -> Idle
//!                   ^    |
//!                   |    v where a summary is due
//!             Closing <- Summary <- Opening
//! ```
//!
//! `Prompt` is left out where a text to score continues another one, `Summary` and `Closing` where there is nothing to
//! write. Any state gives way to `Idle` where the request is interrupted, refused, or out of room.

use std::ops::ControlFlow;

use zoomr_core::segment::Role;

use super::{
    Observer, Request, Stop,
    task::TokenSource,
    took::{End, Flow, Texts},
};

/// What a request feeds next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Idle,
    /// Its prompt.
    Prompt,
    /// The text after it.
    Stream,
    /// What opens a summary.
    Opening {
        /// So many more tokens may stand in the summary.
        left: usize,
    },
    /// What the model writes into a summary.
    Summary {
        /// So many more tokens may follow.
        left: usize,
    },
    /// What closes a summary.
    Closing,
}

impl Turn {
    /// Who the tokens are from.
    pub(super) fn role(self) -> Role {
        if self == Self::Prompt { Role::Prompt } else { Role::Stream }
    }

    /// Whether the engine has opened a summary that it has not closed.
    pub(super) fn writes_summary(self) -> bool {
        matches!(self, Self::Opening { .. } | Self::Summary { .. } | Self::Closing)
    }
}

impl Request {
    /// Finds what goes in next, or why nothing does. `due`: the thought that has just closed wants a summary.
    pub(super) fn proceed(&mut self, due: bool, texts: Texts<'_>, observer: &mut Observer<'_>) -> Flow {
        match self.turn {
            Turn::Stream if due => self.open_summary(texts, observer)?,
            _ if self.wanted.len() > 0 => {}
            Turn::Prompt => {
                self.timing.end_prompt();
                self.resume()?;
            }
            Turn::Stream | Turn::Closing => self.resume()?,
            Turn::Opening { left } | Turn::Summary { left } => self.write_summary(left, texts)?,
            Turn::Idle => {}
        }
        if self.room() == 0 { ControlFlow::Break(self.full()) } else { ControlFlow::Continue(()) }
    }

    /// Goes on with the text that was put off for prompt or summary.
    pub(super) fn resume(&mut self) -> Flow {
        self.turn = Turn::Stream;
        self.wanted = std::mem::take(&mut self.later);
        self.stream_on()
    }

    /// Sees to it that there is a token of the text to go in.
    pub(super) fn stream_on(&mut self) -> Flow {
        if self.wanted.len() > 0 {
            return ControlFlow::Continue(());
        }
        match &self.source {
            TokenSource::Sampled(_) => self.wanted = vec![self.sample()?].into_iter(),
            TokenSource::Given(_) => return ControlFlow::Break(Ok(Stop::TextOver)),
        }
        ControlFlow::Continue(())
    }

    /// The token that follows on the last.
    pub(super) fn sample(&mut self) -> Flow<u32> {
        match self.sampler.sample(&self.last, &self.tokens) {
            Ok(id) => ControlFlow::Continue(id),
            Err(error) => ControlFlow::Break(Err(error.into())),
        }
    }

    /// Why no more tokens fit.
    fn full(&self) -> End {
        match &self.source {
            TokenSource::Given(given) => Err(given.does_not_fit(self.context)),
            TokenSource::Sampled(_) if self.tokens.len() < self.context => Ok(Stop::MaxTokens),
            TokenSource::Sampled(_) => Ok(Stop::Context),
        }
    }
}
