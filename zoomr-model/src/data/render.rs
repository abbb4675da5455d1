//! An example as one text: the question, each thought and each summary between their markers, the answer.
//!
//! ```text
//! question <thought> detail </thought> <summary> summary </summary> ... answer 10 <eos>
//! ```
//!
//! The text comes in pieces that say who writes them and what they belong to, so that a loss can be taken on the
//! model's own words only, and the bounds of thoughts and summaries are known. All pieces, one after another, are
//! the text: white space is part of the markers.

use std::fmt;

use super::example::Example;
use crate::reasoning_format::Markers;

/// Who writes a piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// It is given to the model.
    Given,
    /// The model writes it: a loss may be taken on it.
    Written,
}

/// What a piece belongs to, its markers included. Thoughts are counted from 0; a summary has its thought's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segment {
    /// What the model is given.
    Question,
    /// The detail of a thought: three pieces, of which the second is the detail itself.
    Thought(usize),
    /// A summary: three pieces, of which the second is the summary itself.
    Summary(usize),
    /// The answer: three pieces, of which the second is the answer itself.
    Answer,
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Question => f.write_str("the question"),
            Self::Thought(j) => write!(f, "thought {}", j + 1),
            Self::Summary(j) => write!(f, "summary {}", j + 1),
            Self::Answer => f.write_str("the answer"),
        }
    }
}

/// A part of an example's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The text.
    pub text: &'a str,
    /// Who writes it.
    pub author: Author,
    /// What it belongs to.
    pub segment: Segment,
}

/// The pieces of an example's text, in order: one of the question, and three of every other segment.
pub fn pieces<'a>(example: &'a Example, markers: &'a Markers) -> Vec<Piece<'a>> {
    let written = |segment, [begin, end]: [&'a String; 2], body: &'a String| {
        [begin, body, end].map(|text| Piece { text, author: Author::Written, segment })
    };
    let question = Piece { text: &example.question, author: Author::Given, segment: Segment::Question };
    let mut pieces = vec![question];
    for (j, thought) in example.thoughts.iter().enumerate() {
        pieces.extend(written(Segment::Thought(j), markers.thought.each_ref(), &thought.detail));
        pieces.extend(written(Segment::Summary(j), markers.summary.each_ref(), &thought.summary));
    }
    pieces.extend(written(Segment::Answer, [&markers.answer, &markers.end], &example.answer));
    pieces
}

/// What the model is given of an example's text, and what it should write: one after the other, they are the text.
pub fn given_and_written(example: &Example, markers: &Markers) -> [String; 2] {
    let (mut given, mut written) = (String::new(), String::new());
    for piece in pieces(example, markers) {
        match piece.author {
            Author::Given => given.push_str(piece.text),
            Author::Written => written.push_str(piece.text),
        }
    }
    [given, written]
}

/// A marker that stands in what the model is to write, where it would be taken for one, if there is any; and where.
pub fn stray_marker<'a>(example: &Example, markers: &'a Markers) -> Option<(&'a str, Segment)> {
    let known = markers.tokens().into_iter().chain([markers.end.trim()]).filter(|marker| !marker.is_empty());
    let pieces = pieces(example, markers);
    // After the question, every second piece of three is text.
    let mut bodies = pieces[1..].chunks(3).map(|three| three[1]);
    bodies.find_map(|body| Some((known.clone().find(|marker| body.text.contains(marker))?, body.segment)))
}

/// The whole text of an example.
pub fn text(example: &Example, markers: &Markers) -> String {
    given_and_written(example, markers).concat()
}
