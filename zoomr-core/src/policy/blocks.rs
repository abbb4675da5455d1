//! ZoomR on models that were never fine-tuned: every layer's own queries choose blocks of a few tokens.

use std::ops::Range;

use super::{Choice, Policy};
use crate::{
    cache::Blocks,
    config::{AtHand, Prefill},
    positions::PositionSet,
    segment::{Kind, Segment, Stream},
    select::BlockRule,
};

/// Blocks of thoughts, prompts and answers return by what a layer's queries make of their vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoomBlocks {
    /// Tokens of a block.
    pub size: usize,
    /// First tokens that stay visible.
    pub kept: usize,
    /// The window in tokens; it reaches back to the beginning of a block.
    pub window: usize,
    /// Up to so many tokens everything is attended; what keys are like is learnt from them.
    pub spread_tokens: usize,
    /// What rows of a prompt attend to.
    pub prefill: Prefill,
    /// How many blocks return.
    pub rule: BlockRule,
    /// Tokens of a full passage, which full blocks fill.
    pub passage: usize,
    /// How many tokens of passages are at hand.
    pub at_hand: AtHand,
}

impl ZoomBlocks {
    /// The positions between which blocks are not seen by the row at `position` unless it chooses them: from the
    /// beginning of a block to the end of one.
    pub fn zoomable(&self, stream: &Stream, position: usize) -> Range<usize> {
        let first = self.edge(stream, self.kept, usize::next_multiple_of);
        let window = (position + 1).saturating_sub(self.window);
        let last = self.edge(stream, window, |len, size| len / size * size);
        let of_prompt = || segment_at(stream, position).is_some_and(|s| s.kind == Kind::Prompt);
        let sees_all = position < self.spread_tokens || self.prefill == Prefill::Full && of_prompt();
        if sees_all || last <= first { 0..0 } else { first..last }
    }

    /// How many passages (the oldest ones) the row at `position` says something of that decides which of them are at hand
    /// next; 0 where all are anyway.
    pub fn votable(&self, stream: &Stream, blocks: &Blocks, position: usize) -> usize {
        let zoomable = self.zoomable(stream, position);
        let settled = blocks.settled(zoomable.end);
        let all = self.at_hand == AtHand::All || settled == blocks.settled(zoomable.start);
        if all { 0 } else { settled }
    }

    /// No blocks yet, of the sizes that these are cut to.
    pub fn no_blocks(&self) -> Blocks {
        Blocks::new(self.size, self.passage)
    }

    /// Which of a sequence's closed blocks say how its keys spread; it has at least one.
    pub fn spread_blocks(&self, blocks: &Blocks) -> Range<usize> {
        let ended = blocks.ended(self.spread_tokens);
        // That a short block ends right there, a sequence of so many tokens does not know yet.
        let unknown = blocks.all()[..ended]
            .last()
            .is_some_and(|block| block.range.end == self.spread_tokens && block.range.len() < self.size);
        // Where none ends so early, the first must do.
        0..(ended - usize::from(unknown)).max(1)
    }

    /// The edge of a block next to `position`, as `round` has it for tokens of a segment.
    fn edge(&self, stream: &Stream, position: usize, round: impl Fn(usize, usize) -> usize) -> usize {
        match segment_at(stream, position) {
            Some(segment) if segment.kind != Kind::Summary => {
                let within = round(position - segment.range.start, self.size);
                (segment.range.start + within).min(segment.range.end)
            }
            _ => position,
        }
    }
}

/// The segment that holds a position.
fn segment_at(stream: &Stream, position: usize) -> Option<&Segment> {
    let segments = stream.segments();
    segments.get(segments.partition_point(|segment| segment.range.end <= position))
}

impl Policy for ZoomBlocks {
    fn name(&self) -> &'static str {
        "zoomr"
    }

    fn base(&self, stream: &Stream, position: usize) -> PositionSet {
        let end = position + 1;
        let zoomable = self.zoomable(stream, position);
        let mut set: PositionSet = [0..zoomable.start.min(end), zoomable.end..end].into_iter().collect();
        for segment in stream.segments().iter().take_while(|s| s.range.start < zoomable.end) {
            if segment.kind == Kind::Summary {
                set.insert(segment.range.start.max(zoomable.start)..segment.range.end.min(zoomable.end));
            }
        }
        set
    }

    fn choice(&self) -> Choice {
        Choice::Blocks(*self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{Options, Settings},
        segment::Mark,
    };

    /// A prompt of 20 tokens, and 10 more.
    fn stream() -> Stream {
        let mut stream = Stream::new(true);
        for position in 0..30 {
            let begins = [(0, Kind::Prompt), (20, Kind::Answer)].into_iter().find(|&(at, _)| at == position);
            stream.push(Mark { begins: begins.map(|(_, kind)| kind), ends: position == 19 });
        }
        stream
    }

    fn rule(prefill: Prefill, at_hand: AtHand) -> ZoomBlocks {
        let options = Options {
            blocks: Some(4),
            passage_tokens: 8,
            keep_prompt: Some(5),
            window: 3,
            spread_tokens: 12,
            prefill,
            at_hand,
            ..Options::default()
        };
        Settings::try_from(options).unwrap().zoom_blocks().unwrap()
    }

    #[test]
    fn rows_of_a_prompt_see_everything_or_zoom() {
        let zoomable = |prefill, position| rule(prefill, AtHand::All).zoomable(&stream(), position);
        for prefill in [Prefill::Full, Prefill::Zoom] {
            assert_eq!(zoomable(prefill, 11), 0..0, "how keys spread is not known yet");
            assert_eq!(zoomable(prefill, 25), 8..20, "from the edge of a block to that of another");
        }
        assert_eq!(zoomable(Prefill::Full, 19), 0..0);
        assert_eq!(zoomable(Prefill::Zoom, 19), 8..16);
    }

    /// Law 12: what is learnt of keys does not depend on what has come since.
    #[test]
    fn a_short_block_at_the_end_of_what_is_learnt_from_is_left_out() {
        // The prompt is over, and its last block one token short.
        let rule = ZoomBlocks { size: 3, passage: 6, spread_tokens: 20, ..rule(Prefill::Full, AtHand::All) };
        let mut blocks = rule.no_blocks();
        blocks.follow(&stream());
        assert_eq!((blocks.ended(20), rule.spread_blocks(&blocks)), (7, 0..6));
        assert_eq!(ZoomBlocks { spread_tokens: 21, ..rule }.spread_blocks(&blocks), 0..7);
        assert_eq!(ZoomBlocks { spread_tokens: 18, ..rule }.spread_blocks(&blocks), 0..6);
    }

    #[test]
    fn rows_decide_on_passages_that_have_left_the_window_and_are_over() {
        let votable = |at_hand, position| {
            let rule = rule(Prefill::Full, at_hand);
            let mut blocks = rule.no_blocks();
            blocks.follow(&stream());
            rule.votable(&stream(), &blocks, position)
        };
        assert_eq!(votable(AtHand::Tokens(0), 25), 3, "8, 8 and 4 tokens of the prompt");
        assert_eq!(votable(AtHand::Tokens(0), 22), 3);
        assert_eq!(votable(AtHand::Tokens(0), 21), 2, "the window begins in the third");
        assert_eq!(votable(AtHand::Tokens(0), 19), 0, "a row of the prompt chooses nothing");
        assert_eq!(votable(AtHand::All, 25), 0, "there is nothing to decide");
    }
}
