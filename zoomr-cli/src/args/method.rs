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
    habits::Habits,
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
///
/// What is not given follows the model's habits, where it has been taught any, and else the defaults.
#[derive(Debug, Args)]
#[command(next_help_heading = "Method")]
pub(crate) struct MethodArgs {
    /// What a step attends to [default: zoomr].
    #[arg(long, value_parser = named(PolicyKind::ALL, PolicyKind::name))]
    policy: Option<PolicyKind>,

    /// Whose votes count: those of all layers at the step before, of the layer itself, or of all layers at this
    /// step (which runs it twice) [default: global].
    #[arg(long, value_parser = named(Scope::ALL, Scope::name))]
    scope: Option<Scope>,

    /// Thoughts that each query head votes for [default: 4].
    #[arg(long, value_name = "K")]
    votes: Option<usize>,

    /// Thoughts that are zoomed into [default: 2; 1 where thoughts get summaries].
    #[arg(long, value_name = "C", group = "amount")]
    zoom: Option<usize>,

    /// Zoom into as many thoughts as fit into this many tokens.
    #[arg(long, value_name = "TOKENS", group = "amount")]
    zoom_tokens: Option<usize>,

    /// Zoom into thoughts until they hold this share (0 to 1) of the softmax score.
    #[arg(long, value_name = "SHARE", group = "amount")]
    zoom_mass: Option<f64>,

    /// The most recent tokens, always attended in full [default: 128].
    #[arg(long, value_name = "TOKENS")]
    window: Option<usize>,

    /// How many of the prompt's first tokens stay visible [default: all].
    #[arg(long, value_name = "TOKENS")]
    prompt: Option<usize>,

    /// First tokens that policy `window` keeps [default: 4].
    #[arg(long, value_name = "TOKENS")]
    sinks: Option<usize>,

    /// Tokens per layer and head that policies `h2o` and `rkv` keep, and that `quest` attends [default: 512].
    #[arg(long, value_name = "TOKENS")]
    budget: Option<usize>,

    /// Generated tokens from one compression of policy `rkv` to the next [default: 128].
    #[arg(long, value_name = "TOKENS")]
    buffer: Option<usize>,

    /// Whose summaries are visible: those of thoughts that got a vote, or all [default: all].
    #[arg(long, value_parser = named(SummaryVisibility::ALL, SummaryVisibility::name))]
    summaries: Option<SummaryVisibility>,

    /// Thoughts per layer whose detail may stay resident outside of the window [default: those zoomed into].
    #[arg(long, value_name = "N")]
    resident_thoughts: Option<usize>,

    /// Tokens per page of KV memory [default: 8].
    #[arg(long, value_name = "TOKENS")]
    page_size: Option<usize>,

    /// The most resident KV memory, in bytes (suffixes k, M, G) [default: no limit].
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    cap: Option<u64>,

    /// What cuts a text into thoughts [default: paragraphs].
    #[arg(long, value_enum)]
    segmenter: Option<SegmenterKind>,

    /// The length of thoughts, MIN..MAX; segmenter `budget` cuts at MAX [default: 16..96; 128..192 where thoughts
    /// get summaries].
    #[arg(long, value_name = "MIN..MAX", value_parser = token_range)]
    thought_tokens: Option<RangeInclusive<usize>>,

    /// For segmenter `markers`: what begins and ends a thought, and what begins and ends a summary; four strings
    /// or token ids, separated by commas.
    #[arg(long, value_name = "T,/T,S,/S", required_if_eq("segmenter", "markers"))]
    markers: Option<String>,

    /// When a summary is due, and who writes it [default: pooled].
    #[arg(long, value_enum)]
    trigger: Option<TriggerKind>,

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
        self.settings(None)?;
        self.trigger(None)?;
        self.segmenter(None, None).map(drop)
    }

    /// The segmenter, and everything else that an engine goes by. `end` are the tokens that end a text, `habits`
    /// what the model was taught.
    ///
    /// # Errors
    /// As [`check`](Self::check), and where the summaries' frame cannot be tokenized.
    pub(crate) fn resolve(
        &self,
        tokenizer: Option<&Tokenizer>,
        end: StopTokens,
        habits: Option<&Habits>,
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
        let trigger = self.trigger(habits)?;
        // A tokenizer of few words has none for a frame that nobody will write.
        let (open, close) = if trigger.asks_the_engine() { (OPEN, CLOSE) } else { ("", "") };
        let summary = SummaryText {
            open: framed("summary-open", &self.summary_open, open)?,
            close: framed("summary-close", &self.summary_close, close)?,
            limit: self.summary_tokens,
            end,
        };
        let options = EngineOptions { settings: self.settings(habits)?, trigger, summary, chunk: self.chunk };
        Ok((self.segmenter(tokenizer, habits)?, options))
    }

    fn settings(&self, habits: Option<&Habits>) -> Result<Settings> {
        let base = habits.map_or_else(Options::default, |habits| habits.method.clone());
        let zoom = match (self.zoom, self.zoom_tokens, self.zoom_mass) {
            (Some(thoughts), ..) => Zoom::Thoughts(thoughts),
            (_, Some(tokens), _) => Zoom::Tokens(tokens),
            (.., Some(share)) => Zoom::Mass(share),
            _ if self.trigger(habits)?.asks_the_engine() => SUMMARISED_ZOOM,
            _ => base.zoom,
        };
        let options = Options {
            policy: self.policy.unwrap_or(base.policy),
            scope: self.scope.unwrap_or(base.scope),
            votes: self.votes.unwrap_or(base.votes),
            zoom,
            window: self.window.unwrap_or(base.window),
            prompt: self.prompt.or(base.prompt),
            sinks: self.sinks.unwrap_or(base.sinks),
            budget: self.budget.unwrap_or(base.budget),
            buffer: self.buffer.unwrap_or(base.buffer),
            summaries: self.summaries.unwrap_or(base.summaries),
            resident_thoughts: self.resident_thoughts.or(base.resident_thoughts),
            page_size: self.page_size.unwrap_or(base.page_size),
            cap: self.cap.or(base.cap),
            ..base
        };
        Settings::try_from(options).map_err(flagged)
    }

    fn trigger(&self, habits: Option<&Habits>) -> Result<Trigger> {
        let taught = if habits.is_some() { TriggerKind::Model } else { TriggerKind::Pooled };
        let kind = self.trigger.unwrap_or(taught);
        let trigger = match (kind, self.pressure_limit) {
            (TriggerKind::Pooled, _) => Trigger::Pooled,
            (TriggerKind::Forced, _) => Trigger::Forced,
            (TriggerKind::Model, _) => Trigger::ModelEmitted,
            (TriggerKind::Pressure, limit) => {
                Trigger::Pressure { limit: limit.context("--pressure-limit: trigger `pressure` needs it")? }
            }
        };
        if self.pressure_limit.is_some() && kind != TriggerKind::Pressure {
            bail!(
                "--pressure-limit: only trigger `pressure` has one; add --trigger pressure, or leave it out"
            );
        }
        Ok(trigger)
    }

    /// How long a thought may be, in tokens.
    fn thought_range(&self, habits: Option<&Habits>) -> Result<RangeInclusive<usize>> {
        let default = if self.trigger(habits)?.asks_the_engine() { SUMMARISED_TOKENS } else { POOLED_TOKENS };
        Ok(self.thought_tokens.clone().unwrap_or(default))
    }

    /// How long a thought will be, in tokens, as far as that can be known before there is a text: exactly with
    /// segmenter `budget`, the middle of the range with the others.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn expected_thought(&self, habits: Option<&Habits>) -> Result<usize> {
        let range = self.thought_range(habits)?;
        Ok(match self.segmenter {
            Some(SegmenterKind::Budget) => *range.end(),
            _ => range.start().midpoint(*range.end()),
        })
    }

    /// The longest that thoughts may be, in tokens, where they are `usual` long as a rule; only paragraphs are cut
    /// by length and differ in it.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub(crate) fn longest_thought(
        &self,
        usual: NonZeroUsize,
        habits: Option<&Habits>,
    ) -> Result<NonZeroUsize> {
        let paragraphs = match self.segmenter {
            Some(kind) => kind == SegmenterKind::Paragraphs,
            None => habits.is_none(),
        };
        let longest = NonZeroUsize::new(*self.thought_range(habits)?.end());
        Ok(longest.filter(|_| paragraphs).map_or(usual, |longest| longest.max(usual)))
    }

    fn segmenter(
        &self,
        tokenizer: Option<&Tokenizer>,
        habits: Option<&Habits>,
    ) -> Result<Box<dyn Segmenter>> {
        if self.markers.is_some() && self.segmenter != Some(SegmenterKind::Markers) {
            bail!(
                "--markers: only segmenter `markers` goes by them; add --segmenter markers, or leave them out"
            );
        }
        let tokens = self.thought_range(habits)?;
        if let (None, Some(habits), Some(tokenizer)) = (self.segmenter, habits, tokenizer) {
            return Ok(Box::new(habits.segmenter(tokenizer).context("the model's zoomr.json")?));
        }
        Ok(match self.segmenter.unwrap_or(SegmenterKind::Paragraphs) {
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
