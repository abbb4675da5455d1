//! What can go wrong with annotating.

use std::path::PathBuf;

use crate::{data::DataError, text::tokenizer::TokenizerError};

/// An error of turning traces into thoughts with summaries.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotateError {
    /// A file of traces or of examples cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A text cannot be measured.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// The teacher writes no summaries.
    #[error(transparent)]
    Teacher(#[from] TeacherError),
    /// There is no summary of a thought.
    #[error("{source} (this was about thought {thought} of the trace at line {line})")]
    Thought {
        /// Which line, counted from 1.
        line: usize,
        /// Which thought, counted from 1.
        thought: usize,
        /// Why.
        source: Box<AnnotateError>,
    },
    /// A trace cannot be measured.
    #[error("{path}, line {line}: {source}")]
    Trace {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
        /// What the tokenizer says.
        source: TokenizerError,
    },
    /// A trace has no text.
    #[error("{path}, line {line}: the trace is empty; remove the line, or give it some reasoning")]
    EmptyTrace {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
    },
    /// A file without any trace.
    #[error("{path} has no traces; one JSON object per line is expected, with question, trace and answer")]
    NoTraces {
        /// The file.
        path: PathBuf,
    },
    /// No thought could have this length.
    #[error(
        "{min} to {max} is no length of thoughts; give the smaller number first, and at least 1 as the greater"
    )]
    Range {
        /// The shortest wanted.
        min: usize,
        /// The longest wanted.
        max: usize,
    },
    /// Summaries without text.
    #[error("summaries of length 0 say nothing; allow at least 1")]
    NoRoom,
    /// A teacher, and no place to keep what it was paid for.
    #[error("what an endpoint was paid for is kept beside the output until that is complete; give a file")]
    NoJournal,
    /// A template without the thought.
    #[error("the prompt has no {{thought}} in it; put it where the text to be summarised belongs")]
    Prompt,
    /// A journal with a line that no run has written.
    #[error(
        "{path}, line {line} is no entry of a journal, and nothing was changed: give another output, or remove the line if \
         it was a journal"
    )]
    Journal {
        /// The file.
        path: PathBuf,
        /// Which line, counted from 1.
        line: usize,
    },
    /// Two runs at a time.
    #[error("{path} is in use: another run writes the same output; wait for it, or give another path")]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// A thought and its summary do not belong together; a defect of ours.
    #[error("thought {thought} of the trace at line {line} has {what}; please report this")]
    Unbalanced {
        /// Which line, counted from 1.
        line: usize,
        /// Which thought, counted from 1.
        thought: usize,
        /// What is wrong.
        what: &'static str,
    },
}

/// An error of asking a teacher.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeacherError {
    /// An address that leads nowhere.
    #[error("`{url}` is no endpoint: {reason}; give one as in http://localhost:8000")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A key that no header can carry.
    #[error("the key has white space or other characters in it that no key has; set it again")]
    Key,
    /// A field of the request that is not the user's to set.
    #[error("`{field}` cannot be among the fields added to a request: zoomr sets it itself")]
    Field {
        /// The field.
        field: &'static str,
    },
    /// The key is wrong, or there is none.
    #[error(
        "{url} refused the request (status {status}): {says}; {}",
        if *with_key { "check the key, and what it may be used for" } else { "a key is needed, and none is set" }
    )]
    Denied {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server says.
        says: String,
        /// Whether a key was sent.
        with_key: bool,
    },
    /// No such address, or no such model.
    #[error("{url} was not found (status 404): {says}; check the endpoint and the model's name")]
    NotFound {
        /// The address.
        url: String,
        /// What the server says.
        says: String,
    },
    /// The server is elsewhere.
    #[error("{url} points elsewhere (status {status}): give {to} as the endpoint, if you trust it")]
    Moved {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// Where it points to.
        to: String,
    },
    /// The server does not take the request.
    #[error("{url} refused the request (status {status}): {says}")]
    Refused {
        /// The address.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the server says.
        says: String,
    },
    /// What arrived is no chat completion.
    #[error("{url} did not answer with a chat completion: {what}; is it an OpenAI-compatible endpoint?")]
    Garbled {
        /// The address.
        url: String,
        /// What arrived.
        what: String,
    },
    /// Nobody is there.
    #[error("cannot reach {url}: {what}; check the endpoint and the network")]
    Unreachable {
        /// The address.
        url: String,
        /// What the transport says.
        what: String,
    },
    /// The request cannot be sent.
    #[error("cannot send a request to {url}: {says}")]
    Transport {
        /// The address.
        url: String,
        /// What the transport says.
        says: String,
    },
    /// The server was tried often enough.
    #[error("{url} failed {tries} times, the last time with: {what}; run again later to go on")]
    Exhausted {
        /// The address.
        url: String,
        /// How often it was tried.
        tries: u64,
        /// What went wrong last.
        what: String,
    },
    /// The server wants to be left alone for longer than anybody waits.
    #[error("{url} asks to be left alone for {seconds} s ({what}); run again then to go on")]
    TooLong {
        /// The address.
        url: String,
        /// For how long.
        seconds: u64,
        /// What it says.
        what: String,
    },
}
