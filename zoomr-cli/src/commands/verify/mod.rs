//! `zoomr verify`: whether the method's laws hold on a real model, on this machine.
//!
//! * `cadence`: makes thoughts and summaries of any text.
//! * `trial`: the text through the model under some settings.
//! * `rounding`: what a smaller dtype of keys and values costs.
//! * `checks`: the trials compared, and what the comparison is held to.

mod cadence;
mod checks;
mod rounding;
mod trial;

use std::{io::stdout, process::ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use zoomr_core::kv::KvDtype;

use self::{
    cadence::Cadence,
    checks::{Verdict, verify},
    rounding::Rounding,
    trial::Text,
};
use crate::{
    args::{
        model::ModelArgs,
        parse::named,
        text::{Given, SampleArgs},
    },
    load::{Form, ModelFiles},
    output::{
        complain,
        places::Places,
        print, print_json,
        status::Status,
        table::{aligned, width},
    },
    provider::{self, Job, Provider},
};

/// Some 300 tokens of ordinary text.
const BUILT_IN: &str = include_str!("text.txt");
/// As much, in the words of the built-in model.
const BUILT_IN_WORDS: &str = include_str!("builtin_text.txt");
/// Fewer tokens make too few thoughts to choose among.
const LEAST_TOKENS: usize = 32;

/// Flags of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    text: SampleArgs,

    /// Use so many of the text's first tokens; the time grows with them.
    #[arg(long, value_name = "N", default_value_t = 192)]
    max_tokens: usize,

    /// Also show what keys and values stored in this dtype cost, against f32, in which the laws are looked at.
    #[arg(long, value_parser = named(KvDtype::ALL, KvDtype::name))]
    kv: Option<KvDtype>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    model: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown. A law that does not hold is part of the report.
pub(crate) fn run(args: VerifyArgs) -> Result<ExitCode> {
    if args.max_tokens < LEAST_TOKENS {
        bail!("--max-tokens: {} tokens make too few thoughts; give at least {LEAST_TOKENS}", args.max_tokens);
    }
    let given = args.text.read(if args.model.is_builtin() { BUILT_IN_WORDS } else { BUILT_IN })?;
    provider::on(args.model.start()?, Verify { args, given })
}

/// The command, ready to run on a backend.
struct Verify {
    args: VerifyArgs,
    given: Given,
}

impl Job for Verify {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self { args, given } = self;
        let status = Status::new();
        let files = ModelFiles::open(&args.model, &given, Places::default(), &status)?;
        if files.config().layer_specs().iter().all(|layer| layer.sliding_window.is_some()) {
            bail!(
                "every layer of this model has a sliding window of its own: zoomr acts in none, and there is nothing to verify"
            );
        }
        let mut ids = files.tokens(given, &Form::Plain)?;
        ids.truncate(args.max_tokens);
        files.check_length("text", ids.len())?;
        let (text, window) = cut(ids)?;
        let loaded = files.load_on::<P>(&status)?;
        let verdict = verify::<P>(&loaded, &text, window, args.kv, &|what| status.say(what))?;
        status.clear();
        report(&args, &verdict)
    }
}

/// Prompt, thoughts, summaries and window in proportion to the text, so that most thoughts leave the window.
fn cut(ids: Vec<u32>) -> Result<(Text, usize)> {
    let tokens = ids.len();
    if tokens < LEAST_TOKENS {
        bail!("the text has {tokens} tokens, which make too few thoughts; give at least {LEAST_TOKENS}");
    }
    let cadence = Cadence::new(tokens / 16, tokens / 32);
    Ok((Text { ids, prompt: tokens / 16, cadence }, tokens / 8))
}

fn report(args: &VerifyArgs, verdict: &Verdict) -> Result<ExitCode> {
    if args.json {
        print_json(&Report { model: args.model.name(), verdict })?;
    } else {
        print(&table(verdict, width(&stdout(), false)))?;
    }
    if verdict.passed {
        return Ok(ExitCode::SUCCESS);
    }
    let failed = verdict.checks.iter().filter(|check| !check.passed).count();
    complain(&anyhow::anyhow!("{failed} of {} checks failed", verdict.checks.len()));
    Ok(ExitCode::FAILURE)
}

fn table(verdict: &Verdict, width: Option<usize>) -> String {
    let Verdict { tokens, thoughts, max_logit_difference, bound, noise, largest_logit, .. } = verdict;
    let mut rows = vec![
        ("text", format!("{tokens} tokens, {thoughts} thoughts with summaries")),
        (
            "max logit difference",
            format!("{max_logit_difference:.2e} between zooming into everything and full attention"),
        ),
        ("allowed", format!("{bound:.2e}")),
        ("noise", format!("{noise:.2e} between full attention and itself in another order")),
        ("largest logit", format!("{largest_logit:.2}")),
    ];
    if let Some(Rounding { kv, max_logit_difference: most, mean_logit_difference: mean, kl_divergence: kl }) =
        &verdict.rounding
    {
        let moved =
            format!("logits differ by {most:.2e} from f32's, by {mean:.2e} on average; KL {kl:.2e} nats");
        rows.push((kv.name(), moved));
    }
    let mut text = aligned(&rows, width);
    text.push('\n');
    for check in &verdict.checks {
        let mark = if check.passed { "ok    " } else { "FAILED" };
        text.push_str(&format!("{mark}  {}: {}\n", check.name, check.found));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_thoughts_leave_the_window() {
        for tokens in [LEAST_TOKENS, 100, 192, 5000] {
            let (text, window) = cut(vec![0; tokens]).unwrap();
            let streamed = tokens - text.prompt - window;
            let thoughts = streamed / (tokens / 16 + tokens / 32);
            assert!(thoughts >= 6 && text.prompt >= 1, "{tokens} tokens: {thoughts} thoughts");
        }
        assert!(cut(vec![0; LEAST_TOKENS - 1]).is_err());
    }
}
