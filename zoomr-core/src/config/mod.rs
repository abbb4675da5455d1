//! Settings of the method, parsed into a value that cannot be invalid.
//!
//! [`Options`] is what a user writes; [`Settings`] is what the rest of the crate takes. The only way from one
//! to the other is `Settings::try_from(options)`.

mod at_hand;

use serde::{Deserialize, Serialize};

pub use self::at_hand::AtHand;
use crate::{
    Error,
    kv::KvDtype,
    policy::{
        Base, BlockOracle, Full, H2o, Oracle, Policy, Quest, Rkv, Summaries, Window, ZoomBlocks, Zoomr,
        quest, rkv,
    },
    select::{BlockRule, SHARE_UNITS, Zoom},
};

/// First tokens that stay visible with blocks, where nothing else is said; those of a system message come before them.
const KEPT: usize = 64;
/// The most of a system message that stays visible so.
const KEPT_OF_SYSTEM: usize = 256;

/// Which policy decides what a row sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyKind {
    /// See [`Full`].
    Full,
    /// See [`Window`].
    Window,
    /// See [`H2o`].
    H2o,
    /// See [`Rkv`].
    Rkv,
    /// See [`Quest`].
    Quest,
    /// See [`Summaries`].
    Summaries,
    /// See [`Zoomr`].
    Zoomr,
    /// See [`Oracle`].
    Oracle,
}

named!(PolicyKind, "policy",
    Full => "full", Window => "window", H2o => "h2o", Rkv => "rkv", Quest => "quest",
    Summaries => "summaries", Zoomr => "zoomr", Oracle => "oracle");

impl PolicyKind {
    /// Whether it can choose blocks, or pages of as many tokens.
    pub fn has_blocks(self) -> bool {
        matches!(self, Self::Zoomr | Self::Oracle | Self::Quest)
    }

    /// Whether it goes by a setting that only blocks have: `blocks`, `preset`, or one of [`Options`] by its name.
    pub fn goes_by(self, setting: &str) -> bool {
        match setting {
            "at-hand" | "passage-tokens" => self == Self::Zoomr,
            "preset" | "zoom-share" | "prefill" | "spread-tokens" => {
                matches!(self, Self::Zoomr | Self::Oracle)
            }
            _ => self.has_blocks(),
        }
    }
}

/// Which heads vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All heads of all layers, for the next step (the paper). One set for all layers, steady from step to
    /// step. Rows of a prompt, and the first step after a thought leaves the window, use [`Scope::Layer`].
    Global,
    /// Each layer's heads, at this step, for that layer (ours).
    Layer,
    /// All heads of all layers of this same step, by running it twice: for tests and tables.
    TwoPass,
}

named!(Scope, "scope", Global => "global", Layer => "layer", TwoPass => "two-pass");

/// Whose summaries a row sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SummaryVisibility {
    /// Those of the thoughts that got a vote (the paper).
    Voted,
    /// Those of all retired thoughts.
    All,
}

named!(SummaryVisibility, "summaries", Voted => "voted", All => "all");

/// Whose shares choose blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockScope {
    /// Those of the query heads that read a KV head, for that KV head.
    Kv,
    /// Those of all query heads of a layer, for the layer.
    Layer,
}

named!(BlockScope, "block-scope", Kv => "kv", Layer => "layer");

/// What rows of a prompt attend to, with blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Prefill {
    /// Everything before them.
    #[default]
    Full,
    /// What rows of generated text would.
    Zoom,
}

named!(Prefill, "prefill", Full => "full", Zoom => "zoom");

/// Numbers of blocks that go together. What each of them loses is measured in the repository's `docs/accuracy.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 0.01 to 0.02 nats per token over full attention.
    Faithful,
    /// 0.02 to 0.05.
    #[default]
    Balanced,
    /// 0.05 and more.
    Small,
}

named!(Preset, "preset", Faithful => "faithful", Balanced => "balanced", Small => "small");

impl Preset {
    /// `options` with the preset's numbers.
    ///
    /// | preset | `blocks` | `window` | `zoom-share` |
    /// |---|---|---|---|
    /// | `faithful` | 4 | 32 | 0.003 |
    /// | `balanced` | 4 | 32 | 0.006 |
    /// | `small` | 4 | 32 | 0.012 |
    pub fn over(self, options: &Options) -> Options {
        let zoom_share = match self {
            Self::Faithful => 0.003,
            Self::Balanced => 0.006,
            Self::Small => 0.012,
        };
        Options { blocks: Some(4), window: 32, zoom_share, ..options.clone() }
    }
}

/// Settings as a user writes them. Serialises with the names of the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Options {
    /// What rows see.
    pub policy: PolicyKind,
    /// Which heads vote.
    pub scope: Scope,
    /// `k`: the thoughts that each query head votes for; at least 1.
    pub votes: usize,
    /// `c`: how much a consensus zooms into.
    pub zoom: Zoom,
    /// `b`: tokens of a block, the unit that layers zoom into by their own queries; `None` to attend to whole thoughts.
    /// `oracle` chooses blocks too, and `quest` has pages of so many tokens; of other policies none looks at it.
    pub blocks: Option<usize>,
    /// The least share of attention per 16 tokens that a block must promise to be attended, from 0 (all blocks) to 1.
    pub zoom_share: f64,
    /// `A`: the most tokens of blocks that are attended; `None` for no limit but the share.
    pub zoom_tokens: Option<usize>,
    /// Whose shares choose blocks.
    pub block_scope: BlockScope,
    /// What rows of a prompt attend to, with blocks.
    pub prefill: Prefill,
    /// `R`: with blocks, the tokens of passages that are at hand beyond what rows see anyway.
    pub at_hand: AtHand,
    /// Tokens of a passage, what comes to hand and leaves it together; rounded up to whole blocks.
    pub passage_tokens: usize,
    /// Up to so many tokens everything is attended; what a sequence's keys are like is learnt from them.
    pub spread_tokens: usize,
    /// `W`: the most recent tokens, always attended, the current one included; at least 1.
    pub window: usize,
    /// `P`: how many of the prompt's first tokens stay visible; `None` for all, or with blocks, of whatever is first, for
    /// 64 besides a [system message](Settings::with_system_message).
    // Models were taught under the shorter name.
    #[serde(alias = "prompt")]
    pub keep_prompt: Option<usize>,
    /// First tokens that policy `window` keeps; 4 in StreamingLLM.
    pub sinks: usize,
    /// Tokens per layer and head that `h2o` and `rkv` keep, and that `quest` attends; at least 1, for `rkv` more
    /// than the 8 that it always keeps.
    pub budget: usize,
    /// Generated tokens from one compression of policy `rkv` to the next; 128 in its paper, at least 8.
    pub buffer: usize,
    /// Whose summaries are visible.
    pub summaries: SummaryVisibility,
    /// Thoughts per layer whose detail may stay resident outside of the window, zoomed ones included; the
    /// least recently zoomed leave first. `None` for as many as are zoomed.
    pub resident_thoughts: Option<usize>,
    /// Tokens per page: what the pool hands out. Small pages waste less at the ends of segments, large ones
    /// cost less bookkeeping. At most 1,024.
    pub page_size: usize,
    /// Pages that a pool grows by. 1 wastes nothing; a device whose kernels want few large buffers takes more.
    pub slab_pages: usize,
    /// What keys and values are stored as. What a model was taught without it, it was taught in f32.
    pub kv: KvDtype,
    /// The most bytes of resident KV memory; `None` for no limit.
    pub cap: Option<u64>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: PolicyKind::Zoomr,
            scope: Scope::Global,
            votes: 4,
            zoom: Zoom::Thoughts(2),
            blocks: None,
            zoom_share: 0.0,
            zoom_tokens: None,
            block_scope: BlockScope::Kv,
            prefill: Prefill::Full,
            at_hand: AtHand::All,
            passage_tokens: 8,
            spread_tokens: 160,
            window: 128,
            keep_prompt: None,
            sinks: 4,
            budget: 512,
            buffer: 128,
            summaries: SummaryVisibility::All,
            resident_thoughts: None,
            page_size: 8,
            slab_pages: 1,
            kv: KvDtype::F32,
            cap: None,
        }
    }
}

/// Checked settings.
///
/// ```
/// use zoomr_core::config::{Options, Settings};
/// assert!(Settings::try_from(Options::default()).is_ok());
/// let error = Settings::try_from(Options { window: 0, ..Options::default() }).unwrap_err();
/// assert_eq!(error.to_string(), "setting `window`: 0 tokens would hide a row from itself; give at least 1");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Settings(Options);

impl TryFrom<Options> for Settings {
    type Error = Error;

    fn try_from(options: Options) -> Result<Self, Error> {
        let refuse = |name, reason: &str| Err(Error::Setting { name, reason: reason.into() });
        if options.window == 0 {
            return refuse("window", "0 tokens would hide a row from itself; give at least 1");
        }
        if options.votes == 0 {
            return refuse("votes", "heads that cast no vote choose nothing; give at least 1");
        }
        if options.budget == 0 {
            return refuse("budget", "0 tokens would hide a row from itself; give at least 1");
        }
        if options.policy == PolicyKind::Rkv && options.budget <= rkv::OBSERVING {
            return refuse("budget", "policy `rkv` always keeps the last 8 tokens; give at least 9");
        }
        if options.buffer < rkv::OBSERVING {
            return refuse("buffer", "what is kept is judged by the last 8 tokens; give at least 8");
        }
        if !(1..=1024).contains(&options.page_size) {
            return refuse("page-size", "give 1 to 1024 tokens");
        }
        if options.slab_pages == 0 {
            return refuse("slab-pages", "a pool that grows by nothing holds nothing; give at least 1");
        }
        if let Zoom::Mass(share) = options.zoom
            && !(0.0..=1.0).contains(&share)
        {
            return refuse("zoom-mass", "a share of the softmax score lies between 0 and 1");
        }
        if let Some(block) = options.blocks {
            if block == 0 || !options.page_size.is_multiple_of(block) {
                let reason = format!(
                    "blocks of {block} tokens do not fill pages of {}; give 4, 8 or 16, and a page-size that is a multiple of it",
                    options.page_size
                );
                return Err(Error::Setting { name: "blocks", reason });
            }
            if options.summaries == SummaryVisibility::Voted {
                return refuse(
                    "summaries",
                    "with blocks no thought is voted for; show `all` summaries, or set blocks `off`",
                );
            }
        }
        if options.passage_tokens == 0 {
            return refuse("passage-tokens", "passages of no tokens hold nothing; give at least 1");
        }
        if options.spread_tokens == 0 {
            return refuse("spread-tokens", "nothing can be learnt from no tokens; give at least 1");
        }
        if !(0.0..=1.0).contains(&options.zoom_share) {
            return refuse("zoom-share", "a share of attention lies between 0 and 1");
        }
        if options.cap == Some(0) {
            return refuse("cap", "no KV memory at all cannot hold a token; leave the cap out for no limit");
        }
        Ok(Self(options))
    }
}

impl std::ops::Deref for Settings {
    type Target = Options;

    fn deref(&self) -> &Options {
        &self.0
    }
}

impl Settings {
    /// The same settings with other voters.
    #[must_use]
    pub fn with_scope(self, scope: Scope) -> Self {
        Self(Options { scope, ..self.0 })
    }

    /// The same settings for prompts that begin with a system message of so many tokens: with blocks it stays visible up to
    /// 256 tokens, besides the first 64 of the rest, unless something else was said.
    #[must_use]
    pub fn with_system_message(mut self, tokens: usize) -> Self {
        if self.policy().choice().blocks().is_some() && self.0.keep_prompt.is_none() {
            self.0.keep_prompt = Some(tokens.min(KEPT_OF_SYSTEM) + KEPT);
        }
        self
    }

    /// How layers zoom into blocks by their vectors, if they do.
    pub fn zoom_blocks(&self) -> Option<ZoomBlocks> {
        self.of_blocks().filter(|_| self.policy == PolicyKind::Zoomr)
    }

    /// Which blocks there are to choose from, however that is done.
    fn of_blocks(&self) -> Option<ZoomBlocks> {
        let size = self.blocks?;
        let rule = BlockRule {
            scope: self.block_scope,
            threshold: (self.zoom_share * f64::from(SHARE_UNITS)).round() as u32,
            most: self.zoom_tokens.unwrap_or(usize::MAX),
        };
        Some(ZoomBlocks {
            size,
            kept: self.keep_prompt.unwrap_or(KEPT),
            window: self.window,
            spread_tokens: self.spread_tokens,
            rule,
            prefill: self.prefill,
            passage: self.passage_tokens.next_multiple_of(size),
            at_hand: self.at_hand,
        })
    }

    /// The policy in force.
    pub fn policy(&self) -> Box<dyn Policy> {
        let prompt = self.keep_prompt.unwrap_or(usize::MAX);
        let summaries = self.summaries == SummaryVisibility::All;
        let base = Base { prompt, window: self.window, summaries };
        match self.policy {
            PolicyKind::Full => Box::new(Full),
            PolicyKind::Window => Box::new(Window { sinks: self.sinks, window: self.window }),
            PolicyKind::H2o => Box::new(H2o { budget: self.budget }),
            PolicyKind::Rkv => Box::new(Rkv { budget: self.budget, buffer: self.buffer }),
            PolicyKind::Quest => Box::new(Quest {
                budget: self.budget,
                page: self.blocks.unwrap_or(quest::PAGE),
                scope: self.blocks.map(|_| self.block_scope),
            }),
            PolicyKind::Summaries => Box::new(Summaries::new(prompt, self.window)),
            PolicyKind::Zoomr => match self.zoom_blocks() {
                Some(blocks) => Box::new(blocks),
                None => Box::new(Zoomr { base }),
            },
            PolicyKind::Oracle => match self.of_blocks() {
                // To find masses takes all of them.
                Some(blocks) => {
                    Box::new(BlockOracle { blocks: ZoomBlocks { at_hand: AtHand::All, ..blocks } })
                }
                None => Box::new(Oracle { base }),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_message_stays_visible_unless_something_else_was_said() {
        let kept = |options: Options, tokens: usize| {
            let settings = Settings::try_from(options).unwrap().with_system_message(tokens);
            (settings.keep_prompt, settings.zoom_blocks().map(|blocks| blocks.kept))
        };
        let blocks = Options { blocks: Some(4), ..Options::default() };
        assert_eq!(kept(blocks.clone(), 30), (Some(94), Some(94)));
        assert_eq!(kept(blocks.clone(), 4_000), (Some(320), Some(320)));
        assert_eq!(kept(Options { keep_prompt: Some(8), ..blocks.clone() }, 30), (Some(8), Some(8)));
        let oracle = Options { policy: PolicyKind::Oracle, ..blocks.clone() };
        assert_eq!(kept(oracle, 30).0, Some(94), "what it is compared with keeps as much");
        let window = Options { policy: PolicyKind::Window, ..blocks };
        assert_eq!(kept(window, 30).0, None);
        assert_eq!(kept(Options::default(), 30), (None, None), "all of the prompt does");
    }
}
