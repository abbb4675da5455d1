//! What each page of a sequence is there for: the rows of every byte account.

use crate::{
    cache::Layout,
    positions::PositionSet,
    segment::{Kind, Stream},
    stats::TierBytes,
};

/// What a resident page is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Part of a prompt.
    Prompt,
    /// Attended whatever the query asks for.
    Window,
    /// Part of a summary.
    Summary,
    /// Detail of a thought outside of the window.
    Zoomed,
}

impl Use {
    /// What each logical page of a sequence is there for while it is resident; `base` is what the last row
    /// sees without zooming.
    pub fn of_pages(stream: &Stream, layout: &Layout, base: &PositionSet) -> Vec<Self> {
        let mut uses = Vec::with_capacity(layout.pages().len());
        for segment in stream.segments() {
            for logical in layout.overlapping(segment.range.clone()) {
                let seen = base.overlaps(layout.pages()[logical].positions());
                uses.push(match segment.kind {
                    Kind::Prompt => Self::Prompt,
                    Kind::Summary => Self::Summary,
                    Kind::Answer => Self::Window,
                    Kind::Thought if seen => Self::Window,
                    Kind::Thought => Self::Zoomed,
                });
            }
        }
        uses
    }
}

impl TierBytes {
    /// Adds resident bytes.
    pub(crate) fn add(&mut self, used: Use, bytes: u64) {
        *match used {
            Use::Prompt => &mut self.prompt,
            Use::Window => &mut self.window,
            Use::Summary => &mut self.summaries,
            Use::Zoomed => &mut self.zoomed,
        } += bytes;
    }
}
