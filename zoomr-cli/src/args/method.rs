//! The method's settings: policy, segmenter and trigger.

use std::{num::NonZeroUsize, ops::RangeInclusive};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use zoomr_core::{
    Error,
    config::{Options, PolicyKind, Scope, Settings, SummaryVisibility},
    segment::{Budget, Marker, MarkerPair, Markers, Paragraphs, Segmenter},
    select::Zoom,
    trigger::Trigger,
};
use zoomr_model::{
    engine::{EngineOptions, SummaryText},
    text::{stop::StopTokens, tokenizer::Tokenizer},
};

use super::parse::{bytes, named, token_range};

/// Thoughts under triggers without summaries: short, as zooming brings back whole ones.
const POOLED_TOKENS: RangeInclusive<usize> = 16..=96;
/// Thoughts under triggers with summaries: long enough to be worth one.
const SUMMARISED_TOKENS: RangeInclusive<usize> = 128..=192;
/// Thoughts zoomed into under triggers with summaries: half of the pooled ones, being twice as long.
const SUMMARISED_ZOOM: Zoom = Zoom::Thoughts(1);
/// What the engine writes before a summary.
const OPEN: &str = "\n\n[Summary: ";
/// What it writes after one.
const CLOSE: &str = "]\n\n";

/// What a decoding step attends to, and how a text falls into thoughts.
#[derive(Debug, Args)]
#[command(next_help_heading = "Method")]
pub(crate) struct MethodArgs {
    /// What a step attends to.
    #[arg(long, default_value = "zoomr", value_parser = named(PolicyKind::ALL, PolicyKind::name))]
    policy: PolicyKind,

    /// Whose votes count: those of all layers at the step before, of the layer itself, or of all layers at this
    /// step (which runs it twice).
    #[arg(long, default_value = "global", value_parser = named(Scope::ALL, Scope::name))]
    scope: Scope,

    /// Thoughts that each query head votes for.
    #[arg(long, value_name = "K", default_value_t = Options::default().votes)]
    votes: usize,

    /// Thoughts that are zoomed into [default: 2; 1 where thoughts get summaries].
    #[arg(long, value_name = "C", group = "amount")]
    zoom: Option<usize>,

    /// Zoom into as many thoughts as fit into this many tokens.
    #[arg(long, value_name = "TOKENS", group = "amount")]
    zoom_tokens: Option<usize>,

    /// Zoom into thoughts until they hold this share (0 to 1) of the softmax score.
    #[arg(long, value_name = "SHARE", group = "amount")]
    zoom_mass: Option<f64>,

    /// The most recent tokens, always attended in full.
    #[arg(long, value_name = "TOKENS", default_value_t = Options::default().window)]
    window: usize,

    /// How many of the prompt's first tokens stay visible [default: all].
    #[arg(long, value_name = "TOKENS")]
    prompt: Option<usize>,

    /// First tokens that policy `window` keeps.
    #[arg(long, value_name = "TOKENS", default_value_t = Options::default().sinks)]
    sinks: usize,

    /// Tokens per layer and head that policies `h2o` and `rkv` keep, and that `quest` attends.
    #[arg(long, value_name = "TOKENS", default_value_t = Options::default().budget)]
    budget: usize,

    /// Generated tokens from one compression of policy `rkv` to the next.
    #[arg(long, value_name = "TOKENS", default_value_t = Options::default().buffer)]
    buffer: usize,

    /// Whose summaries are visible: those of thoughts that got a vote, or all.
    #[arg(long, default_value = "all", value_parser = named(SummaryVisibility::ALL, SummaryVisibility::name))]
    summaries: SummaryVisibility,

    /// Thoughts per layer whose detail may stay resident outside of the window [default: those zoomed into].
    #[arg(long, value_name = "N")]
    resident_thoughts: Option<usize>,

    /// Tokens per page of KV memory.
    #[arg(long, value_name = "TOKENS", default_value_t = Options::default().page_size)]
    page_size: usize,

    /// The most resident KV memory, in bytes (suffixes k, M, G) [default: no limit].
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    cap: Option<u64>,

    /// What cuts a text into thoughts.
    #[arg(long, value_enum, default_value = "paragraphs")]
    segmenter: SegmenterKind,

    /// The length of thoughts, MIN..MAX; segmenter `budget` cuts at MAX [default: 16..96; 128..192 where thoughts
    /// get summaries].
    #[arg(long, value_name = "MIN..MAX", value_parser = token_range)]
    thought_tokens: Option<RangeInclusive<usize>>,

    /// For segmenter `markers`: what begins and ends a thought, and what begins and ends a summary; four strings
    /// or token ids, separated by commas.
    #[arg(long, value_name = "T,/T,S,/S", required_if_eq("segmenter", "markers"))]
    markers: Option<String>,

    /// When a summary is due, and who writes it.
    #[arg(long, value_enum, default_value = "pooled")]
    trigger: TriggerKind,

    /// For trigger `pressure`: resident KV memory, in bytes (suffixes k, M, G), from which on thoughts close.
    #[arg(long, value_name = "BYTES", value_parser = bytes, required_if_eq("trigger", "pressure"))]
    pressure_limit: Option<u64>,

    /// What opens a summary, under triggers `forced` and `pressure` [default: "\n\n[Summary: "].
    #[arg(long, value_name = "TEXT")]
    summary_open: Option<String>,

    /// What closes it [default: "]\n\n"].
    #[arg(long, value_name = "TEXT")]
    summary_close: Option<String>,

    /// The most tokens that the model may write in between. All summaries stay resident: short ones pay.
    #[arg(long, value_name = "TOKENS", default_value = "8")]
    summary_tokens: NonZeroUsize,

    /// Tokens of a prompt, or of a text to score, that are computed at once.
    #[arg(long, value_name = "TOKENS", default_value = "256")]
    chunk: NonZeroUsize,
}

/// The segmenters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SegmenterKind {
    /// Blank lines, within a minimum and a maximum length.
    Paragraphs,
    /// A fixed length.
    Budget,
    /// The markers of a fine-tuned model.
    Markers,
}

/// The triggers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TriggerKind {
    /// No summaries: a thought's mean key stands for it.
    Pooled,
    /// The engine opens a summary after each thought, and the model writes it.
    Forced,
    /// The model opens its summaries itself.
    Model,
    /// As `forced`, once resident KV memory has passed --pressure-limit.
    Pressure,
}

impl MethodArgs {
    /// Refuses what no model could make good.
    ///
    /// # Errors
    /// Names the flag that is out of its range, or contradicts another.
    pub(crate) fn check(&self) -> Result<()> {
        self.settings()?;
        self.trigger()?;
        self.segmenter(None).map(drop)
    }

    /// The segmenter, and everything else that an engine goes by. `end` are the tokens that end a text.
    ///
    /// # Errors
    /// As [`check`](Self::check), and where the summaries' frame cannot be tokenized.
    pub(crate) fn resolve(
        &self,
        tokenizer: Option<&Tokenizer>,
        end: StopTokens,
    ) -> Result<(Box<dyn Segmenter>, EngineOptions)> {
        let framed = |flag: &str, given: &Option<String>, default: &str| match (tokenizer, given) {
            (Some(tokenizer), given) => {
                let text = given.as_deref().unwrap_or(default);
                tokenizer.encode_verbatim(text).with_context(|| format!("--{flag}"))
            }
            // Without a tokenizer there are no words, and a summary is what the model writes next.
            (None, None) => Ok(Vec::new()),
            (None, Some(_)) => {
                bail!("--{flag}: the model has no tokenizer to make tokens of it; leave it out")
            }
        };
        let trigger = self.trigger()?;
        // A tokenizer of few words has none for a frame that nobody will write.
        let (open, close) = if trigger.asks_the_engine() { (OPEN, CLOSE) } else { ("", "") };
        let summary = SummaryText {
            open: framed("summary-open", &self.summary_open, open)?,
            close: framed("summary-close", &self.summary_close, close)?,
            limit: self.summary_tokens,
            end,
        };
        let options = EngineOptions { settings: self.settings()?, trigger, summary, chunk: self.chunk };
        Ok((self.segmenter(tokenizer)?, options))
    }

    fn settings(&self) -> Result<Settings> {
        let default = Options::default();
        let zoom = match (self.zoom, self.zoom_tokens, self.zoom_mass) {
            (Some(thoughts), ..) => Zoom::Thoughts(thoughts),
            (_, Some(tokens), _) => Zoom::Tokens(tokens),
            (.., Some(share)) => Zoom::Mass(share),
            _ if self.trigger()?.asks_the_engine() => SUMMARISED_ZOOM,
            _ => default.zoom,
        };
        let options = Options {
            policy: self.policy,
            scope: self.scope,
            votes: self.votes,
            zoom,
            window: self.window,
            prompt: self.prompt,
            sinks: self.sinks,
            budget: self.budget,
            buffer: self.buffer,
            summaries: self.summaries,
            resident_thoughts: self.resident_thoughts,
            page_size: self.page_size,
            cap: self.cap,
            ..default
        };
        Settings::try_from(options).map_err(flagged)
    }

    fn trigger(&self) -> Result<Trigger> {
        let trigger = match (self.trigger, self.pressure_limit) {
            (TriggerKind::Pooled, _) => Trigger::Pooled,
            (TriggerKind::Forced, _) => Trigger::Forced,
            (TriggerKind::Model, _) => Trigger::ModelEmitted,
            (TriggerKind::Pressure, limit) => {
                Trigger::Pressure { limit: limit.context("--pressure-limit: trigger `pressure` needs it")? }
            }
        };
        if self.pressure_limit.is_some() && self.trigger != TriggerKind::Pressure {
            bail!(
                "--pressure-limit: only trigger `pressure` has one; add --trigger pressure, or leave it out"
            );
        }
        Ok(trigger)
    }

    /// How long a thought may be, in tokens.
    fn thought_range(&self) -> Result<RangeInclusive<usize>> {
        let default = if self.trigger()?.asks_the_engine() { SUMMARISED_TOKENS } else { POOLED_TOKENS };
        Ok(self.thought_tokens.clone().unwrap_or(default))
    }

    /// How long a thought will be, in tokens, as far as that can be known before there is a text: exactly with
    /// segmenter `budget`, the middle of the range with the others.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn expected_thought(&self) -> Result<usize> {
        let range = self.thought_range()?;
        Ok(match self.segmenter {
            SegmenterKind::Budget => *range.end(),
            SegmenterKind::Paragraphs | SegmenterKind::Markers => range.start().midpoint(*range.end()),
        })
    }

    fn segmenter(&self, tokenizer: Option<&Tokenizer>) -> Result<Box<dyn Segmenter>> {
        if self.markers.is_some() && self.segmenter != SegmenterKind::Markers {
            bail!(
                "--markers: only segmenter `markers` goes by them; add --segmenter markers, or leave them out"
            );
        }
        let tokens = self.thought_range()?;
        Ok(match self.segmenter {
            SegmenterKind::Paragraphs => Box::new(Paragraphs::new(tokens).map_err(flagged)?),
            SegmenterKind::Budget => {
                let max = NonZeroUsize::new(*tokens.end());
                Box::new(Budget::new(max.context("--thought-tokens: thoughts of 0 tokens cannot be")?))
            }
            SegmenterKind::Markers => Box::new(markers(self.markers.as_deref().unwrap_or(""), tokenizer)?),
        })
    }
}

/// The core's error in the command line's words.
fn flagged(error: Error) -> anyhow::Error {
    match error {
        Error::Setting { name, reason } => anyhow!("--{name}: {reason}"),
        other => other.into(),
    }
}

fn markers(list: &str, tokenizer: Option<&Tokenizer>) -> Result<Markers> {
    let parts: Vec<&str> = list.split(',').map(str::trim).collect();
    let &[begin_thought, end_thought, begin_summary, end_summary] = &parts[..] else {
        bail!("--markers: `{list}` has {} markers; give four, separated by commas", parts.len());
    };
    let pair = |begin, end| MarkerPair { begin: marker(begin, tokenizer), end: marker(end, tokenizer) };
    Markers::new(pair(begin_thought, end_thought), pair(begin_summary, end_summary)).map_err(flagged)
}

/// A number is a token id, and so is the name of a special token, which has no text; all else is text.
fn marker(text: &str, tokenizer: Option<&Tokenizer>) -> Marker {
    let special = |tokenizer: &Tokenizer| {
        tokenizer.id_of(text).filter(|&id| !text.is_empty() && tokenizer.bytes_of(id).is_empty())
    };
    match text.parse().ok().or_else(|| tokenizer.and_then(special)) {
        Some(id) => Marker::Id(id),
        None => Marker::Text(text.to_owned()),
    }
}
