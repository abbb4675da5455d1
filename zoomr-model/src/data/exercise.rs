//! Problems whose answers are known, in the forms in which people have them: one JSON object per line, recognised by its
//! fields.
//!
//! | fields | who writes so | the answer | the way to it |
//! |---|---|---|---|
//! | `question`, `thoughts`, `answer` | zoomr: an [`Example`] | `answer` | `thoughts` |
//! | `question`, `answer` | GSM8K | in `answer`, after the last `####` | in `answer`, before it |
//! | `problem`, `answer`, maybe `solution` | MATH-500, AIME | `answer`, text or number | `solution` |
//! | `problem`, `solution` | MATH, some AIME | the last `\boxed{}` of `solution` | `solution` |
//!
//! Of others' forms, `question` and `problem` say the same, and so do `solution` and `trace`; names may be in capitals
//! (`Problem`, `Answer`). What sort of problem it is, `kind`, `subject` or `type` say. Other fields are ignored.
//!
//! Forms: Cobbe et al., "Training verifiers to solve math word problems", arXiv 2110.14168 (GSM8K); Hendrycks et al.,
//! "Measuring mathematical problem solving with the MATH dataset", arXiv 2103.03874.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    DataError,
    example::{Example, Thought},
    lines,
};
use crate::grade;

/// What GSM8K writes before an answer.
const HASHES: &str = "####";
/// What an answer that is to be compared has at most; more is a solution.
const MOST_WORDS: usize = 50;
/// From here on, not every whole number can be told from the next one once it is read as a fraction: 2^53.
const EXACT: f64 = 9_007_199_254_740_992.0;
/// An error names so many fields at most, and so many characters of each.
const NAMED: (usize, usize) = (12, 40);

/// A problem, the way to its answer as far as it is known, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
pub struct Exercise {
    /// The problem. A solution in one piece is one thought without a summary; where none is known, there are no
    /// thoughts.
    pub example: Example,
    /// Who it was written for.
    pub form: Form,
}

/// Who an exercise was written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Models of zoomr's: the question says all that there is to say.
    Zoomr,
    /// Anybody: how the answer is to be given goes without saying.
    Published,
}

/// Why a line is no exercise.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// It has other fields.
    #[error(
        "this is no problem of a known form: it has {fields}; known are question, thoughts and answer (zoomr data), question \
         and answer with #### before the result (GSM8K), problem and answer (MATH-500, AIME), problem and solution \
         with the result in \\boxed{{}} (MATH)"
    )]
    Unknown {
        /// Those that it has.
        fields: String,
    },
    /// The fields are zoomr's own, what is in them is not.
    #[error("{0}")]
    Example(String),
    /// The answer is neither text nor a number that can be read exactly.
    #[error("{field} is {what}; write the answer as text")]
    Answer {
        /// The field.
        field: String,
        /// What it is instead.
        what: &'static str,
    },
    /// The answer is empty.
    #[error("the answer is empty; without one there is nothing to compare with")]
    Empty,
    /// What is given as the answer is a text.
    #[error(
        "the answer has {words} words, and none can be compared with so many; give the result alone, or after ####"
    )]
    Long {
        /// How many words it has.
        words: usize,
    },
}

/// Reads the exercises of a file. Those of others' forms that do not say what sort they are go by the file's name.
///
/// # Errors
/// [`DataError::Read`] where it cannot be opened; [`DataError::Line`] in place of each line that is none.
pub fn read(path: &Path) -> Result<impl Iterator<Item = Result<Exercise, DataError>> + use<>, DataError> {
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let named = move |mut exercise: Exercise| {
        if exercise.form == Form::Published && exercise.example.kind.is_none() {
            exercise.example.kind.clone_from(&name);
        }
        exercise
    };
    Ok(lines::read(path)?.map(move |read| read.map(&named)))
}

impl Exercise {
    /// Whether two exercises ask the same, in the same words.
    pub fn asks_the_same_as(&self, other: &Self) -> bool {
        let [ours, theirs] = [self, other].map(|exercise| exercise.example.question.split_whitespace());
        ours.eq(theirs)
    }
}

impl From<Example> for Exercise {
    fn from(example: Example) -> Self {
        Self { example, form: Form::Zoomr }
    }
}

impl TryFrom<Map<String, Value>> for Exercise {
    type Error = FormError;

    fn try_from(fields: Map<String, Value>) -> Result<Self, FormError> {
        if fields.contains_key("thoughts") {
            let example: Result<Example, _> = serde_json::from_value(Value::Object(fields));
            return example.map(Self::from).map_err(|error| FormError::Example(error.to_string()));
        }
        Ok(Self { example: published(&Fields(fields))?, form: Form::Published })
    }
}

/// An exercise of others' forms.
fn published(fields: &Fields) -> Result<Example, FormError> {
    let question = fields.text(&["question", "problem"]).ok_or_else(|| fields.unknown())?;
    let solution = fields.text(&["solution", "trace"]);
    let (way, answer) = match (fields.answer()?, solution) {
        (Some(given), solution) => match given.rsplit_once(HASHES) {
            Some((way, answer)) => (Some(without_calculations(way)), answer.to_owned()),
            None => (solution.map(str::to_owned), given),
        },
        (None, Some(solution)) => {
            let answer = grade::boxed(solution).ok_or_else(|| fields.unknown())?;
            (Some(solution.to_owned()), answer.to_owned())
        }
        (None, None) => return Err(fields.unknown()),
    };
    let thought = way
        .filter(|way| !way.trim().is_empty())
        .map(|way| Thought { detail: way.trim().to_owned(), summary: String::new() });
    Ok(Example {
        kind: fields.text(&["kind", "subject", "type"]).map(str::to_owned),
        question: question.to_owned(),
        thoughts: thought.into_iter().collect(),
        answer: result(&answer)?.to_owned(),
    })
}

/// The answer, if it is one that others can be compared with.
fn result(answer: &str) -> Result<&str, FormError> {
    match answer.split_whitespace().count() {
        0 => Err(FormError::Empty),
        words if words > MOST_WORDS => Err(FormError::Long { words }),
        _ => Ok(answer.trim()),
    }
}

/// A text of GSM8K's without what a calculator was given to do: `3 * 4 = <<3*4=12>>12`.
fn without_calculations(text: &str) -> String {
    let mut parts = text.split("<<");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(">>") {
            Some((_, after)) => plain.push_str(after),
            None => plain.extend(["<<", part]),
        }
    }
    plain
}

/// The fields of an exercise that others have written.
struct Fields(Map<String, Value>);

impl Fields {
    /// A field and its name: as it is spelled here, or else with capitals.
    fn field(&self, name: &str) -> Option<(&str, &Value)> {
        let exact = self.0.get_key_value(name);
        let found = exact.or_else(|| self.0.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)));
        found.map(|(name, value)| (name.as_str(), value)).filter(|(_, value)| !value.is_null())
    }

    /// The first of some fields that is there and has text.
    fn text(&self, names: &[&str]) -> Option<&str> {
        let texts = names.iter().filter_map(|name| self.field(name)?.1.as_str());
        texts.map(str::trim).find(|text| !text.is_empty())
    }

    /// What stands in the field for answers, if there is one.
    fn answer(&self) -> Result<Option<String>, FormError> {
        let Some((field, value)) = self.field("answer") else { return Ok(None) };
        let refused = |what| Err(FormError::Answer { field: field.to_owned(), what });
        match value {
            Value::String(text) => Ok(Some(text.clone())),
            Value::Number(number) if number.is_f64() && number.as_f64().is_none_or(|n| n.abs() >= EXACT) => {
                refused("a number with more digits than can be kept")
            }
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Array(_) => refused("a list"),
            _ => refused("neither text nor a number"),
        }
    }

    fn unknown(&self) -> FormError {
        let (most, longest) = NAMED;
        let name = |name: &String| name.chars().take(longest).collect::<String>();
        let mut names: Vec<String> = self.0.keys().take(most).map(name).collect();
        if self.0.len() > most {
            names.push(format!("{} more", self.0.len() - most));
        }
        let fields = if names.is_empty() { "no fields".to_owned() } else { names.join(", ") };
        FormError::Unknown { fields }
    }
}
