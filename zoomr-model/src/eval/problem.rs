//! A problem as a model gets it, and where in a model's text the answer is.

use crate::{
    data::{example::Example, render::given_and_written},
    grade,
    reasoning_format::Markers,
    text::{
        chat::{ChatError, ChatTemplate, Message},
        tokenizer::{Tokenizer, TokenizerError},
    },
};

/// The kind of problems that do not say theirs.
const UNNAMED: &str = "other";

/// A question, in tokens, and what is known of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What sort of problem it is.
    pub kind: String,
    /// What the model is given.
    pub prompt: Vec<u32>,
    /// The right answer.
    pub answer: String,
    /// Tokens of the example's own way to the answer, markers and end included.
    pub solution: usize,
}

/// Why an example cannot be posed to a model.
#[derive(Debug, thiserror::Error)]
pub enum ProblemError {
    /// It has words that the model does not know.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// It cannot be put as a user's turn.
    #[error(transparent)]
    Chat(#[from] ChatError),
}

impl Problem {
    /// The problem that an example poses. A model that was taught `markers` gets the question as in training, any
    /// other one as the beginning of a text; with a `chat` template it is a user's turn.
    ///
    /// # Errors
    /// Whatever template and tokenizer say.
    pub fn new(
        example: &Example,
        tokenizer: &Tokenizer,
        markers: Option<&Markers>,
        chat: Option<&ChatTemplate>,
    ) -> Result<Self, ProblemError> {
        let solution = match markers {
            Some(markers) => {
                let [_, written] = given_and_written(example, markers);
                tokenizer.encode_verbatim(&written)?.len()
            }
            None => {
                let details = example.thoughts.iter().map(|thought| &thought.detail);
                let lengths = details.chain([&example.answer]).map(|text| tokenizer.encode_verbatim(text));
                lengths.map(|ids| Ok(ids?.len())).sum::<Result<usize, TokenizerError>>()?
            }
        };
        let question = &example.question;
        let prompt = match (chat, markers) {
            (Some(chat), _) => {
                tokenizer.encode_verbatim(&chat.render(&[Message::user(question.clone())], true)?)?
            }
            (None, Some(_)) => tokenizer.encode_verbatim(question)?,
            (None, None) => tokenizer.encode(question)?,
        };
        let kind = example.kind.clone().unwrap_or_else(|| UNNAMED.to_owned());
        Ok(Self { kind, prompt, answer: example.answer.clone(), solution })
    }

    /// The most tokens that a model may take: `times` as many as the example did.
    pub(super) fn most_tokens(&self, times: f64) -> usize {
        (self.solution as f64 * times).ceil() as usize
    }
}

/// The answer in `text`: what stands between the last marker of answers and the end; for a model that was taught
/// none, what [`grade::find`] finds.
pub fn answer<'t>(text: &'t str, markers: Option<&Markers>) -> Option<&'t str> {
    match markers.filter(|markers| !markers.answer.trim().is_empty()) {
        Some(markers) => {
            let (_, after) = text.rsplit_once(markers.answer.trim())?;
            let end = markers.end.trim();
            let answer = if end.is_empty() { after } else { after.split(end).next().unwrap_or(after) };
            Some(answer.trim())
        }
        None => grade::find(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::synth::vocabulary;

    #[test]
    fn answers_follow_their_marker() {
        let markers = vocabulary::markers();
        for (text, found) in [
            (" <thought> t1 4 ; </thought> answer 4 1 7 <eos>", Some("4 1 7")),
            ("answer 3 answer 5", Some("5")),
            // A number that happens to be there last is no answer.
            (" <thought> t1 4 ; t2 5", None),
            ("answer", Some("")),
        ] {
            assert_eq!(answer(text, Some(&markers)), found, "{text}");
        }
        assert_eq!(answer("so it is 12.", None), Some("12"));
    }
}
