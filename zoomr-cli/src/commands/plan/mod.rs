//! `zoomr plan`: the memory that a run will take, and whether it fits, from `config.json` and settings alone.
//!
//! * `need`: weights, KV memory and activations, under the policy and with a full cache; the longest text that fits.
//! * `table`: all of it for people.
//!
//! `zoomr_core::forecast` does the sums of KV memory; here it gets its numbers, and two baselines to stand beside: the
//! full cache held on the device, and the full cache offloaded to the host.

mod need;
mod table;

use std::{io::stdout, num::NonZeroUsize, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use zoomr_core::{
    config::{Options, PolicyKind, Settings},
    forecast::{Assumption, Forecast},
    stats::TierBytes,
    trigger::Trigger,
};
use zoomr_model::{
    engine::EngineOptions,
    reasoning_format::ReasoningFormat,
    text::tokenizer::{Tokenizer, TokenizerError},
};

use self::{
    need::{Memory, Sizes},
    table::table,
};
use crate::{
    args::{
        method::MethodArgs,
        model::{BackendArgs, BaseArgs},
        parse::{bytes, token_count},
    },
    output::{account::ratio, note, print, print_json, status::Status, table::width},
    provider::{self, Job, Provider},
};

/// More than anybody has, and few enough that their bytes can be counted.
const MOST_TOKENS: usize = 1 << 32;

/// A question of ordinary length.
const PROMPT_TOKENS: usize = 128;

/// Flags of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    model: BaseArgs,

    #[command(flatten)]
    backend: BackendArgs,

    /// All tokens of the run: prompt, thoughts and summaries (suffixes k, M) [default with --memory: the model's
    /// context].
    #[arg(long, value_name = "N", value_parser = token_count, required_unless_present = "memory")]
    tokens: Option<usize>,

    /// Say whether the run fits into so much memory, in bytes (suffixes k, M, G), and how long a text would.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    memory: Option<u64>,

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

    /// Show all columns, whether the terminal has room for them or not.
    #[arg(long)]
    wide: bool,

    #[command(flatten)]
    method: MethodArgs,
}

/// What `--json` prints; the names are those of `generate --json`. Bytes are of KV memory.
#[derive(Debug, Serialize)]
struct Report {
    policy: &'static str,
    /// Tokens of the blocks that are chosen from; `null` where thoughts are zoomed into whole, or not at all.
    blocks: Option<usize>,
    /// Tokens of passages at hand for them at the end; `null` where all are, or there are no blocks.
    at_hand: Option<usize>,
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
    /// What else a run takes, and whether it fits: under the policy, then with a full cache.
    memory: Memory,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: PlanArgs) -> Result<ExitCode> {
    if let Some(tokens) = args.tokens.filter(|tokens| !(1..=MOST_TOKENS).contains(tokens)) {
        bail!("--tokens: {tokens} tokens cannot be planned for; give 1 to {MOST_TOKENS}");
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
        let model = args.model.describe(&status)?;
        status.clear();
        let config = model.config()?;
        // A tokenizer only says how many tokens the frame of a summary has.
        let tokenizer = match model.dir().map(Tokenizer::from_dir) {
            None | Some(Err(TokenizerError::Missing { .. })) => None,
            Some(tokenizer) => Some(tokenizer?),
        };
        let format = model.dir().map(ReasoningFormat::from_dir).transpose()?.flatten();
        let end = config.eos_token_ids().iter().copied().collect();
        let asked = args.method.options(P::USUAL)?;
        let options = args.method.plan(tokenizer.as_ref(), end, format.as_ref(), P::USUAL)?;
        let tokens = args.tokens.unwrap_or(config.context_length().min(MOST_TOKENS));
        if tokens > config.context_length() {
            let context = config.context_length();
            note(&format!("note: {tokens} tokens are over the model's context of {context}"));
        }
        let thought = match args.thought {
            Some(thought) => thought,
            None => NonZeroUsize::new(asked.expected_thought(format.as_ref()))
                .context("--thought-tokens: thoughts of 0 tokens cannot be planned for; give --thought")?,
        };
        let longest = asked.longest_thought(thought, format.as_ref());
        let run = assumption(&args, tokens, &options, thought, longest)?;
        let rows = options.chunk.get().min(run.prompt).max(1);
        let sizes = Sizes::of::<P>(&model, &config, rows)?;
        let report = report(&sizes, &options.settings, args.memory, run)?;
        if args.json {
            print_json(&report)?;
        } else {
            print(&table(&report, width(&stdout(), args.wide)))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn report(sizes: &Sizes, settings: &Settings, available: Option<u64>, run: Assumption) -> Result<Report> {
    let full = Settings::try_from(Options { policy: PolicyKind::Full, ..(**settings).clone() })?;
    let planned = sizes.forecast(settings, run);
    let resident = planned.end.resident();
    let need = |settings: &Settings| sizes.need(settings, run, available, 1..=MOST_TOKENS);
    let with_full = (settings.policy != PolicyKind::Full).then(|| need(&full));
    let memory = Memory {
        weight_dtype: sizes.weight_dtype.clone(),
        kv_dtype: settings.kv.name().to_uppercase(),
        activation_dtype: format!("{:?}", sizes.element),
        host_is_device: sizes.host_is_device,
        available_bytes: available,
        runs: std::iter::once(need(settings)).chain(with_full).collect(),
    };
    Ok(Report {
        policy: settings.policy.name(),
        blocks: settings.policy().choice().blocks().map(|rule| rule.size),
        at_hand: settings
            .zoom_blocks()
            .map(|rule| rule.at_hand.of(run.tokens))
            .filter(|&at_hand| at_hand < run.tokens),
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
        full: sizes.forecast(&full, run),
        reduction_of_device: ratio(planned.full as f64, resident as f64),
        reduction_of_total: ratio(planned.full as f64, planned.end.total() as f64),
        memory,
    })
}

fn assumption(
    args: &PlanArgs,
    tokens: usize,
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
    let prompt = args.prompt_tokens.unwrap_or(PROMPT_TOKENS.min(tokens));
    if prompt > tokens {
        bail!(
            "--prompt-tokens: a prompt of {prompt} tokens is longer than the whole run of {tokens}; raise --tokens"
        );
    }
    Ok(Assumption { prompt, tokens, thought, longest, summary })
}
