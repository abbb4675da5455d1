//! Evaluation: a set of problems solved under several settings on one model, and what came of it.
//!
//! | file | what is in it |
//! |---|---|
//! | `problem` | a problem as a model gets it, and where in a text its answer is |
//! | `prompt` | what goes around a question, for models that nobody taught |
//! | `shots` | worked examples that go before it |
//! | `bench` | one run: one problem, one setting, one text |
//! | `mass` | the attention that a policy missed, found by going over a finished text once more |
//! | `lse` | how `mass` gets at the sums of attention |
//! | `replay` | settings applied to a recorded run, without the model |
//! | [`needle`] | a fact in a long text, looked for under several settings |
//! | `outcome` | what came of a run |
//! | `record` | outcomes in a directory, from where a run that was killed goes on |
//! | `plan` | all runs, side by side |
//! | `summary` | a table's rows: means, rates and intervals |
//! | `vote` | the answer that most texts give |
//! | `wilson` | how sure an accuracy is |
//! | `plot` | accuracy or missed attention against memory, as a picture |
//!
//! Each text has a sequence of random numbers of its own, by the seed, the problem's number and the text's, so that a
//! setting's outcomes depend on nothing but these, the model and the problem, however many runs go on side by side.

mod bench;
mod error;
mod lse;
mod mass;
pub mod needle;
mod outcome;
mod plan;
mod plot;
mod problem;
mod prompt;
mod record;
mod replay;
mod shots;
mod summary;
mod vote;
mod wilson;

pub use self::{
    bench::Bench,
    error::EvalError,
    outcome::Outcome,
    plan::{Ended, Observer, Plan, Progress},
    plot::{plot, plot_missed},
    problem::{Around, Length, Pose, Problem, ProblemError, answer},
    prompt::{Prompt, REQUEST},
    record::{Description, Record},
    replay::{Replay, Replayed},
    shots::{Shots, ShotsError},
    summary::{Row, rows},
    vote::majority,
    wilson::{clustered, interval},
};
