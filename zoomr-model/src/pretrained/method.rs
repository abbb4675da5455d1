//! What a caller asks of the method, and what it gets where it leaves something open: what the model was taught, if
//! anything, and else the defaults.

use std::{num::NonZeroUsize, ops::RangeInclusive};

use zoomr_core::{
    Error,
    config::{AtHand, BlockScope, Options, PolicyKind, Prefill, Preset, Scope, Settings, SummaryVisibility},
    kv::KvDtype,
    segment::{Budget, Marker, MarkerPair, Markers, Paragraphs, Segmenter},
    select::Zoom,
    trigger::Trigger,
};

use super::{MethodError, Usual};
use crate::{
    engine::{EngineOptions, SummaryText},
    reasoning_format::ReasoningFormat,
    setting::SettingHead,
    text::{stop::StopTokens, tokenizer::Tokenizer},
};

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

/// What a decoding step attends to, and how a text falls into thoughts; `None` leaves it to the model and the defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodOptions {
    /// What a step attends to.
    pub policy: Option<PolicyKind>,
    /// Whose votes count.
    pub scope: Option<Scope>,
    /// Thoughts that each query head votes for.
    pub votes: Option<usize>,
    /// How much is zoomed into; by default less where thoughts get summaries. With blocks, [`Zoom::Tokens`] is the most
    /// tokens of them, and the others speak of whole thoughts.
    pub zoom: Option<Zoom>,
    /// Tokens of a block, or `None` to zoom into whole thoughts. By default blocks of 4, where policy is `zoomr`, the model
    /// was not taught the method, thoughts are pooled or forced, and nothing else speaks of whole thoughts.
    pub blocks: Option<Option<usize>>,
    /// Numbers of blocks that go together; what else is given goes before them.
    pub preset: Option<Preset>,
    /// The least share of attention per 16 tokens that a block must promise.
    pub zoom_share: Option<f64>,
    /// Whose shares choose blocks.
    pub block_scope: Option<BlockScope>,
    /// What rows of a prompt attend to, with blocks.
    pub prefill: Option<Prefill>,
    /// How much is at hand for blocks to be chosen from.
    pub at_hand: Option<AtHand>,
    /// The most recent tokens, always attended in full.
    pub window: Option<usize>,
    /// How many of the prompt's first tokens stay visible.
    pub keep_prompt: Option<usize>,
    /// First tokens that policy `window` keeps.
    pub sinks: Option<usize>,
    /// Tokens per layer and head that policies `h2o` and `rkv` keep, and that `quest` attends.
    pub budget: Option<usize>,
    /// Generated tokens from one compression of policy `rkv` to the next.
    pub buffer: Option<usize>,
    /// Whose summaries are visible.
    pub summaries: Option<SummaryVisibility>,
    /// Thoughts per layer whose detail may stay resident outside of the window.
    pub resident_thoughts: Option<usize>,
    /// What keys and values are stored as.
    pub kv: Option<KvDtype>,
    /// What is usual where the method will run.
    pub usual: Usual,
    /// Tokens per page of KV memory.
    pub page_size: Option<usize>,
    /// The most resident KV memory, in bytes.
    pub cap: Option<u64>,
    /// What cuts a text into thoughts; by default the model's own markers, else paragraphs.
    pub segmenter: Option<SegmenterKind>,
    /// The length of thoughts in tokens; by default longer where thoughts get summaries.
    pub thought_tokens: Option<RangeInclusive<usize>>,
    /// When a summary is due, and who writes it; by default [`Trigger::ModelEmitted`] where the model was taught to
    /// write summaries, else [`Trigger::Pooled`].
    pub trigger: Option<Trigger>,
    /// What opens a summary that the engine asks for.
    pub summary_open: Option<String>,
    /// What closes it.
    pub summary_close: Option<String>,
    /// The most tokens in between.
    pub summary_tokens: NonZeroUsize,
    /// Tokens of a prompt, or of a text to score, that are computed at once.
    pub chunk: NonZeroUsize,
}

/// The segmenters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmenterKind {
    /// Blank lines, within a minimum and a maximum length.
    Paragraphs,
    /// A fixed length.
    Budget,
    /// What begins and ends a thought, and what begins and ends a summary. A number is a token id, and so is the name
    /// of a special token, which has no text; all else is text.
    Markers([String; 4]),
}

impl Default for MethodOptions {
    fn default() -> Self {
        Self {
            policy: None,
            scope: None,
            votes: None,
            zoom: None,
            blocks: None,
            preset: None,
            zoom_share: None,
            block_scope: None,
            prefill: None,
            at_hand: None,
            window: None,
            keep_prompt: None,
            sinks: None,
            budget: None,
            buffer: None,
            summaries: None,
            resident_thoughts: None,
            kv: None,
            usual: Usual::default(),
            page_size: None,
            cap: None,
            segmenter: None,
            thought_tokens: None,
            trigger: None,
            summary_open: None,
            summary_close: None,
            summary_tokens: const { NonZeroUsize::MIN.saturating_add(7) },
            chunk: const { NonZeroUsize::MIN.saturating_add(255) },
        }
    }
}

impl MethodOptions {
    /// Refuses what no model could make good.
    ///
    /// # Errors
    /// [`MethodError::Core`], which names the setting.
    pub fn check(&self) -> Result<(), MethodError> {
        self.settings(None)?;
        self.contradiction().map_or(Ok(()), Err)?;
        self.segmenter(None, None).map(drop)
    }

    /// The segmenter, and everything else that an engine goes by. `end` are the tokens that end a text, `format` what
    /// the model was taught.
    ///
    /// # Errors
    /// [`MethodError`]: as [`check`](Self::check), where the summaries' frame cannot be tokenized, and where the model's
    /// own markers are none.
    pub fn resolve(
        &self,
        tokenizer: Option<&Tokenizer>,
        end: StopTokens,
        format: Option<&ReasoningFormat>,
    ) -> Result<(Box<dyn Segmenter>, EngineOptions), MethodError> {
        let trigger = self.trigger(format);
        // A tokenizer of few words has none for a frame that nobody will write.
        let (open, close) = if trigger.asks_the_engine() { (OPEN, CLOSE) } else { ("", "") };
        let summary = SummaryText {
            open: frame("summary-open", tokenizer, self.summary_open.as_deref(), open)?,
            close: frame("summary-close", tokenizer, self.summary_close.as_deref(), close)?,
            limit: self.summary_tokens,
            end,
        };
        let options = EngineOptions { settings: self.settings(format)?, trigger, summary, chunk: self.chunk };
        Ok((self.segmenter(tokenizer, format)?, options))
    }

    /// What a setting's line is laid over, which names a policy and maybe blocks or a preset.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn base_of(&self, line: &SettingHead, format: Option<&ReasoningFormat>) -> Result<Options, Error> {
        let mut options = Self { policy: Some(line.policy), ..self.clone() };
        if line.policy != PolicyKind::Zoomr || line.blocks == Some(None) {
            // What was said of blocks, was said of zoomr's.
            (options.blocks, options.preset, options.zoom_share) = (None, None, None);
            (options.block_scope, options.prefill, options.at_hand) = (None, None, None);
        }
        options.blocks = line.blocks.or(options.blocks);
        options.preset = line.preset.or(options.preset);
        Ok((*options.settings(format)?).clone())
    }

    fn settings(&self, format: Option<&ReasoningFormat>) -> Result<Settings, Error> {
        let taught = format.map_or_else(Options::default, |format| format.method.clone());
        let policy = self.policy.unwrap_or(taught.policy);
        let base = match self.blocks_of(policy, &taught, format) {
            Some(size) if taught.blocks.is_none() || self.preset.is_some() => {
                Options { blocks: Some(size), ..self.preset.unwrap_or_default().over(&taught) }
            }
            blocks => Options { blocks, ..taught },
        };
        let needs_blocks =
            self.needs_blocks().filter(|_| policy == PolicyKind::Zoomr && base.blocks.is_none());
        if let Some(name) = needs_blocks {
            let reason = "whole thoughts do not go by it; give blocks 4, too, or leave it out".to_owned();
            return Err(Error::Setting { name, reason });
        }
        let usual = if self.trigger(format).asks_the_engine() { SUMMARISED_ZOOM } else { base.zoom };
        let (zoom, zoom_tokens) = match (base.blocks, self.zoom) {
            (Some(_), Some(Zoom::Tokens(most))) => (base.zoom, Some(most)),
            (Some(_), _) => (base.zoom, base.zoom_tokens),
            (None, zoom) => (zoom.unwrap_or(usual), base.zoom_tokens),
        };
        Settings::try_from(Options {
            policy,
            scope: self.scope.unwrap_or(base.scope),
            votes: self.votes.unwrap_or(base.votes),
            zoom,
            zoom_tokens,
            zoom_share: self.zoom_share.unwrap_or(base.zoom_share),
            block_scope: self.block_scope.unwrap_or(base.block_scope),
            prefill: self.prefill.unwrap_or(base.prefill),
            at_hand: self.at_hand.unwrap_or(match base.at_hand {
                AtHand::All if policy == PolicyKind::Zoomr && base.blocks.is_some() => self.usual.at_hand,
                taught => taught,
            }),
            window: self.window.unwrap_or(base.window),
            keep_prompt: self.keep_prompt.or(base.keep_prompt),
            sinks: self.sinks.unwrap_or(base.sinks),
            budget: self.budget.unwrap_or(base.budget),
            buffer: self.buffer.unwrap_or(base.buffer),
            summaries: self.summaries.unwrap_or(base.summaries),
            resident_thoughts: self.resident_thoughts.or(base.resident_thoughts),
            // A model that was taught the method, was taught it as stored there.
            kv: self.kv.unwrap_or(if format.is_some() { base.kv } else { self.usual.kv }),
            // No block lies on two pages.
            page_size: self.page_size.unwrap_or(
                base.page_size.next_multiple_of(base.blocks.filter(|&size| size > 0).unwrap_or(1)),
            ),
            cap: self.cap.or(base.cap),
            ..base
        })
    }

    pub(super) fn trigger(&self, format: Option<&ReasoningFormat>) -> Trigger {
        let taught = if format.is_some() { Trigger::ModelEmitted } else { Trigger::Pooled };
        self.trigger.unwrap_or(taught)
    }

    /// How long a thought may be, in tokens.
    fn thought_range(&self, format: Option<&ReasoningFormat>) -> RangeInclusive<usize> {
        let asks = self.trigger(format).asks_the_engine();
        let default = if asks { SUMMARISED_TOKENS } else { POOLED_TOKENS };
        self.thought_tokens.clone().unwrap_or(default)
    }

    /// How long a thought will be, in tokens, as far as that can be known before there is a text: exactly with segmenter
    /// `budget`, the middle of the range with the others.
    pub fn expected_thought(&self, format: Option<&ReasoningFormat>) -> usize {
        let range = self.thought_range(format);
        match self.segmenter {
            Some(SegmenterKind::Budget) => *range.end(),
            _ => range.start().midpoint(*range.end()),
        }
    }

    /// The longest that thoughts may be, in tokens, where they are `usual` long as a rule; only paragraphs are cut by
    /// length and differ in it.
    pub fn longest_thought(&self, usual: NonZeroUsize, format: Option<&ReasoningFormat>) -> NonZeroUsize {
        let paragraphs = match &self.segmenter {
            Some(kind) => *kind == SegmenterKind::Paragraphs,
            None => format.is_none(),
        };
        let longest = NonZeroUsize::new(*self.thought_range(format).end());
        longest.filter(|_| paragraphs).map_or(usual, |longest| longest.max(usual))
    }

    fn segmenter(
        &self,
        tokenizer: Option<&Tokenizer>,
        format: Option<&ReasoningFormat>,
    ) -> Result<Box<dyn Segmenter>, MethodError> {
        let tokens = self.thought_range(format);
        Ok(match (&self.segmenter, format, tokenizer) {
            (None, Some(format), Some(tokenizer)) => Box::new(format.segmenter(tokenizer)?),
            (None | Some(SegmenterKind::Paragraphs), ..) => Box::new(Paragraphs::new(tokens)?),
            (Some(SegmenterKind::Budget), ..) => {
                let none = || Error::Setting {
                    name: "thought-tokens",
                    reason: "thoughts of 0 tokens cannot be".to_owned(),
                };
                Box::new(Budget::new(NonZeroUsize::new(*tokens.end()).ok_or_else(none)?))
            }
            (Some(SegmenterKind::Markers(markers)), ..) => {
                let [a, b, c, d] = markers.each_ref().map(|text| marker(text, tokenizer));
                Box::new(Markers::new(MarkerPair { begin: a, end: b }, MarkerPair { begin: c, end: d })?)
            }
        })
    }
}

/// The tokens of a part of a summary's frame. Without a tokenizer there are no words, and a summary is what the model
/// writes next.
fn frame(
    setting: &'static str,
    tokenizer: Option<&Tokenizer>,
    given: Option<&str>,
    default: &str,
) -> Result<Vec<u32>, MethodError> {
    match (tokenizer, given) {
        (Some(tokenizer), given) => {
            let tokens = tokenizer.encode_verbatim(given.unwrap_or(default));
            tokens.map_err(|source| MethodError::Frame { setting, source })
        }
        (None, None) => Ok(Vec::new()),
        (None, Some(_)) => Err(MethodError::NoTokenizer { setting }),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reasoning_format;

    #[test]
    fn thoughts_with_summaries_are_long_and_few_are_zoomed_into() {
        let pooled = MethodOptions::default();
        let forced =
            MethodOptions { trigger: Some(Trigger::Forced), blocks: Some(None), ..MethodOptions::default() };
        assert_eq!([&pooled, &forced].map(|options| options.expected_thought(None)), [56, 160]);
        let zoom = |options: &MethodOptions| options.settings(None).unwrap().zoom;
        assert_eq!(zoom(&pooled), Options::default().zoom);
        assert_eq!(zoom(&forced), Zoom::Thoughts(1));
        assert_eq!(zoom(&MethodOptions { zoom: Some(Zoom::Thoughts(3)), ..forced }), Zoom::Thoughts(3));
    }

    #[test]
    fn blocks_are_usual_where_nothing_speaks_of_whole_thoughts() {
        let base = MethodOptions::default;
        let settings = |options: MethodOptions| options.settings(None).unwrap();
        let usual = settings(base());
        assert_eq!((usual.blocks, usual.window, usual.zoom_share), (Some(4), 32, 0.006));
        assert_eq!(settings(MethodOptions { trigger: Some(Trigger::Forced), ..base() }).blocks, Some(4));
        let sixteen = settings(MethodOptions { blocks: Some(Some(16)), ..base() });
        assert_eq!((sixteen.blocks, sixteen.page_size), (Some(16), 16), "a block lies on one page");
        let budget =
            settings(MethodOptions { zoom: Some(Zoom::Tokens(99)), preset: Some(Preset::Small), ..base() });
        assert_eq!((budget.blocks, budget.zoom_tokens, budget.zoom_share), (Some(4), Some(99), 0.012));
        for whole in [
            MethodOptions { zoom: Some(Zoom::Thoughts(3)), ..base() },
            MethodOptions { votes: Some(3), ..base() },
            MethodOptions { trigger: Some(Trigger::ModelEmitted), ..base() },
            MethodOptions { policy: Some(PolicyKind::Window), ..base() },
            MethodOptions { blocks: Some(None), ..base() },
        ] {
            let settings = settings(whole);
            assert_eq!((settings.blocks, settings.window), (None, Options::default().window));
        }
        let method = Options { window: 64, ..Options::default() };
        let format = ReasoningFormat { markers: reasoning_format::Markers::on_lines("<end>"), method };
        let taught = base().settings(Some(&format)).unwrap();
        assert_eq!((taught.blocks, taught.window), (None, 64), "a model that was taught the method keeps it");
        let small = MethodOptions { preset: Some(Preset::Small), ..base() };
        assert_eq!(small.settings(Some(&format)).unwrap().blocks, Some(4));
    }

    #[test]
    fn what_is_at_hand_is_everything_unless_there_is_a_colder_tier_or_something_was_said() {
        let at_hand = |options: MethodOptions| {
            let options =
                MethodOptions { usual: Usual { at_hand: AtHand::Quarter, ..Usual::default() }, ..options };
            options.settings(None).unwrap().at_hand
        };
        assert_eq!(MethodOptions::default().settings(None).unwrap().at_hand, AtHand::All);
        assert_eq!(at_hand(MethodOptions::default()), AtHand::Quarter);
        assert_eq!(
            at_hand(MethodOptions { at_hand: Some(AtHand::All), ..MethodOptions::default() }),
            AtHand::All
        );
        assert_eq!(at_hand(MethodOptions { blocks: Some(None), ..MethodOptions::default() }), AtHand::All);
        let oracle = MethodOptions {
            policy: Some(PolicyKind::Oracle),
            blocks: Some(Some(4)),
            ..MethodOptions::default()
        };
        assert_eq!(at_hand(oracle), AtHand::All);
        let whole = MethodOptions {
            trigger: Some(Trigger::ModelEmitted),
            at_hand: Some(AtHand::All),
            ..MethodOptions::default()
        };
        assert!(whole.settings(None).unwrap_err().to_string().contains("`at-hand`"));
    }

    #[test]
    fn blocks_and_whole_thoughts_contradict_each_other() {
        let base = MethodOptions::default;
        for (options, named) in [
            (MethodOptions { blocks: Some(Some(4)), votes: Some(2), ..base() }, "votes"),
            (MethodOptions { zoom_share: Some(0.1), zoom: Some(Zoom::Mass(0.5)), ..base() }, "zoom-mass"),
            (MethodOptions { preset: Some(Preset::Small), blocks: Some(None), ..base() }, "preset"),
            (
                MethodOptions { zoom_share: Some(0.1), policy: Some(PolicyKind::Window), ..base() },
                "zoom-share",
            ),
            (MethodOptions { blocks: Some(Some(4)), policy: Some(PolicyKind::Full), ..base() }, "blocks"),
        ] {
            let error = options.check().unwrap_err().to_string();
            assert!(error.contains(&format!("`{named}`")), "{error}");
        }
    }

    #[test]
    fn what_no_model_could_make_good_is_refused() {
        let zero = |segmenter| MethodOptions {
            segmenter: Some(segmenter),
            thought_tokens: Some(0..=0),
            ..MethodOptions::default()
        };
        for kind in [SegmenterKind::Budget, SegmenterKind::Paragraphs] {
            let error = zero(kind).check().unwrap_err().to_string();
            assert!(error.contains("`thought-tokens`"), "{error}");
        }
        let frame = MethodOptions { summary_open: Some("(".to_owned()), ..MethodOptions::default() };
        let error = frame.resolve(None, StopTokens::default(), None).unwrap_err();
        assert!(matches!(error, MethodError::NoTokenizer { setting: "summary-open" }), "{error}");
    }
}
