//! The problem that the built-in model is to solve, where zoomr was built without the Cargo feature `train`: it is
//! given as text, and nobody poses or checks it.

use anyhow::{Context, Result};
use clap::Args;

use super::text::Given;

/// No flags.
#[derive(Debug, Args)]
pub(crate) struct PoseArgs {}

/// A question whose answer is known: there is none.
#[derive(Clone, Debug)]
pub(crate) enum Problem {}

impl PoseArgs {
    /// The text given.
    ///
    /// # Errors
    /// Where there is none.
    pub(crate) fn problem(&self, given: Option<Given>, _: u64) -> Result<(Given, Option<Problem>)> {
        let given = given.context(
            "nothing to solve: give TEXT or --file; posing a problem takes a zoomr with the Cargo feature `train` (on by \
             default)",
        )?;
        Ok((given, None))
    }
}

impl Problem {
    /// The question.
    pub(crate) fn question(&self) -> &str {
        match *self {}
    }

    /// Its answer.
    pub(crate) fn answer(&self) -> &str {
        match *self {}
    }

    /// Whether `text`, what a model wrote, gives the right answer.
    pub(crate) fn is_solved_by(&self, _: &str) -> bool {
        match *self {}
    }
}
