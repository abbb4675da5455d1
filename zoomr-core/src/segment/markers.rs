//! Thoughts and summaries set apart by markers, as a fine-tuned model writes them.

use super::{Event, Kind, Segmenter};
use crate::{Error, token::Token};

/// How one marker is recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Marker {
    /// A token of its own.
    Id(u32),
    /// Text, wherever the token bounds fall; recognised at the token that completes it.
    Text(String),
}

/// What opens and what closes a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarkerPair {
    /// Opens the segment.
    pub begin: Marker,
    /// Closes it.
    pub end: Marker,
}

/// Recognises the markers of thoughts and summaries.
#[derive(Clone, Debug)]
pub struct Markers {
    table: [(Marker, Event); 4],
    /// The last bytes of the text: as many as a text marker may need from earlier tokens.
    tail: Vec<u8>,
    longest: usize,
}

impl Markers {
    /// A segmenter for the given markers.
    ///
    /// # Errors
    /// [`Error::Setting`] where a text marker is empty or two markers are the same.
    pub fn new(thought: MarkerPair, summary: MarkerPair) -> Result<Self, Error> {
        let table = [
            (thought.begin, Event::Begin(Kind::Thought)),
            (thought.end, Event::End(Kind::Thought)),
            (summary.begin, Event::Begin(Kind::Summary)),
            (summary.end, Event::End(Kind::Summary)),
        ];
        let refuse = |reason: String| Err(Error::Setting { name: "markers", reason });
        for (i, (marker, _)) in table.iter().enumerate() {
            if *marker == Marker::Text(String::new()) {
                return refuse("a marker is empty text; give at least one character".into());
            }
            if table[..i].iter().any(|(other, _)| other == marker) {
                return refuse(format!("{marker:?} is given twice; the four markers must differ"));
            }
        }
        let length = |marker: &Marker| match marker {
            Marker::Id(_) => 0,
            Marker::Text(text) => text.len(),
        };
        let longest = table.iter().map(|(marker, _)| length(marker)).max().unwrap_or(0);
        Ok(Self { table, tail: Vec::new(), longest })
    }

    /// The text markers that end inside of `text`, with where they end, given the tail before it.
    fn completed(&mut self, text: &[u8]) -> Vec<(usize, Event)> {
        let before = self.tail.len();
        self.tail.extend_from_slice(text);
        let mut found = Vec::new();
        for (marker, event) in &self.table {
            let Marker::Text(marker) = marker else { continue };
            let windows = self.tail.windows(marker.len()).enumerate();
            let ends = windows.filter(|(_, w)| *w == marker.as_bytes()).map(|(i, w)| i + w.len());
            found.extend(ends.filter(|end| *end > before).map(|end| (end, *event)));
        }
        let keep = self.longest.saturating_sub(1).min(self.tail.len());
        self.tail.drain(..self.tail.len() - keep);
        found.sort_by_key(|(end, _)| *end);
        found
    }
}

impl Segmenter for Markers {
    fn observe(&mut self, token: Token<'_>) -> Vec<Event> {
        let by_id = self.table.iter().find(|(marker, _)| *marker == Marker::Id(token.id));
        let mut events: Vec<Event> = by_id.map(|(_, event)| *event).into_iter().collect();
        if self.longest > 0 {
            events.extend(self.completed(token.text).into_iter().map(|(_, event)| event));
        }
        events
    }

    fn default_kind(&self) -> Kind {
        Kind::Answer
    }

    fn reset(&mut self) {
        self.tail.clear();
    }

    fn fresh(&self) -> Box<dyn Segmenter> {
        let mut fresh = self.clone();
        fresh.reset();
        Box::new(fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(begin: &str, end: &str) -> MarkerPair {
        MarkerPair { begin: Marker::Text(begin.into()), end: Marker::Text(end.into()) }
    }

    fn observe(segmenter: &mut Markers, piece: &str) -> Vec<Event> {
        segmenter.observe(Token { id: 0, text: piece.as_bytes() })
    }

    #[test]
    fn finds_text_markers_across_token_bounds_and_two_in_one_token() {
        let mut markers = Markers::new(text("<t>", "</t>"), text("<s>", "</s>")).unwrap();
        assert_eq!(observe(&mut markers, "<"), []);
        assert_eq!(observe(&mut markers, "t>a"), [Event::Begin(Kind::Thought)]);
        let both = [Event::End(Kind::Thought), Event::Begin(Kind::Summary)];
        assert_eq!(observe(&mut markers, "b</t><s>"), both);
        assert_eq!(observe(&mut markers, "c"), []);
    }

    #[test]
    fn finds_ids() {
        let pair = |a, b| MarkerPair { begin: Marker::Id(a), end: Marker::Id(b) };
        let mut markers = Markers::new(pair(1, 2), pair(3, 4)).unwrap();
        assert_eq!(markers.observe(Token::bare(3)), [Event::Begin(Kind::Summary)]);
        assert_eq!(markers.observe(Token::bare(9)), []);
        assert!(Markers::new(pair(1, 2), pair(2, 4)).is_err());
    }
}
