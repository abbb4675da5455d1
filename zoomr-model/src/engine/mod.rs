//! Generation and scoring: a model, a session of zoomr and texts put together, one step at a time.
//!
//! A [`Batch`] advances any number of requests by one step of the model at a time. Each request is a state machine:
//! it says which tokens it wants in next, and takes what the step made of them. An [`Engine`] is a batch of one, and
//! runs it to its end.
//!
//! | file | what is in it |
//! |---|---|
//! | `batch` | the requests over one session: added, forked, begun, removed |
//! | `step` | one step of the model for all of them |
//! | `share` | whose rows go into a step: the budget |
//! | `request` | what there is of one request, and what it does with a step |
//! | `turn` | its states, and how one follows on another |
//! | `task` | what it can be asked for |
//! | `took` | what a step did for it |
//! | `overflow` | logits that say nothing, and where their numbers were lost |
//! | `summary` | the summaries that a trigger makes it open and close |
//! | `generate` | a text that is sampled |
//! | `score` | a text that is given |
//! | `one` | a batch of one |
//! | `event` | what a caller is told while requests run, and how it stops them |
//! | `timing` | time per output token |
//!
//! Nothing here prints, or reads a terminal: text goes to the caller's observer.

mod batch;
mod error;
mod event;
mod generate;
mod one;
mod overflow;
mod request;
mod score;
mod share;
mod step;
mod summary;
mod task;
mod timing;
mod took;
mod turn;

pub use self::{
    batch::{Batch, Thinking},
    error::EngineError,
    event::{BatchObserver, Event, Observer, Stop},
    generate::{Generated, Limits},
    one::{Engine, EngineOptions},
    overflow::Overflow,
    request::Request,
    score::Scored,
    share::StepBudget,
    step::Ended,
    summary::SummaryText,
    task::Task,
    timing::Timing,
};
