//! What a teacher is asked, and what is made of its answer.

use super::{AnnotateError, summary::one_line};

/// The question to the teacher, unless the user has one of their own.
pub const DEFAULT_PROMPT: &str = "\
A model solves a problem step by step. Below are the problem and one of the steps. Write down what later steps \
must know of it: what was tried, found, decided or given up, with its numbers, names and equations as they stand \
there. At most {words} words, in one paragraph, in the language of the step. No introduction, no comment, and \
nothing that the step does not say.

Problem:
{question}

Step:
{thought}";

/// What is filled in.
const PLACES: [(&str, Place); 3] =
    [("{question}", Place::Question), ("{thought}", Place::Thought), ("{words}", Place::Words)];

/// A text with places to fill in: `{question}`, `{thought}`, and `{words}` for the length allowed, in words. Other
/// braces stand for themselves.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// Text, and what follows it.
    parts: Vec<(String, Option<Place>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Question,
    Thought,
    Words,
}

impl Prompt {
    /// Reads a template.
    ///
    /// # Errors
    /// [`AnnotateError::Prompt`] where it has no place for the thought.
    pub fn parse(template: &str) -> Result<Self, AnnotateError> {
        let mut parts = Vec::new();
        let mut rest = template;
        let next = |rest: &str| {
            let found =
                PLACES.iter().filter_map(|(name, place)| Some((rest.find(name)?, name.len(), *place)));
            found.min_by_key(|(at, ..)| *at)
        };
        while let Some((at, length, place)) = next(rest) {
            parts.push((rest[..at].to_owned(), Some(place)));
            rest = &rest[at + length..];
        }
        parts.push((rest.to_owned(), None));
        match parts.iter().any(|(_, place)| *place == Some(Place::Thought)) {
            true => Ok(Self { parts }),
            false => Err(AnnotateError::Prompt),
        }
    }

    /// The text with everything filled in, as it stands: what a thought says is no template.
    pub(super) fn render(&self, question: &str, thought: &str, words: usize) -> String {
        let mut text = String::new();
        for (before, place) in &self.parts {
            text += before;
            match place {
                Some(Place::Question) => text += question,
                Some(Place::Thought) => text += thought,
                Some(Place::Words) => text += &words.to_string(),
                None => {}
            }
        }
        text
    }
}

/// What a teacher is told whose summary is too long.
pub(super) fn shorter(words: usize) -> String {
    format!("That is too long. Say the most important part of it in at most {words} words, in one paragraph.")
}

/// The summary in an answer: one line, without what some teachers put before it: their own reasoning between
/// `<think>` and `</think>`, and the word `Summary:`. May be empty.
pub(super) fn tidy(answer: &str) -> String {
    let said = answer.rsplit_once("</think>").map_or(answer, |(_, said)| said);
    // An opening without an end: the teacher did not come to the summary.
    let said = if said.trim_start().starts_with("<think>") { "" } else { said };
    let line = one_line(said);
    let labels = ["Summary:", "**Summary:**", "**Summary**:"];
    let label =
        labels.iter().find(|label| line.get(..label.len()).is_some_and(|s| s.eq_ignore_ascii_case(label)));
    label.map_or(&*line, |label| &line[label.len()..]).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_once() {
        let prompt = Prompt::parse("{a} {thought}: {words} of {thought} to {question}{}").unwrap();
        assert_eq!(
            prompt.render("Q {words}", "T {question}", 7),
            "{a} T {question}: 7 of T {question} to Q {words}{}"
        );
        assert!(Prompt::parse("{question}").is_err());
        let default = Prompt::parse(DEFAULT_PROMPT).unwrap().render("Why?", "Because.", 40);
        assert!(default.contains("at most 40 words") || default.contains("At most 40 words"), "{default}");
        assert!(default.ends_with("Problem:\nWhy?\n\nStep:\nBecause."), "{default}");
    }

    #[test]
    fn answers_are_tidied() {
        assert_eq!(tidy("  x is\n\n5. "), "x is 5.");
        assert_eq!(tidy("<think>Hm. Summary?</think>\nSummary: x is 5."), "x is 5.");
        assert_eq!(tidy("**summary:** x"), "x");
        assert_eq!(tidy("<think>I never came to"), "");
        assert_eq!(tidy("Summe: é"), "Summe: é");
        assert_eq!(tidy("\n"), "");
    }
}
