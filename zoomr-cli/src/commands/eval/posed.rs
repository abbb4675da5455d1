//! The problems as the model gets them, and how much it may write.

use anyhow::{Result, bail};
use clap::Args;
use zoomr_model::{
    eval::{Around, EvalError, Length, Pose, Problem, Prompt},
    text::tokenizer::Tokenizer,
};

use super::EvalArgs;
use crate::{args::parse::token_count, load::ModelFiles};

/// How much a model may write.
#[derive(Debug, Args)]
pub(super) struct LengthArgs {
    /// The most that a model may write, in lengths of a problem's own solution [default: 1.5].
    #[arg(long, value_name = "TIMES", conflicts_with = "max_tokens")]
    patience: Option<f64>,

    /// The most that a model may write, in tokens [default: as --patience says; 2048 for the problems of others].
    #[arg(long, visible_alias = "max-new-tokens", value_name = "N", value_parser = token_count)]
    max_tokens: Option<usize>,
}

impl LengthArgs {
    /// Refuses lengths that are none.
    ///
    /// # Errors
    /// Names the flag.
    pub(super) fn check(&self) -> Result<()> {
        if let Some(times) = self.patience.filter(|times| !(*times > 0.0 && times.is_finite())) {
            bail!("--patience: {times} lengths of a solution are none; give a positive number");
        }
        if self.max_tokens == Some(0) {
            bail!("--max-tokens: 0 tokens are no answer; give at least 1");
        }
        Ok(())
    }

    fn length(&self) -> Length {
        match (self.max_tokens, self.patience) {
            (Some(tokens), _) => Length::Tokens(tokens),
            (None, Some(times)) => Length::Times(times),
            (None, None) => Length::Usual,
        }
    }
}

/// The problems, as the model gets them.
///
/// # Errors
/// Where there are none, or one of them or a worked example cannot be read or put to the model.
pub(super) fn problems(args: &EvalArgs, files: &ModelFiles, tokenizer: &Tokenizer) -> Result<Vec<Problem>> {
    let chat = args.chat.then(|| files.chat_template()).transpose()?;
    let shots = args.problems.shots()?;
    let around = match files.reasoning_format() {
        Some(format) => {
            args.problems.check_taught()?;
            Around::Markers(&format.markers)
        }
        None => Around::Prompt(Prompt { request: args.problems.request(), shots: shots.as_ref() }),
    };
    let pose = Pose { tokenizer, chat: chat.as_ref(), around, length: args.length.length() };
    let posed = (0..).zip(args.problems.read()?).map(|(problem, exercise)| {
        let posed = pose.problem(&exercise);
        posed.map_err(|source| EvalError::Text { problem, source: Box::new(source) })
    });
    Ok(posed.collect::<Result<_, _>>()?)
}
