//! `zoomr plan`: the KV memory that a run will take, from `config.json` and settings alone.
//!
//! `zoomr_core::forecast` does the sums; here it gets its numbers, and two baselines to stand beside: the full
//! cache held on the device, and the full cache offloaded to the host.

use std::{num::NonZeroUsize, process::ExitCode};

use anyhow::{Context, Result, bail};
use burn::tensor::{Element, backend::Backend};
use clap::Args;
use serde::Serialize;
use zoomr_core::{
    config::{Options, PolicyKind, Settings},
    forecast::{Assumption, Forecast, forecast},
    stats::TierBytes,
    trigger::Trigger,
};
use zoomr_model::{
    config::ModelConfig,
    engine::EngineOptions,
    reasoning_format::ReasoningFormat,
    text::tokenizer::{Tokenizer, TokenizerError},
};

use crate::{
    args::{
        method::MethodArgs,
        model::{BackendArgs, BaseArgs},
        parse::token_count,
    },
    output::{
        account::ratio,
        bytes, note, print, print_json,
        status::Status,
        table::{aligned, columns},
    },
    provider::{self, Job, Provider},
};

/// Each token is simulated, one by one.
const MOST_TOKENS: usize = 1 << 24;

/// A question of ordinary length.
const PROMPT_TOKENS: usize = 128;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    model: BaseArgs,

    #[command(flatten)]
    backend: BackendArgs,

    /// All tokens of the run: prompt, thoughts and summaries (suffixes k, M).
    #[arg(long, value_name = "N", value_parser = token_count)]
    tokens: usize,

    /// Those of them that are the prompt [default: 128, or all of a shorter run].
    #[arg(long, value_name = "N", value_parser = token_count)]
    prompt_tokens: Option<usize>,

    /// The length of a thought [default: the middle of --thought-tokens; its end for segmenter `budget`].
    #[arg(long, value_name = "TOKENS")]
    thought: Option<NonZeroUsize>,

    /// The length of a summary, its frame included; a run's own is its `summary_tokens` over its `thoughts` [default:
    /// the longest; 0 with trigger `pooled`].
    #[arg(long, value_name = "TOKENS")]
    summary: Option<usize>,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    method: MethodArgs,
}

/// What `--json` prints; the names are those of `generate --json`. Bytes are of KV memory.
#[derive(Debug, Serialize)]
struct Report {
    policy: &'static str,
    tokens: usize,
    prompt_tokens: usize,
    /// Tokens of each thought, assumed.
    thought_tokens: usize,
    /// Tokens of each thought that is zoomed into at the peak, assumed.
    longest_thought_tokens: usize,
    /// Tokens of each summary, assumed.
    summary_tokens: usize,
    /// A full cache of the same tokens, without waste.
    kv_bytes_full: u64,
    /// On the device at the end.
    kv_bytes_resident: u64,
    /// On the device at most.
    kv_bytes_resident_peak: u64,
    /// In the host's memory at the end.
    kv_bytes_cold: u64,
    /// All tiers at the end.
    kv_bytes: TierBytes,
    /// Policy `full`, in whole pages.
    full: Forecast,
    /// Times less memory on the device than a full cache held there.
    reduction_of_device: f64,
    /// Times less memory on device and host together than a full cache offloaded to the host; below 1 is more.
    reduction_of_total: f64,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: PlanArgs) -> Result<ExitCode> {
    if !(1..=MOST_TOKENS).contains(&args.tokens) {
        bail!("--tokens: {} tokens cannot be planned for; give 1 to {MOST_TOKENS}", args.tokens);
    }
    if let Some(prompt) = args.prompt_tokens.filter(|&prompt| prompt > args.tokens) {
        let tokens = args.tokens;
        bail!(
            "--prompt-tokens: a prompt of {prompt} tokens is longer than the whole run of {tokens}; raise --tokens"
        );
    }
    args.method.check()?;
    provider::on(args.backend.backend(), Plan(args))
}

/// The command; the backend says how large a cached number is.
struct Plan(PlanArgs);

impl Job for Plan {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self(args) = self;
        let status = Status::new();
        let dir = args.model.locate(&status)?;
        status.clear();
        let config = ModelConfig::from_dir(&dir)?;
        // A tokenizer only says how many tokens the frame of a summary has.
        let tokenizer = match Tokenizer::from_dir(&dir) {
            Err(TokenizerError::Missing { .. }) => None,
            tokenizer => Some(tokenizer?),
        };
        let format = ReasoningFormat::from_dir(&dir)?;
        let end = config.eos_token_ids().iter().copied().collect();
        let asked = args.method.options()?;
        let options = args.method.plan(tokenizer.as_ref(), end, format.as_ref())?;
        if args.tokens > config.context_length() {
            let context = config.context_length();
            note(&format!("note: {} tokens are over the model's context of {context}", args.tokens));
        }
        let thought = match args.thought {
            Some(thought) => thought,
            None => NonZeroUsize::new(asked.expected_thought(format.as_ref()))
                .context("--thought-tokens: thoughts of 0 tokens cannot be planned for; give --thought")?,
        };
        let longest = asked.longest_thought(thought, format.as_ref());
        let run = assumption(&args, &options, thought, longest)?;
        let report = report(&config, &options, run, element_bytes::<P::Backend>())?;
        if args.json {
            print_json(&report)?;
        } else {
            print(&table(&report))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The size of a cached number.
fn element_bytes<B: Backend>() -> usize {
    B::FloatElem::dtype().size()
}

fn report(
    config: &ModelConfig,
    options: &EngineOptions,
    run: Assumption,
    element_bytes: usize,
) -> Result<Report> {
    let full = Options { policy: PolicyKind::Full, ..(*options.settings).clone() };
    let of = |settings: &Settings| forecast(&config.layer_specs(), settings, element_bytes, run);
    let (planned, full) = (of(&options.settings), of(&Settings::try_from(full)?));
    let resident = planned.end.resident();
    Ok(Report {
        policy: options.settings.policy.name(),
        tokens: run.tokens,
        prompt_tokens: run.prompt,
        thought_tokens: run.thought.get(),
        longest_thought_tokens: run.longest.get(),
        summary_tokens: run.summary,
        kv_bytes_full: planned.full,
        kv_bytes_resident: resident,
        kv_bytes_resident_peak: planned.peak,
        kv_bytes_cold: planned.end.cold,
        kv_bytes: planned.end,
        full,
        reduction_of_device: ratio(planned.full as f64, resident as f64),
        reduction_of_total: ratio(planned.full as f64, planned.end.total() as f64),
    })
}

fn assumption(
    args: &PlanArgs,
    options: &EngineOptions,
    thought: NonZeroUsize,
    longest: NonZeroUsize,
) -> Result<Assumption> {
    let summary = match (args.summary, options.trigger) {
        (_, Trigger::Pressure { .. }) => {
            bail!("--trigger: when `pressure` closes thoughts cannot be known beforehand; plan with `forced`")
        }
        (None | Some(0), Trigger::Pooled) => 0,
        (Some(_), Trigger::Pooled) => bail!("--summary: trigger `pooled` writes none; leave it out"),
        (Some(0), _) => bail!("--summary: with this trigger thoughts have summaries; give at least 1 token"),
        (Some(summary), _) => summary,
        (None, Trigger::Forced) => {
            let frame = &options.summary;
            frame.open.len() + frame.limit.get() + frame.close.len()
        }
        (None, Trigger::ModelEmitted) => options.summary.limit.get(),
    };
    let prompt = args.prompt_tokens.unwrap_or(PROMPT_TOKENS.min(args.tokens));
    Ok(Assumption { prompt, tokens: args.tokens, thought, longest, summary })
}

fn table(report: &Report) -> String {
    let r = report;
    let summaries = match r.summary_tokens {
        0 => "no summaries".to_owned(),
        tokens => format!("summaries of {tokens}"),
    };
    let thoughts = match (r.thought_tokens, r.longest_thought_tokens) {
        (usual, longest) if usual == longest => format!("thoughts of {usual}"),
        (usual, longest) => format!("thoughts of {usual}, at most {longest}"),
    };
    let assumed = format!("{} tokens, {} of them prompt; {thoughts}, {summaries}", r.tokens, r.prompt_tokens);
    let device = format!(
        "{:.2}x at the end, {:.2}x at the peak, against a full cache there",
        r.reduction_of_device,
        ratio(r.kv_bytes_full as f64, r.kv_bytes_resident_peak as f64)
    );
    let offloaded = TierBytes { cold: r.kv_bytes_full, ..TierBytes::default() };
    let tiers = columns(
        &["KV memory", "full on device", "full offloaded", r.policy],
        &tier_rows(&r.full, &offloaded, r),
    );
    let rows = [
        ("assumed", assumed),
        ("reduction on the device", device),
        (
            "reduction in all",
            format!("{:.2}x, against a full cache offloaded to the host", r.reduction_of_total),
        ),
    ];
    format!("{tiers}\n{}", aligned(&rows))
}

/// A row per tier.
fn tier_rows(full: &Forecast, offloaded: &TierBytes, report: &Report) -> Vec<Vec<String>> {
    let ends = [full.end, *offloaded, report.kv_bytes];
    let row = |name: &str, of: &dyn Fn(&TierBytes) -> u64| {
        std::iter::once(name.to_owned()).chain(ends.iter().map(|end| bytes(of(end)))).collect()
    };
    let peaks = [full.peak, 0, report.kv_bytes_resident_peak];
    vec![
        row("prompt", &|t| t.prompt),
        row("window", &|t| t.window),
        row("index", &|t| t.index),
        row("summaries", &|t| t.summaries),
        row("zoomed", &|t| t.zoomed),
        row("free", &|t| t.free),
        row("resident", &TierBytes::resident),
        std::iter::once("resident at most".to_owned()).chain(peaks.map(bytes)).collect(),
        row("host", &|t| t.cold),
        row("device and host", &TierBytes::total),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_like_this() {
        let zoomr = TierBytes {
            prompt: 5 << 20,
            window: 6 << 20,
            index: 1 << 20,
            zoomed: 8 << 20,
            cold: 1 << 30,
            ..TierBytes::default()
        };
        let full = TierBytes { prompt: 5 << 20, window: 1 << 30, ..TierBytes::default() };
        let report = Report {
            policy: "zoomr",
            tokens: 32_768,
            prompt_tokens: 128,
            thought_tokens: 56,
            longest_thought_tokens: 96,
            summary_tokens: 0,
            kv_bytes_full: 1 << 30,
            kv_bytes_resident: zoomr.resident(),
            kv_bytes_resident_peak: 21 << 20,
            kv_bytes_cold: zoomr.cold,
            kv_bytes: zoomr,
            full: Forecast { end: full, peak: full.resident(), full: 1 << 30 },
            reduction_of_device: 51.2,
            reduction_of_total: 0.98,
        };
        insta::assert_snapshot!(table(&report));
    }
}
