//! The command line: what a person types, checked and turned into values that the other crates take.
//!
//! | file | flags |
//! |---|---|
//! | `model` | which model, on which backend |
//! | `piped` | a text on standard input that nobody asked for |
//! | `foreign` | other programs' flags, and what they are called here |
//! | `text` | the prompt or text, as words or as token ids |
//! | `method` | policy, segmenter, trigger: the method's settings |
//! | `problems` | what an evaluation asks |
//! | `sampling` | how the next token is chosen, and when to stop |
//! | `training` | how a model is trained |
//! | `pose` | what the built-in model is to solve; `unposed` without the Cargo feature `train` |
//! | `parse` | numbers with suffixes, ranges, names |

pub(crate) mod foreign;
pub(crate) mod method;
pub(crate) mod model;
#[cfg(test)]
mod page;
pub(crate) mod parse;
pub(crate) mod piped;
#[cfg_attr(not(feature = "train"), path = "unposed.rs")]
pub(crate) mod pose;
#[cfg(feature = "train")]
pub(crate) mod problems;
pub(crate) mod sampling;
pub(crate) mod text;
#[cfg(feature = "train")]
pub(crate) mod training;

use clap::{Parser, Subcommand};

use crate::commands::{
    completions::CompletionsArgs, generate::GenerateArgs, inspect::InspectArgs, man::ManArgs, plan::PlanArgs,
    quantize::QuantizeArgs, score::ScoreArgs, verify::VerifyArgs,
};
#[cfg(feature = "train")]
use crate::commands::{data::DataArgs, eval::EvalArgs, needle::NeedleArgs, train::TrainArgs};

/// Long reasoning in a fraction of the key-value memory: generates text with ZoomR and accounts for every byte.
#[derive(Debug, Parser)]
#[command(name = "zoomr", version, propagate_version = true, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
// A negative number is a value, which other programs give a meaning (`-n -1`), and not a flag that nobody knows.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Continue a prompt.
    #[command(allow_negative_numbers = true)]
    Generate(Box<GenerateArgs>),
    /// Say how likely a text is under a policy: the cost of compression, in nats.
    #[command(allow_negative_numbers = true)]
    Score(Box<ScoreArgs>),
    /// Say what a model is, and what zoomr cannot do with it.
    Inspect(InspectArgs),
    /// Predict the KV memory of a run, from the model's configuration alone.
    ///
    /// What only the run can tell is assumed: that all thoughts have the length --thought, all summaries the length
    /// --summary, and that zoomed thoughts lie outside of the window and have been on the host before.
    #[command(allow_negative_numbers = true)]
    Plan(Box<PlanArgs>),
    /// Check on this machine that zooming into everything is full attention, and that the bytes add up.
    #[command(allow_negative_numbers = true)]
    Verify(VerifyArgs),
    /// Write a model as a GGUF file, with fewer bits for a weight or as many: zoomr and llama.cpp load it.
    Quantize(QuantizeArgs),
    /// Train a model, from scratch or further.
    #[cfg(feature = "train")]
    #[command(allow_negative_numbers = true)]
    Train(Box<TrainArgs>),
    /// Solve problems under several settings, and compare accuracy and memory.
    #[cfg(feature = "train")]
    #[command(allow_negative_numbers = true)]
    Eval(Box<EvalArgs>),
    /// Hide facts in a long text, and say how well the model finds them under several settings.
    #[cfg(feature = "train")]
    Needle(Box<NeedleArgs>),
    /// Make data to train and to evaluate on.
    #[cfg(feature = "train")]
    Data(DataArgs),
    /// Print what a shell needs to complete commands and flags.
    Completions(CompletionsArgs),
    /// Write manual pages.
    Man(ManArgs),
}
