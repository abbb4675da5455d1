//! Reasoning that others wrote, split into thoughts, with a summary for each.
//!
//! [`Plan::run`] turns a file of [`Trace`](super::example::Trace)s into one of [`Example`](super::example::Example)s.
//!
//! | file | what is in it |
//! |---|---|
//! | `measure` | how long a text is, in tokens or in words |
//! | `cut` | where a text may be cut |
//! | `split` | a trace into thoughts |
//! | `extract` | summaries without a teacher |
//! | `prompt` | what a teacher is asked, and what is made of its answer |
//! | `endpoint` | one request, and what its answer means |
//! | `retry` | how long to wait before the next |
//! | `teacher` | a summary from an endpoint, whatever it takes |
//! | `journal` | what was paid for already |
//! | `statistics` | checks, lengths and ratio of what is written |
//! | `run` | all of it together |
//!
//! Threads wait for the network; there is no async runtime. Nothing is drawn here: whoever wants a progress bar
//! observes the run.

mod cut;
mod endpoint;
mod error;
mod extract;
mod journal;
mod measure;
mod prompt;
mod retry;
mod run;
mod split;
mod statistics;
mod summary;
mod teacher;

pub use self::{
    error::{AnnotateError, TeacherError},
    extract::Extractor,
    measure::Measure,
    prompt::{DEFAULT_PROMPT, Prompt},
    run::{Observer, Outcome, Plan, Progress, SummaryWriter},
    split::Splitter,
    statistics::{Lengths, Statistics},
    summary::{Limit, Summary},
    teacher::{Tally, Teacher, TeacherOptions},
};
