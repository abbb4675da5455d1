//! The reasoning format: what a model was taught about thinking, as `zoomr.json` of its directory says it.
//!
//! A model that training has made writes its thoughts and summaries between markers, and is used to
//! what the mask of its training showed it. Its directory remembers both, so that whoever runs it need not.

use std::path::Path;

use serde::{Deserialize, Serialize};
use zoomr_core::{
    config::Options,
    segment::{self, Marker, MarkerPair},
};

use crate::{
    atomic_file::{AtomicFileError, Existing, write_json},
    text::{FileError, read_optional, tokenizer::Tokenizer},
};

/// The file's name.
const FILE: &str = "zoomr.json";

/// A trained model's markers and method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ReasoningFormat {
    /// What it writes around thoughts, summaries and answers.
    pub markers: Markers,
    /// What it was shown in training, and does best with.
    #[serde(default)]
    pub method: Options,
}

/// The strings around the parts of an example, white space included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Markers {
    /// Before and after a thought's detail.
    pub thought: [String; 2],
    /// Before and after a summary.
    pub summary: [String; 2],
    /// Before the answer.
    pub answer: String,
    /// After the answer: the end of the text.
    pub end: String,
}

impl Markers {
    /// Markers on lines of their own, for models of running text; the text ends with `end`.
    pub fn on_lines(end: &str) -> Self {
        let around = |name: &str| [format!("<{name}>\n"), format!("\n</{name}>\n")];
        Self {
            thought: around("thought"),
            summary: around("summary"),
            answer: "\n".to_owned(),
            end: end.to_owned(),
        }
    }

    /// The markers of thoughts and summaries without white space: each is to be a token of its own.
    pub fn tokens(&self) -> [&str; 4] {
        let [[a, b], [c, d]] = [&self.thought, &self.summary];
        [a, b, c, d].map(|marker| marker.trim())
    }
}

/// Why a model cannot think as it was taught.
#[derive(Debug, thiserror::Error)]
pub enum ReasoningFormatError {
    /// A marker is several tokens, or none.
    #[error("the marker `{marker}` is no token of its own; add it to the tokenizer")]
    Marker {
        /// The marker.
        marker: String,
    },
    /// Markers that cannot be told apart.
    #[error(transparent)]
    Core(#[from] zoomr_core::Error),
}

impl ReasoningFormat {
    /// Reads `zoomr.json` of a model directory; `None` where there is none.
    ///
    /// # Errors
    /// [`FileError`], naming the file, where it is of no use.
    pub fn from_dir(dir: &Path) -> Result<Option<Self>, FileError> {
        read_optional(&dir.join(FILE))
    }

    /// Writes `zoomr.json` into a model directory.
    ///
    /// # Errors
    /// [`AtomicFileError`] where it cannot be written.
    pub fn write(&self, dir: &Path) -> Result<(), AtomicFileError> {
        write_json(&dir.join(FILE), self, Existing::Replace)
    }

    /// The segmenter that goes by the markers of thoughts and summaries, each a token of its own.
    ///
    /// # Errors
    /// [`ReasoningFormatError`] where one is not, or two are the same.
    pub fn segmenter(&self, tokenizer: &Tokenizer) -> Result<segment::Markers, ReasoningFormatError> {
        segmenter(&self.markers, tokenizer)
    }
}

/// The segmenter that goes by `markers` as tokens.
///
/// # Errors
/// As [`ReasoningFormat::segmenter`].
pub(crate) fn segmenter(
    markers: &Markers,
    tokenizer: &Tokenizer,
) -> Result<segment::Markers, ReasoningFormatError> {
    let marker = |marker: &str| {
        let id = tokenizer.id_of(marker).map(Marker::Id);
        id.ok_or_else(|| ReasoningFormatError::Marker { marker: marker.to_owned() })
    };
    let pair =
        |begin, end| Ok::<_, ReasoningFormatError>(MarkerPair { begin: marker(begin)?, end: marker(end)? });
    let [begin_thought, end_thought, begin_summary, end_summary] = markers.tokens();
    Ok(segment::Markers::new(pair(begin_thought, end_thought)?, pair(begin_summary, end_summary)?)?)
}
