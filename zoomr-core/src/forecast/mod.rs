//! How much KV memory a run will take, from settings and sizes alone, in time that does not grow with its length.
//!
//! The same segments, pages and policy as in a run, over a stream whose thoughts all have one length, and their
//! summaries too, so that everything repeats and can be counted without being made. What a run's votes decide is
//! assumed: every zoomed thought lies outside of the window, has been cold before, and at the peak is as long as any.
//! One that has been zoomed into ever since it left the window has no copy in the cold tier yet: there a run may hold
//! less, by those thoughts' pages. Where tokens are evicted one by one, how many stay is known, though not which. With
//! blocks everything at hand is resident, as many tokens as the settings say, so nothing is assumed of votes; how many are
//! attended is no matter of memory.
//!
//! * `pages`: the pages of such a stream, counted by what they are for.
//! * `moment`: what a policy holds of them at some moment.

pub(crate) mod moment;
mod pages;

use std::num::NonZeroUsize;

use burn::tensor::backend::Backend;
use serde::Serialize;

use self::{
    moment::{Moment, Rules},
    pages::Pages,
};
use crate::{
    config::Settings,
    kernels::{AttentionKernels, BlockStore, KvStore},
    kv::KvDtype,
    layer::LayerSpec,
    policy::{Choice, quest},
    stats::TierBytes,
};

/// What a forecast takes for granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assumption {
    /// Tokens of the prompt.
    pub prompt: usize,
    /// All tokens: prompt, thoughts and summaries.
    pub tokens: usize,
    /// Tokens of a thought.
    pub thought: NonZeroUsize,
    /// Tokens of the longest thought: where lengths differ, a long run sooner or later zooms into the longest at once.
    pub longest: NonZeroUsize,
    /// Tokens of a summary; 0 where thoughts stand for themselves.
    pub summary: usize,
}

/// How many bytes stores take for what they hold.
#[derive(Clone, Copy, Debug)]
pub struct Widths {
    /// Bytes of the key, the value or the index vector of a KV head, by how it is stored and its `head_dim`.
    pub kv_vector: fn(KvDtype, usize) -> usize,
    /// Bytes of the vector of a block for one KV head, by its `head_dim`.
    pub block_vector: fn(usize) -> usize,
}

impl Widths {
    /// Those of a provider's stores.
    pub fn of<B: Backend, K: AttentionKernels<B>>() -> Self {
        Self { kv_vector: K::Store::vector_bytes, block_vector: K::Blocks::vector_bytes }
    }
}

/// What a run is expected to take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// Bytes by tier after the last token.
    pub end: TierBytes,
    /// The most resident bytes at any moment.
    pub peak: u64,
    /// A full cache of all tokens, without waste.
    pub full: u64,
}

/// Forecasts a run of one sequence.
///
/// ```
/// use zoomr_core::{config::{Options, Settings}, forecast::{Assumption, Widths, forecast}, kv::KvDtype, layer::LayerSpec};
/// let layer = LayerSpec { query_heads: 9, kv_heads: 3, head_dim: 64, scale: 0.125, sliding_window: None };
/// let settings = Settings::try_from(Options::default())?;
/// let (thought, longest) = (56.try_into().unwrap(), 96.try_into().unwrap());
/// let assumed = Assumption { prompt: 32, tokens: 1 << 30, thought, longest, summary: 0 };
/// let widths = Widths { kv_vector: KvDtype::bytes, block_vector: |head_dim| head_dim + 4 };
/// let run = forecast(&[layer; 30], &settings, widths, assumed);
/// assert_eq!(run.full, (1 << 30) * 30 * 2 * 3 * 64 * 4);
/// assert!(run.peak * 90 < run.full);
/// // Blocks save what is read, not what is held.
/// let settings = Settings::try_from(Options { blocks: Some(4), ..Options::default() })?;
/// assert!(forecast(&[layer; 30], &settings, widths, assumed).peak > run.full);
/// # Ok::<(), zoomr_core::Error>(())
/// ```
pub fn forecast(layers: &[LayerSpec], settings: &Settings, widths: Widths, run: Assumption) -> Forecast {
    let policy = settings.policy();
    let rules = Rules::new(settings, policy.as_ref(), Pages::new(run, settings.page_size));
    let kinds = kinds(layers, policy.choice(), settings.kv, widths);
    let mut lengths = vec![run.thought];
    if policy.choice() == Choice::Votes {
        lengths.push(run.longest);
    }
    let peak = candidates(settings, run).map(|position| {
        // A row's page opens while all that the row before it saw is still there.
        let resident = |row| rules.bytes(&kinds, Moment::during(position, row), &lengths).resident();
        resident(position.saturating_sub(1)).max(resident(position))
    });
    let end = run.tokens.checked_sub(1).map(|last| rules.bytes(&kinds, Moment::after(last), &[run.thought]));
    let tokens = |layer: &LayerSpec| layer.sliding_window.map_or(run.tokens, |w| w.get().min(run.tokens));
    let full =
        layers.iter().map(|layer| tokens(layer) as u64 * 2 * vector_bytes(layer, settings.kv, widths)).sum();
    Forecast { end: end.unwrap_or_default(), peak: peak.max().unwrap_or(0), full }
}

/// The tokens after which most can be held. Demand repeats with the thoughts, or with a buffer, and only grows: the
/// last few of them, the prompt and the token after it, which still sees all of it, hold the peak.
fn candidates(settings: &Settings, run: Assumption) -> impl Iterator<Item = usize> {
    let cycle = run.thought.get().saturating_add(run.summary);
    let period = cycle.saturating_mul(2).saturating_add(settings.window).saturating_add(settings.buffer);
    let late = run.tokens.saturating_sub(period);
    let prompt = run.prompt.saturating_sub(1)..run.prompt.saturating_add(1);
    prompt.filter(move |&position| position < late).chain(late..run.tokens)
}

/// Layers that hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LayerKind {
    /// Bytes of one token's keys and values.
    token: u64,
    /// Bytes of one index vector.
    index: u64,
    /// Bytes of one block's vectors.
    block: u64,
    sliding_window: Option<NonZeroUsize>,
    /// Whether it has an index.
    indexed: bool,
}

/// The kinds of layers, and how many there are of each.
fn kinds(layers: &[LayerSpec], choice: Choice, kv: KvDtype, widths: Widths) -> Vec<(LayerKind, u64)> {
    let mut kinds: Vec<(LayerKind, u64)> = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        let indexed = match choice {
            Choice::Votes | Choice::Blocks(_) => true,
            Choice::Pages(_) => number >= quest::DENSE_LAYERS,
            Choice::Nothing | Choice::Mass | Choice::BlockMass(_) => false,
        };
        let token = 2 * vector_bytes(layer, kv, widths);
        let index = vector_bytes(layer, KvDtype::F32, widths);
        let block = (layer.kv_heads * (widths.block_vector)(layer.head_dim)) as u64;
        let kind = LayerKind { token, index, block, sliding_window: layer.sliding_window, indexed };
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    kinds
}

/// Bytes of one vector for each KV head of a layer.
fn vector_bytes(layer: &LayerSpec, kv: KvDtype, widths: Widths) -> u64 {
    (layer.kv_heads * (widths.kv_vector)(kv, layer.head_dim)) as u64
}
