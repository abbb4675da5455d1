//! The method's settings: policy, segmenter and trigger. What is not given is `zoomr_model::pretrained`'s to settle.

use std::{num::NonZeroUsize, ops::RangeInclusive};

use anyhow::{Context, Error, Result, anyhow, bail};
use clap::{Args, ValueEnum};
use zoomr_core::{
    config::{AtHand, BlockScope, PolicyKind, Prefill, Preset, Scope, SummaryVisibility},
    kv::KvDtype,
    segment::Segmenter,
    select::Zoom,
    trigger::Trigger,
};
use zoomr_model::{
    engine::EngineOptions,
    pretrained::{self, MethodError, MethodOptions, Pretrained, Usual},
    reasoning_format::ReasoningFormat,
    setting::{Setting, repeated},
    text::{stop::StopTokens, tokenizer::Tokenizer},
};

use super::parse::{bytes, named, token_range};

/// What a decoding step attends to, and how a text falls into thoughts.
///
/// What is not given follows the model's reasoning format, where it has been taught any, and else the defaults.
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

    /// Tokens of the blocks that each layer's own queries zoom into; `off` to zoom into whole thoughts, which the other
    /// flags of zooming speak of [default: 4; off with those, and with models that were taught the method].
    #[arg(long, value_name = "4|8|16|off", value_parser = blocks)]
    blocks: Option<Blocks>,

    /// Numbers of blocks that go together, by what they lose [default: balanced].
    #[arg(long, value_parser = named(Preset::ALL, Preset::name))]
    preset: Option<Preset>,

    /// The share of attention per 16 tokens, from 0 to 1, that a block must promise to be attended [default: the
    /// preset's].
    #[arg(long, value_name = "SHARE")]
    zoom_share: Option<f64>,

    /// Whose shares choose blocks: those of the query heads that read a KV head, or of a whole layer [default: kv].
    #[arg(long, value_parser = named(BlockScope::ALL, BlockScope::name))]
    block_scope: Option<BlockScope>,

    /// What rows of a prompt attend to: everything before them, or, as generated text does, what they zoom into [default:
    /// full].
    #[arg(long, value_parser = named(Prefill::ALL, Prefill::name))]
    prefill: Option<Prefill>,

    /// Tokens besides window and kept prompt that stay on the device for blocks to be chosen from: those that the step
    /// before wants most. `all`, or `quarter` for a quarter of the text's, 1,024 at least [default: all where the device is
    /// the host, else quarter].
    #[arg(long, value_name = "TOKENS|all|quarter")]
    at_hand: Option<AtHand>,

    /// Thoughts that are zoomed into [default: 2; 1 where thoughts get summaries].
    #[arg(long, value_name = "C", group = "amount")]
    zoom: Option<usize>,

    /// The most tokens of blocks that are attended, or of whole thoughts that are zoomed into [default: no limit but the
    /// others].
    #[arg(long, value_name = "TOKENS", group = "amount")]
    zoom_tokens: Option<usize>,

    /// Zoom into thoughts until they hold this share (0 to 1) of the softmax score.
    #[arg(long, value_name = "SHARE", group = "amount")]
    zoom_mass: Option<f64>,

    /// The most recent tokens, always attended in full [default: 32 with blocks, else 128].
    #[arg(long, value_name = "TOKENS")]
    window: Option<usize>,

    /// How many of the prompt's first tokens stay visible [default: with blocks a chat's system message, up to 256, and
    /// 64 of the rest; else all].
    #[arg(long, value_name = "TOKENS")]
    keep_prompt: Option<usize>,

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

    /// What keys and values are stored as: exactly, in half of the memory, or (q8) in little more than a quarter. f16 cuts
    /// off what is beyond 65,504; bf16 does not, and is coarser [default: f16, but f32 with models that were taught the
    /// method and on backends whose memory f16 does not save].
    #[arg(long, value_parser = named(KvDtype::ALL, KvDtype::name))]
    kv: Option<KvDtype>,

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
        self.options(Usual::default())?.check().map_err(flagged)
    }

    /// The cap on KV memory that was given, in bytes.
    pub(crate) fn cap(&self) -> Option<u64> {
        self.cap
    }

    /// The segmenter, and everything else that an engine goes by, for a model; `usual` as in [`options`](Self::options).
    ///
    /// # Errors
    /// As [`check`](Self::check), and where the summaries' frame cannot be tokenized.
    pub(crate) fn resolve(
        &self,
        model: &Pretrained,
        usual: Usual,
    ) -> Result<(Box<dyn Segmenter>, EngineOptions)> {
        model.method(&self.options(usual)?).map_err(flagged)
    }

    /// As [`resolve`](Self::resolve), for a model whose weights need not be known. `end` are the tokens that end a text,
    /// `format` what the model was taught.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub(crate) fn plan(
        &self,
        tokenizer: Option<&Tokenizer>,
        end: StopTokens,
        format: Option<&ReasoningFormat>,
        usual: Usual,
    ) -> Result<EngineOptions> {
        Ok(self.options(usual)?.resolve(tokenizer, end, format).map_err(flagged)?.1)
    }

    /// What was given, each flag by itself; `usual` is what is usual on the device.
    ///
    /// # Errors
    /// Where a flag stands without the one that it belongs to.
    pub(crate) fn options(&self, usual: Usual) -> Result<MethodOptions> {
        Ok(MethodOptions {
            policy: self.policy,
            scope: self.scope,
            votes: self.votes,
            zoom: match (self.zoom, self.zoom_tokens, self.zoom_mass) {
                (Some(thoughts), ..) => Some(Zoom::Thoughts(thoughts)),
                (_, Some(tokens), _) => Some(Zoom::Tokens(tokens)),
                (.., share) => share.map(Zoom::Mass),
            },
            blocks: self.blocks.map(|Blocks(size)| size),
            preset: self.preset,
            zoom_share: self.zoom_share,
            block_scope: self.block_scope,
            prefill: self.prefill,
            at_hand: self.at_hand,
            kv: self.kv,
            usual,
            window: self.window,
            keep_prompt: self.keep_prompt,
            sinks: self.sinks,
            budget: self.budget,
            buffer: self.buffer,
            summaries: self.summaries,
            resident_thoughts: self.resident_thoughts,
            page_size: self.page_size,
            cap: self.cap,
            segmenter: self.segmenter()?,
            thought_tokens: self.thought_tokens.clone(),
            trigger: self.trigger()?,
            summary_open: self.summary_open.clone(),
            summary_close: self.summary_close.clone(),
            summary_tokens: self.summary_tokens,
            chunk: self.chunk,
        })
    }

    fn trigger(&self) -> Result<Option<Trigger>> {
        if self.pressure_limit.is_some() && self.trigger != Some(TriggerKind::Pressure) {
            bail!(
                "--pressure-limit: only trigger `pressure` has one; add --trigger pressure, or leave it out"
            );
        }
        let Some(kind) = self.trigger else { return Ok(None) };
        Ok(Some(match (kind, self.pressure_limit) {
            (TriggerKind::Pooled, _) => Trigger::Pooled,
            (TriggerKind::Forced, _) => Trigger::Forced,
            (TriggerKind::Model, _) => Trigger::ModelEmitted,
            (TriggerKind::Pressure, limit) => {
                Trigger::Pressure { limit: limit.context("--pressure-limit: trigger `pressure` needs it")? }
            }
        }))
    }

    fn segmenter(&self) -> Result<Option<pretrained::SegmenterKind>> {
        if self.markers.is_some() && self.segmenter != Some(SegmenterKind::Markers) {
            bail!(
                "--markers: only segmenter `markers` goes by them; add --segmenter markers, or leave them out"
            );
        }
        let Some(kind) = self.segmenter else { return Ok(None) };
        Ok(Some(match kind {
            SegmenterKind::Paragraphs => pretrained::SegmenterKind::Paragraphs,
            SegmenterKind::Budget => pretrained::SegmenterKind::Budget,
            SegmenterKind::Markers => {
                pretrained::SegmenterKind::Markers(markers(self.markers.as_deref().unwrap_or(""))?)
            }
        }))
    }
}

/// What `--blocks` says.
#[derive(Clone, Copy, Debug)]
struct Blocks(Option<usize>);

fn blocks(text: &str) -> Result<Blocks, String> {
    match text {
        "off" => Ok(Blocks(None)),
        text => text.parse().map(|size| Blocks(Some(size))).map_err(|_| "give 4, 8, 16 or off".to_owned()),
    }
}

/// The settings that lines of `--setting` name, or else the `default` ones, over what else is given, for a model that was
/// taught `format`.
///
/// # Errors
/// Names the line, and the part of it that is wrong, or says that it is given twice.
pub(crate) fn settings(
    lines: &[String],
    default: &[&str],
    method: &MethodArgs,
    format: Option<&ReasoningFormat>,
    usual: Usual,
) -> Result<Vec<Setting>> {
    let line = |line: &str| setting(line, method, format, usual);
    let settings: Vec<Setting> = match lines {
        [] => default.iter().copied().map(line).collect::<Result<_>>()?,
        lines => lines.iter().map(String::as_str).map(line).collect::<Result<_>>()?,
    };
    match repeated(&settings) {
        Some(name) => bail!("--setting {name}: it is given twice; give each once"),
        None => Ok(settings),
    }
}

/// As [`settings`], one of them.
///
/// # Errors
/// As there.
pub(crate) fn setting(
    line: &str,
    method: &MethodArgs,
    format: Option<&ReasoningFormat>,
    usual: Usual,
) -> Result<Setting> {
    let method = method.options(usual)?;
    let setting = Setting::parse_over(line, |head| method.base_of(head, format));
    setting.map_err(|error| anyhow!("--setting {line}: {error}"))
}

/// The library's error in the command line's words.
fn flagged(error: MethodError) -> Error {
    match error {
        MethodError::Core(zoomr_core::Error::Setting { name, reason }) => anyhow!("--{name}: {reason}"),
        MethodError::Frame { setting, source } => Error::new(source).context(format!("--{setting}")),
        MethodError::NoTokenizer { setting } => {
            anyhow!("--{setting}: the model has no tokenizer to make tokens of it; leave it out")
        }
        other => other.into(),
    }
}

fn markers(list: &str) -> Result<[String; 4]> {
    let parts: Vec<String> = list.split(',').map(|part| part.trim().to_owned()).collect();
    let count = parts.len();
    parts
        .try_into()
        .map_err(|_| anyhow!("--markers: `{list}` has {count} markers; give four, separated by commas"))
}
