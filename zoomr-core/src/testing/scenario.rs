//! Random sequences, settings and layers, and the loop that drives a session through them.

use std::{num::NonZeroUsize, ops::Range};

use burn::tensor::{Device, backend::Backend};
use proptest::prelude::*;

use super::host::Host;
use crate::{
    Error,
    config::{AtHand, BlockScope, Options, PolicyKind, Prefill, Scope, Settings, SummaryVisibility},
    kernels::AttentionKernels,
    kv::KvDtype,
    layer::LayerSpec,
    policy::rkv,
    segment::{Budget, Due, Marker, MarkerPair, Markers, Paragraphs, Role, Segmenter},
    select::Zoom,
    session::{Feed, ForwardPass, SequenceId, Session},
    token::Token,
    trigger::Trigger,
};

/// The tokens that a driven engine writes as a forced summary.
const FORCED_SUMMARY: [u32; 3] = [7, 8, 7];

/// How a scenario's sequences are segmented.
#[derive(Clone, Copy, Debug)]
pub enum Segmentation {
    /// [`Budget`] of so many tokens.
    Budget(usize),
    /// [`Paragraphs`] of so many tokens at most; token 5 is a blank line, 6 a newline.
    Paragraphs(usize),
    /// [`Markers`] with the ids 1 to 4, which a random sequence balances badly.
    Markers,
}

impl Segmentation {
    fn segmenter(self) -> Result<Box<dyn Segmenter>, Error> {
        let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
        Ok(match self {
            Self::Budget(tokens) => {
                Box::new(Budget::new(NonZeroUsize::new(tokens).unwrap_or(NonZeroUsize::MIN)))
            }
            Self::Paragraphs(most) => Box::new(Paragraphs::new(2..=most.max(2))?),
            Self::Markers => Box::new(Markers::new(pair(1, 2), pair(3, 4))?),
        })
    }
}

/// A host model, settings, and one sequence.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The model.
    pub host: Host,
    /// The settings.
    pub options: Options,
    /// How thoughts are recognised.
    pub segmentation: Segmentation,
    /// How they are summarised.
    pub trigger: Trigger,
    /// The sequence, its prompt first.
    pub tokens: Vec<u32>,
    /// Tokens of the prompt.
    pub prompt: usize,
}

/// Random scenarios of at most `tokens` tokens.
pub fn scenarios(tokens: Range<usize>) -> impl Strategy<Value = Scenario> {
    let sequence = prop::collection::vec(prop_oneof![2 => 1..5u32, 1 => 5..7u32, 5 => 9..20u32], tokens);
    let trigger = prop_oneof![Just(Trigger::Pooled), Just(Trigger::Forced), Just(Trigger::ModelEmitted)];
    let segmentation = prop_oneof![
        (1..9usize).prop_map(Segmentation::Budget),
        (2..12usize).prop_map(Segmentation::Paragraphs),
        Just(Segmentation::Markers),
    ];
    let kv = prop::sample::select(KvDtype::ALL);
    (hosts(), options(), segmentation, trigger, sequence, 0..14usize, kv).prop_map(
        |(host, options, segmentation, trigger, tokens, prompt, kv)| {
            let prompt = prompt.min(tokens.len());
            let options = Options { kv, ..options };
            Scenario { host, options, segmentation, trigger, tokens, prompt }
        },
    )
}

fn hosts() -> impl Strategy<Value = Host> {
    let window = prop_oneof![3 => Just(None), 1 => (1..9usize).prop_map(NonZeroUsize::new)];
    let layer = (1..3usize, 1..4usize, 1..6usize, window);
    (prop::collection::vec(layer, 1..5), any::<u64>()).prop_map(|(layers, seed)| {
        let spec = |(kv_heads, group, head_dim, sliding_window): (usize, usize, usize, _)| LayerSpec {
            query_heads: kv_heads * group,
            kv_heads,
            head_dim,
            scale: (head_dim as f32).sqrt().recip(),
            sliding_window,
        };
        Host { layers: layers.into_iter().map(spec).collect(), seed }
    })
}

fn options() -> impl Strategy<Value = Options> {
    let policy = prop::sample::select(PolicyKind::ALL);
    let zoom = prop_oneof![
        4 => (0..4usize).prop_map(Zoom::Thoughts),
        1 => (0..20usize).prop_map(Zoom::Tokens),
        1 => (0.0..1.0f64).prop_map(Zoom::Mass),
    ];
    let choice = (prop::sample::select(Scope::ALL), prop::sample::select(SummaryVisibility::ALL));
    let pages = (prop_oneof![2 => (1..8usize).prop_map(|size| (size, None)), 1 => blocks()], 1..4usize);
    let sizes = (1..4usize, 1..16usize, prop::option::of(0..6usize), pages, prop::option::of(0..5usize));
    let budgets = (1..30usize, rkv::OBSERVING..14);
    (policy, zoom, choice, sizes, budgets).prop_map(
        |(
            policy,
            zoom,
            (scope, summaries),
            (votes, window, keep_prompt, ((page_size, blocks), slab_pages), resident_thoughts),
            (budget, buffer),
        )| Options {
            policy,
            scope,
            votes,
            zoom,
            window,
            keep_prompt,
            summaries: if blocks.is_some() { SummaryVisibility::All } else { summaries },
            blocks: blocks.map(|blocks| blocks.size),
            zoom_share: blocks.map_or(0.0, |blocks| blocks.share),
            block_scope: blocks.map_or(BlockScope::Kv, |blocks| blocks.scope),
            spread_tokens: blocks.map_or(1, |blocks| blocks.spread_tokens),
            prefill: blocks.map_or(Prefill::Full, |blocks| blocks.prefill),
            at_hand: blocks.map_or(AtHand::All, |blocks| blocks.at_hand),
            passage_tokens: blocks.map_or(64, |blocks| blocks.passage_tokens),
            budget: budget_for(policy, budget),
            buffer,
            resident_thoughts,
            page_size,
            slab_pages,
            ..Options::default()
        },
    )
}

/// Settings of blocks. No limit on their tokens: where shares tie, rounding would say which of them are chosen.
#[derive(Clone, Copy, Debug)]
struct BlockSettings {
    size: usize,
    share: f64,
    scope: BlockScope,
    spread_tokens: usize,
    prefill: Prefill,
    at_hand: AtHand,
    passage_tokens: usize,
}

/// Tokens of a page, and settings of blocks that fill it.
fn blocks() -> impl Strategy<Value = (usize, Option<BlockSettings>)> {
    let share = prop_oneof![3 => 0.0..0.6f64, 1 => Just(0.0)];
    let scope = prop::sample::select(BlockScope::ALL);
    let at_hand = prop_oneof![1 => Just(AtHand::All), 1 => (0..20usize).prop_map(AtHand::Tokens)];
    let what = (at_hand, prop::sample::select(Prefill::ALL));
    let sizes = (1..5usize, 1..3usize, 1..4usize);
    (sizes, share, scope, 1..20usize, what).prop_map(
        |((size, times, passage), share, scope, spread_tokens, (at_hand, prefill))| {
            let passage_tokens = size * passage;
            let blocks =
                BlockSettings { size, share, scope, spread_tokens, prefill, at_hand, passage_tokens };
            (size * times, Some(blocks))
        },
    )
}

/// The budget, or what the policy takes at least.
fn budget_for(policy: PolicyKind, budget: usize) -> usize {
    if policy == PolicyKind::Rkv { budget.max(rkv::OBSERVING + 1) } else { budget }
}

/// A session with one sequence, fed by a scenario.
#[derive(Debug)]
pub struct Driven<'a, B: Backend, K: AttentionKernels<B>> {
    /// The session.
    pub session: Session<B, K>,
    /// Its first sequence.
    pub id: SequenceId,
    scenario: &'a Scenario,
    device: Device<B>,
}

impl Scenario {
    /// Puts another policy in force.
    pub(super) fn set_policy(&mut self, policy: PolicyKind) {
        self.options.budget = budget_for(policy, self.options.budget);
        self.options.policy = policy;
    }

    /// The scenario's session, still without tokens.
    ///
    /// # Errors
    /// What the core says of the settings.
    pub fn start<B: Backend, K: AttentionKernels<B>>(
        &self,
        kernels: K,
        device: &Device<B>,
    ) -> Result<Driven<'_, B, K>, Error> {
        let settings = Settings::try_from(self.options.clone())?;
        let mut session = Session::new(&self.host.layers, settings, kernels, device)?;
        let id = session.add_sequence(self.segmentation.segmenter()?, self.trigger);
        Ok(Driven { session, id, scenario: self, device: device.clone() })
    }
}

impl<B: Backend, K: AttentionKernels<B>> Driven<'_, B, K> {
    /// Where the session computes.
    pub fn device(&self) -> &Device<B> {
        &self.device
    }

    /// Adds another sequence, segmented likewise.
    ///
    /// # Errors
    /// What the core says.
    pub fn add(&mut self) -> Result<SequenceId, Error> {
        Ok(self.session.add_sequence(self.scenario.segmentation.segmenter()?, self.scenario.trigger))
    }

    /// Feeds the whole scenario, `chunk(i)` tokens the `i`-th time; returns each row's outputs, those of
    /// forced summaries included.
    ///
    /// # Errors
    /// What the core says.
    pub fn run(&mut self, chunk: impl FnMut(usize) -> usize) -> Result<Vec<Vec<f64>>, Error> {
        self.feed(self.id, 0..self.scenario.tokens.len(), chunk)
    }

    /// Feeds tokens `range` of the scenario to sequence `id`.
    ///
    /// # Errors
    /// What the core says.
    pub fn feed(
        &mut self,
        id: SequenceId,
        range: Range<usize>,
        chunk: impl FnMut(usize) -> usize,
    ) -> Result<Vec<Vec<f64>>, Error> {
        self.feed_of(&self.scenario.tokens, id, range, chunk)
    }

    /// As [`feed`](Self::feed), of other `tokens`.
    ///
    /// # Errors
    /// What the core says.
    pub fn feed_of(
        &mut self,
        tokens: &[u32],
        id: SequenceId,
        range: Range<usize>,
        mut chunk: impl FnMut(usize) -> usize,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let (mut outputs, mut at, mut fed) = (Vec::new(), range.start, 0);
        while at < range.end {
            let prompt = self.scenario.prompt;
            let (role, end) =
                if at < prompt { (Role::Prompt, prompt.min(range.end)) } else { (Role::Stream, range.end) };
            let end = end.min(at + chunk(fed).max(1));
            let (accepted, rows) = self.step(id, &tokens[at..end], role)?;
            outputs.extend(rows);
            at += accepted;
            fed += 1;
            if self.session.due(id)? == Due::Summary {
                outputs.extend(self.summarise(id)?);
            }
        }
        Ok(outputs)
    }

    /// Feeds `tokens` in one step; returns how many were accepted, and their rows' outputs.
    ///
    /// # Errors
    /// What the core says.
    pub fn step(
        &mut self,
        id: SequenceId,
        tokens: &[u32],
        role: Role,
    ) -> Result<(usize, Vec<Vec<f64>>), Error> {
        let with_text: Vec<Token<'_>> = tokens.iter().map(|&id| Token { id, text: text(id) }).collect();
        let scope = self.scenario.options.scope;
        let feed = Feed { sequence: id, tokens: &with_text, role, scope };
        let (host, device) = (&self.scenario.host, &self.device);
        let run = |pass: &mut ForwardPass<'_, B, K>, accepted: &[usize]| {
            host.forward(pass, &tokens[..accepted[0]], device)
        };
        self.session.step(&[feed], run)?.single()
    }

    fn summarise(&mut self, id: SequenceId) -> Result<Vec<Vec<f64>>, Error> {
        self.session.open_summary(id)?;
        let mut outputs = Vec::new();
        for token in FORCED_SUMMARY {
            outputs.extend(self.step(id, &[token], Role::Stream)?.1);
        }
        self.session.close_summary(id)?;
        Ok(outputs)
    }
}

/// What a token of a scenario says.
pub fn text(token: u32) -> &'static [u8] {
    match token {
        5 => b".\n\n",
        6 => b"\n",
        _ => b"word ",
    }
}
