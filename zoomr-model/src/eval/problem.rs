//! A problem as a model gets it, and where in a model's text the answer is.

use super::{Prompt, ShotsError, prompt::NEXT_BLOCK};
use crate::{
    data::{
        example::Example,
        exercise::{Exercise, Form},
        render::given_and_written,
    },
    grade,
    reasoning_format::Markers,
    text::{
        chat::{ChatError, ChatTemplate, Message},
        stop::StopStrings,
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
    /// What the model would write after its answer, were it not stopped there: the beginning of another question.
    pub stop: Option<&'static str>,
    /// The right answer.
    pub answer: String,
    /// The most tokens that the model may write.
    pub max_tokens: usize,
}

impl Problem {
    /// What ends the model's text besides its own end.
    pub(super) fn stops(&self) -> StopStrings {
        // An empty string, which would be refused, stops nothing.
        StopStrings::new(self.stop.map(str::to_owned).into_iter().collect()).unwrap_or_default()
    }

    /// What the model wrote about this problem.
    pub(super) fn own(&self, text: &str) -> String {
        let mut stops = self.stops();
        stops.push(text).text + &stops.flush()
    }
}

/// How exercises become problems of a model.
#[derive(Clone, Copy, Debug)]
pub struct Pose<'a> {
    /// The model's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// Its chat template, where a question is to be a user's turn.
    pub chat: Option<&'a ChatTemplate>,
    /// What goes around a question.
    pub around: Around<'a>,
    /// How long the model may write.
    pub length: Length,
}

/// What goes around a question.
#[derive(Clone, Copy, Debug)]
pub enum Around<'a> {
    /// Nothing, as in the training of a model that was taught these markers.
    Markers(&'a Markers),
    /// What other models need.
    Prompt(Prompt<'a>),
}

/// The most that a model may write.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Length {
    /// So many times what the exercise's own way to the answer takes.
    Times(f64),
    /// So many tokens.
    Tokens(usize),
    /// [`TIMES`](Self::TIMES) for zoomr's own exercises; [`TOKENS`](Self::TOKENS) for those that others have published,
    /// whose solutions are shorter than what models that reason write.
    Usual,
}

/// Why an exercise cannot be posed to a model.
#[derive(Debug, thiserror::Error)]
pub enum ProblemError {
    /// It has words that the model does not know.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// It cannot be put as a user's turn.
    #[error(transparent)]
    Chat(#[from] ChatError),
    /// There are too few worked examples.
    #[error(transparent)]
    Shots(#[from] ShotsError),
    /// Nothing says how long its solution is.
    #[error("it has no solution whose length could be multiplied; say in tokens how long an answer may be")]
    Unsolved,
}

impl Length {
    /// How many times an exercise's own solution, where nothing is said.
    pub const TIMES: f64 = 1.5;
    /// How many tokens, where nothing is said.
    pub const TOKENS: usize = 2048;

    /// The most tokens for an exercise, whose own solution takes what `solution` says.
    fn most_tokens(
        self,
        exercise: &Exercise,
        solution: impl FnOnce() -> Result<usize, TokenizerError>,
    ) -> Result<usize, ProblemError> {
        let times = match (self, exercise.form) {
            (Self::Tokens(tokens), _) => return Ok(tokens),
            (Self::Usual, Form::Published) => return Ok(Self::TOKENS),
            (Self::Usual, Form::Zoomr) => Self::TIMES,
            (Self::Times(_), Form::Published) if exercise.example.thoughts.is_empty() => {
                return Err(ProblemError::Unsolved);
            }
            (Self::Times(times), _) => times,
        };
        Ok((solution()? as f64 * times).ceil() as usize)
    }
}

impl Pose<'_> {
    /// The problem that an exercise is to the model.
    ///
    /// # Errors
    /// [`ProblemError`].
    pub fn problem(&self, exercise: &Exercise) -> Result<Problem, ProblemError> {
        let example = &exercise.example;
        let (prompt, stop) = self.prompt(exercise)?;
        Ok(Problem {
            kind: kind(example),
            prompt,
            stop,
            answer: example.answer.clone(),
            max_tokens: self.length.most_tokens(exercise, || self.solution(example))?,
        })
    }

    fn prompt(&self, exercise: &Exercise) -> Result<(Vec<u32>, Option<&'static str>), ProblemError> {
        let verbatim = |text: &str| Ok((self.tokenizer.encode_verbatim(text)?, None));
        let question = &exercise.example.question;
        match (self.chat, self.around) {
            (Some(chat), Around::Markers(_)) => {
                verbatim(&chat.render(&[Message::user(question.clone())], true)?)
            }
            (Some(chat), Around::Prompt(prompt)) => verbatim(&chat.render(&prompt.chat(exercise)?, true)?),
            (None, Around::Markers(_)) => verbatim(question),
            (None, Around::Prompt(prompt)) => {
                let (text, blocks) = prompt.plain(exercise)?;
                Ok((self.tokenizer.encode(&text)?, blocks.then_some(NEXT_BLOCK)))
            }
        }
    }

    /// Tokens of the example's own way to the answer, markers and end included.
    fn solution(&self, example: &Example) -> Result<usize, TokenizerError> {
        match self.around {
            Around::Markers(markers) => {
                let [_, written] = given_and_written(example, markers);
                Ok(self.tokenizer.encode_verbatim(&written)?.len())
            }
            Around::Prompt(_) => {
                let details = example.thoughts.iter().map(|thought| &thought.detail);
                let lengths =
                    details.chain([&example.answer]).map(|text| self.tokenizer.encode_verbatim(text));
                lengths.map(|ids| Ok(ids?.len())).sum()
            }
        }
    }
}

/// An example's kind, as it can stand in a table.
fn kind(example: &Example) -> String {
    let words: Vec<&str> = example.kind.iter().flat_map(|kind| kind.split_whitespace()).collect();
    if words.is_empty() { UNNAMED.to_owned() } else { words.join(" ") }
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
