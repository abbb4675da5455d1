//! Which tokens of a sequence make a block, and which blocks a passage: plain positions.
//!
//! Thoughts, prompts and answers are cut from their first token on; summaries are not. A block is closed when it is full,
//! or when another segment has begun after it.

use std::ops::Range;

use crate::segment::{Kind, Segment, Stream};

/// Consecutive tokens of one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Their positions.
    pub range: Range<usize>,
    /// The passage that they belong to.
    pub passage: usize,
}

/// Consecutive blocks of one segment, which come to hand and leave it together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The positions of its closed blocks.
    pub range: Range<usize>,
    /// The thought that they belong to, if it is one.
    pub thought: Option<usize>,
}

/// The closed blocks of one sequence, in order, and its passages.
#[derive(Clone, Debug)]
pub struct Blocks {
    /// Tokens of a full block.
    size: usize,
    /// Tokens of a full passage, which full blocks fill.
    passage: usize,
    blocks: Vec<Block>,
    passages: Vec<Passage>,
    /// The segments that are cut to their end.
    segments: usize,
    /// The thoughts among them.
    thoughts: usize,
}

impl Blocks {
    /// No blocks yet; a full one will have `size` tokens, a full passage `passage`, a multiple of it.
    pub fn new(size: usize, passage: usize) -> Self {
        Self { size, passage, blocks: Vec::new(), passages: Vec::new(), segments: 0, thoughts: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// The blocks, in order.
    pub fn all(&self) -> &[Block] {
        &self.blocks
    }

    /// The passages, in order; the last one may still grow.
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// How many passages (the oldest ones) have ended for good, at `position` or before it.
    pub fn settled(&self, position: usize) -> usize {
        let last = self.passages.len().saturating_sub(1);
        self.passages[..last].partition_point(|passage| passage.range.end <= position)
    }

    /// How many blocks (the oldest ones) end at `position` or before it.
    pub fn ended(&self, position: usize) -> usize {
        self.blocks.partition_point(|block| block.range.end <= position)
    }

    /// How many of them (the oldest ones) begin before `position`.
    pub fn begun(&self, position: usize) -> usize {
        self.blocks.partition_point(|block| block.range.start < position)
    }

    /// Cuts what has come since.
    pub fn follow(&mut self, stream: &Stream) {
        let segments = stream.segments();
        let last = segments.len().saturating_sub(1);
        for (number, segment) in segments.iter().enumerate().skip(self.segments) {
            let is_thought = segment.kind == Kind::Thought;
            if segment.kind != Kind::Summary {
                self.cut(segment, is_thought.then_some(self.thoughts), number < last);
            }
            if number < last {
                self.segments += 1;
                self.thoughts += usize::from(is_thought);
            }
        }
    }

    fn cut(&mut self, segment: &Segment, thought: Option<usize>, over: bool) {
        let done = self.blocks.last().map_or(0, |block| block.range.end);
        let mut start = done.max(segment.range.start);
        while start + self.size <= segment.range.end {
            self.push(start..start + self.size, segment, thought);
            start += self.size;
        }
        if over && start < segment.range.end {
            self.push(start..segment.range.end, segment, thought);
        }
    }

    /// Adds a block, to the last passage if it goes on.
    fn push(&mut self, range: Range<usize>, segment: &Segment, thought: Option<usize>) {
        let begins = (range.start - segment.range.start).is_multiple_of(self.passage);
        match self.passages.last_mut().filter(|_| !begins) {
            Some(passage) => passage.range.end = range.end,
            None => self.passages.push(Passage { range: range.clone(), thought }),
        }
        self.blocks.push(Block { range, passage: self.passages.len() - 1 });
    }

    /// Follows a stream that was cut back to fewer tokens.
    pub fn truncate(&mut self, stream: &Stream) {
        let segments = stream.segments();
        self.segments = segments.len().saturating_sub(1).min(self.segments);
        self.thoughts = segments[..self.segments].iter().filter(|s| s.kind == Kind::Thought).count();
        let last = segments.last().map_or(0, |segment| segment.range.start);
        // The last segment goes on: what it has besides full blocks is open again.
        let (size, len) = (self.size, stream.len());
        self.blocks.truncate(self.ended(len));
        while self.blocks.last().is_some_and(|block| block.range.start >= last && block.range.len() < size) {
            self.blocks.pop();
        }
        self.passages.truncate(self.blocks.last().map_or(0, |block| block.passage + 1));
        if let (Some(passage), Some(block)) = (self.passages.last_mut(), self.blocks.last()) {
            passage.range.end = block.range.end;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Mark;

    /// A stream of segments of these kinds and lengths.
    fn stream(segments: &[(Kind, usize)]) -> Stream {
        let mut stream = Stream::new(true);
        for &(kind, len) in segments {
            for at in 0..len {
                stream.push(Mark { begins: (at == 0).then_some(kind), ends: at + 1 == len });
            }
        }
        stream
    }

    const SEGMENTS: [(Kind, usize); 6] = [
        (Kind::Prompt, 6),
        (Kind::Thought, 5),
        (Kind::Summary, 3),
        (Kind::Thought, 4),
        (Kind::Thought, 1),
        (Kind::Answer, 5),
    ];

    #[test]
    fn segments_are_cut_from_their_first_token_and_summaries_are_not() {
        let mut blocks = Blocks::new(2, 4);
        blocks.follow(&stream(&SEGMENTS));
        let found: Vec<_> = blocks.all().iter().map(|block| (block.range.clone(), block.passage)).collect();
        let expected = [
            (0..2, 0),
            (2..4, 0),
            (4..6, 1),
            (6..8, 2),
            (8..10, 2),
            (10..11, 3),
            (14..16, 4),
            (16..18, 4),
            (18..19, 5),
            (19..21, 6),
            (21..23, 6),
        ];
        assert_eq!(found, expected, "the answer's last token may still be joined by others");
        let passages: Vec<_> = blocks.passages().iter().map(|of| (of.range.clone(), of.thought)).collect();
        let expected = [
            (0..4, None),
            (4..6, None),
            (6..10, Some(0)),
            (10..11, Some(0)),
            (14..18, Some(1)),
            (18..19, Some(2)),
            (19..23, None),
        ];
        assert_eq!(passages, expected);
        assert_eq!([10, 11, 22, 23].map(|position| blocks.settled(position)), [3, 4, 6, 6]);
        let mut blocks = Blocks::new(4, 4);
        blocks.follow(&stream(&SEGMENTS));
        assert_eq!((blocks.ended(11), blocks.ended(12), blocks.begun(10), blocks.begun(11)), (4, 4, 3, 4));
    }

    #[test]
    fn it_does_not_matter_how_the_tokens_came_nor_what_was_taken_back() {
        let whole = stream(&SEGMENTS);
        for size in 1..7 {
            let new = || Blocks::new(size, 2 * size);
            let mut grown = new();
            for len in 0..=whole.len() {
                let mut part = stream_of_first(len);
                grown.follow(&part);
                let mut at_once = new();
                at_once.follow(&part);
                check(&grown, &at_once, &format!("{len} tokens, blocks of {size}"));
                for shorter in 0..len {
                    let mut cut = grown.clone();
                    part = stream_of_first(shorter);
                    cut.truncate(&part);
                    let mut expected = new();
                    expected.follow(&part);
                    check(&cut, &expected, &format!("{len} back to {shorter}, blocks of {size}"));
                    cut.follow(&whole);
                    expected.follow(&whole);
                    check(&cut, &expected, &format!("{len} back to {shorter} and on"));
                }
            }
        }
    }

    fn check(found: &Blocks, expected: &Blocks, what: &str) {
        assert_eq!((found.all(), found.passages()), (expected.all(), expected.passages()), "{what}");
    }

    /// The first `len` tokens of the stream.
    fn stream_of_first(len: usize) -> Stream {
        let mut left = len;
        let cut: Vec<(Kind, usize)> = SEGMENTS
            .iter()
            .map(|&(kind, tokens)| {
                let taken = tokens.min(left);
                left -= taken;
                (kind, taken)
            })
            .filter(|&(_, tokens)| tokens > 0)
            .collect();
        stream(&cut)
    }
}
