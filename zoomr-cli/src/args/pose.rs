//! The problem that the built-in model is to solve.

use anyhow::{Context, Result, bail};
use clap::Args;
use zoomr_model::{
    data::synth::{
        Kind,
        draw::Draw,
        solve::{Solution, solve},
        vocabulary,
    },
    eval, grade,
};

use super::{parse::named, text::Given};

/// Posed problems are drawn from a stream of numbers that neither training nor `zoomr data synth` draws from.
const STREAM: u64 = u64::MAX;

/// What to pose where no problem is given.
#[derive(Debug, Args)]
#[command(next_help_heading = "Problem (built-in model)")]
pub(crate) struct PoseArgs {
    /// The kind of problem to pose [default: lagged-sums].
    #[arg(long, value_name = "KIND", conflicts_with_all = ["text", "file", "tokens", "model"],
        value_parser = named(Kind::ALL, Kind::name))]
    pose: Option<Kind>,

    /// How long it is with its reasoning, in tokens [default: 2000].
    #[arg(long, value_name = "TOKENS", conflicts_with_all = ["text", "file", "tokens", "model"])]
    pose_tokens: Option<usize>,
}

/// A question whose answer is known.
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    question: String,
    /// Its answer, worked out without any model.
    solution: Solution,
}

impl PoseArgs {
    /// The problem given, or one that is posed, as the model gets it; `seed` decides which.
    ///
    /// # Errors
    /// Where what is given is no problem of a known kind, or none has the length asked for.
    pub(crate) fn problem(&self, given: Option<Given>, seed: u64) -> Result<(Given, Option<Problem>)> {
        let question = match given {
            Some(Given::Text(text)) => text.split_whitespace().collect::<Vec<_>>().join(" "),
            Some(Given::Tokens(_)) => bail!("--tokens: the built-in model takes problems as text"),
            None => {
                let generator = self.pose.unwrap_or(Kind::LaggedSums).generator();
                let tokens = self.pose_tokens.unwrap_or(2000);
                let posed = generator.example(tokens, &mut Draw::new(seed, STREAM));
                posed.context("--pose-tokens")?.question
            }
        };
        let solution = solve(&question).context(
            "the built-in model solves lagged sums, ledgers and program traces (`zoomr data synth` shows some); \
             give such a problem, or another model with --model",
        )?;
        Ok((Given::Text(question.clone()), Some(Problem { question, solution })))
    }
}

impl Problem {
    /// The question.
    pub(crate) fn question(&self) -> &str {
        &self.question
    }

    /// Its answer.
    pub(crate) fn answer(&self) -> &str {
        &self.solution.answer
    }

    /// Whether `text`, what a model wrote, gives the right answer.
    pub(crate) fn is_solved_by(&self, text: &str) -> bool {
        let given = eval::answer(text, Some(&vocabulary::markers()));
        given.is_some_and(|given| grade::same(given, &self.solution.answer))
    }
}
