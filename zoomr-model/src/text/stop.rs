//! When generation ends: stop strings over the streamed text, and stop tokens.
//!
//! Text before a stop string is emitted, the stop string and what follows is not; text that may turn out to
//! be the beginning of one is held back until that is known. How the text was cut into pieces makes no
//! difference: the stop string that is complete first counts, and of those complete at once the longest.

use std::collections::BTreeSet;

/// A stop string that cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// A stop string is empty, and would stop before the first character.
    #[error("stop string {number} is empty; give at least one character, or leave it out")]
    Empty {
        /// Which of the strings, from 1.
        number: usize,
    },
}

/// Looks for stop strings in text that arrives in pieces.
///
/// ```
/// use zoomr_model::text::stop::{StopStrings, Streamed};
///
/// let mut stops = StopStrings::new(vec!["\n\n".into()])?;
/// assert_eq!(stops.push("one\n"), Streamed { text: "one".into(), stopped: false });
/// assert_eq!(stops.push("two\n\nthree"), Streamed { text: "\ntwo".into(), stopped: true });
/// # Ok::<(), zoomr_model::text::stop::StopError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct StopStrings {
    stops: Vec<String>,
    /// A suffix of the text that is a proper prefix of a stop string.
    held: String,
    stopped: bool,
}

/// What a piece of text adds to the output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streamed {
    /// Text to emit now.
    pub text: String,
    /// A stop string was found: nothing follows.
    pub stopped: bool,
}

impl StopStrings {
    /// Makes a search for any of some strings; with none, all text passes at once.
    ///
    /// # Errors
    /// [`StopError::Empty`] for an empty string.
    pub fn new(stops: Vec<String>) -> Result<Self, StopError> {
        match stops.iter().position(String::is_empty) {
            Some(index) => Err(StopError::Empty { number: index + 1 }),
            None => Ok(Self { stops, held: String::new(), stopped: false }),
        }
    }

    /// Takes in text; returns what can be emitted. After a stop, always nothing.
    pub fn push(&mut self, text: &str) -> Streamed {
        if self.stopped {
            return Streamed { text: String::new(), stopped: true };
        }
        let mut text = std::mem::take(&mut self.held) + text;
        if let Some(start) = self.first_stop(&text) {
            text.truncate(start);
            self.stopped = true;
        } else {
            self.held = text.split_off(text.len() - self.longest_begun(&text));
        }
        Streamed { text, stopped: self.stopped }
    }

    /// Ends the text: what was held back was no stop string after all.
    pub fn flush(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the stop string starts that is complete first.
    fn first_stop(&self, text: &str) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| Some((text.find(stop)?, stop.len())));
        found.min_by_key(|&(start, len)| (start + len, start)).map(|(start, _)| start)
    }

    /// The length in bytes of the longest suffix that begins a stop string without completing it.
    fn longest_begun(&self, text: &str) -> usize {
        let begun = |stop: &String| {
            let mut ends = stop.char_indices().map(|(end, _)| end).rev();
            ends.find(|&end| text.ends_with(&stop[..end])).unwrap_or(0)
        };
        self.stops.iter().map(begun).max().unwrap_or(0)
    }
}

/// The tokens that end generation: the model's own, and those that the caller adds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StopTokens(BTreeSet<u32>);

impl StopTokens {
    /// Whether generation ends with this token.
    pub fn contains(&self, id: u32) -> bool {
        self.0.contains(&id)
    }
}

impl FromIterator<u32> for StopTokens {
    fn from_iter<I: IntoIterator<Item = u32>>(ids: I) -> Self {
        Self(ids.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(stops: &[String], pieces: &[&str]) -> Streamed {
        let mut matcher = StopStrings::new(stops.to_vec()).unwrap();
        let mut text = String::new();
        let mut stopped = false;
        for piece in pieces {
            let streamed = matcher.push(piece);
            text += &streamed.text;
            stopped = streamed.stopped;
        }
        text += &matcher.flush();
        Streamed { text, stopped }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in "[ab€]{0,30}",
            stops in prop::collection::vec("[ab€]{1,4}", 0..4),
            cuts in prop::collection::vec(1usize..5, 0..30),
        ) {
            let whole = run(&stops, &[&text]);
            let chars: Vec<char> = text.chars().collect();
            let mut pieces = Vec::new();
            let mut rest = &chars[..];
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                pieces.push(head.iter().collect::<String>());
                rest = tail;
            }
            pieces.push(rest.iter().collect());
            let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(&run(&stops, &pieces), &whole);
            prop_assert_eq!(whole.stopped, stops.iter().any(|stop| text.contains(stop)));
            prop_assert!(text.starts_with(&whole.text));
            prop_assert!(stops.iter().all(|stop| !whole.text.contains(stop)));
        }
    }

    #[test]
    fn a_false_start_is_given_out_in_order() {
        let mut stops = StopStrings::new(vec!["</s>".into()]).unwrap();
        assert_eq!(stops.push("a </").text, "a ");
        assert_eq!(stops.push("<").text, "</");
        assert_eq!(stops.push("/s").text, "");
        assert_eq!(stops.flush(), "</s");
    }

    #[test]
    fn nothing_follows_a_stop() {
        let mut stops = StopStrings::new(vec!["end".into()]).unwrap();
        assert_eq!(stops.push("the end of"), Streamed { text: "the ".into(), stopped: true });
        assert_eq!(stops.push(" it"), Streamed { text: String::new(), stopped: true });
        assert_eq!(stops.flush(), "");
    }

    #[test]
    fn an_empty_stop_string_is_refused() {
        let error = StopStrings::new(vec!["a".into(), String::new()]).unwrap_err();
        assert_eq!(error, StopError::Empty { number: 2 });
    }
}
