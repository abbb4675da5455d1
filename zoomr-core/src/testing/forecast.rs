//! A forecast as a walk over the whole run, token by token: what [`forecast`](crate::forecast::forecast) is judged by.
//!
//! The same segments, pages and policy as in a run: streams, layouts and sets of positions as a session has them.

use std::{collections::BTreeSet, num::NonZeroUsize};

use crate::{
    cache::{Blocks, Layout},
    config::Settings,
    forecast::{Assumption, Forecast, Widths, moment::thoughts_held},
    kv::KvDtype,
    layer::LayerSpec,
    policy::{Choice, Policy, quest, recent},
    positions::PositionSet,
    segment::{Kind, Mark, Stream},
    session::{SPREAD_VECTORS, VECTORS_PER_PAGE},
    stats::TierBytes,
    usage::Use,
};

/// What [`forecast`](crate::forecast::forecast) gives, in time that grows with the square of the run's tokens.
pub fn walk(layers: &[LayerSpec], settings: &Settings, widths: Widths, run: Assumption) -> Forecast {
    let policy = settings.policy();
    let mut simulation = Simulation {
        stream: Stream::new(run.summary == 0),
        layout: Layout::new(settings.page_size),
        blocks: policy.choice().blocks().map(|rule| rule.no_blocks()),
        policy: policy.as_ref(),
        settings,
        held: 0,
    };
    // Demand repeats with the thoughts, or with a buffer, and only grows: the last few of them, the prompt and
    // the token after it, which still sees all of it, hold the peak.
    let cycle = run.thought.get() + run.summary;
    let period = (2 * cycle).saturating_add(settings.window).saturating_add(settings.buffer);
    let late = run.tokens.saturating_sub(period);
    let mut lengths = vec![run.thought];
    if policy.choice() == Choice::Votes {
        lengths.push(run.longest);
    }
    let mut peak = 0;
    for position in 0..run.tokens {
        simulation.push(position, run);
        if position >= late || (run.prompt..=run.prompt + 1).contains(&(position + 1)) {
            // A row's page opens while all that the row before it saw is still there.
            for seen in [position.saturating_sub(1), position] {
                peak = peak.max(simulation.bytes(layers, widths, seen, &lengths).resident());
            }
        }
        simulation.evict();
    }
    let end = run.tokens.checked_sub(1).map(|last| simulation.bytes(layers, widths, last, &[run.thought]));
    let tokens = |layer: &LayerSpec| layer.sliding_window.map_or(run.tokens, |w| w.get().min(run.tokens));
    let full =
        layers.iter().map(|layer| (tokens(layer) * token_bytes(layer, settings.kv, widths)) as u64).sum();
    Forecast { end: end.unwrap_or_default(), peak, full }
}

/// Bytes of one token's keys and values in one layer.
fn token_bytes(layer: &LayerSpec, kv: KvDtype, widths: Widths) -> usize {
    2 * layer.kv_heads * (widths.kv_vector)(kv, layer.head_dim)
}

struct Simulation<'a> {
    stream: Stream,
    layout: Layout,
    /// Where the policy has any.
    blocks: Option<Blocks>,
    policy: &'a dyn Policy,
    settings: &'a Settings,
    /// Tokens that each KV head holds, where tokens are evicted.
    held: usize,
}

impl Simulation<'_> {
    fn push(&mut self, position: usize, run: Assumption) {
        let cycle = run.thought.get() + run.summary;
        let mark = match position.checked_sub(run.prompt) {
            None => Mark { begins: (position == 0).then_some(Kind::Prompt), ends: false },
            Some(at) => match at % cycle {
                0 => Mark { begins: Some(Kind::Thought), ends: run.thought.get() == 1 },
                i if i == run.thought.get() => Mark { begins: Some(Kind::Summary), ends: run.summary == 1 },
                i => Mark { begins: None, ends: i + 1 == run.thought.get() || i + 1 == cycle },
            },
        };
        self.stream.push(mark);
        self.layout.push(mark.begins.is_some());
        self.blocks.iter_mut().for_each(|blocks| blocks.follow(&self.stream));
        self.held += 1;
    }

    /// Destroys what is over a budget, where that is due.
    fn evict(&mut self) {
        if let Some(eviction) = self.policy.eviction().filter(|eviction| eviction.due(&self.stream)) {
            self.held = self.held.min(eviction.budget());
        }
    }

    /// Bytes by tier while the newest page is there, and what the row at `position` sees if each thought that it
    /// zooms into has as many tokens as one of `lengths`, whichever takes most; or after what [`evict`](Self::evict)
    /// destroyed.
    fn bytes(
        &self,
        layers: &[LayerSpec],
        widths: Widths,
        position: usize,
        lengths: &[NonZeroUsize],
    ) -> TierBytes {
        let base = self.policy.base(&self.stream, position);
        let uses = Use::of_pages(&self.stream, &self.layout, &base);
        let held = self.pages(&base);
        let newest = self.layout.pages().len() - 1;
        let zoomed =
            lengths.iter().map(|&length| self.zoomed_pages(&base, position, length)).max().unwrap_or(0);
        let mut resident = held.clone();
        resident.insert(newest);
        if self.blocks.is_some() {
            resident.extend(0..newest);
        }
        let mut bytes = TierBytes::default();
        for (number, layer) in layers.iter().enumerate() {
            let page = (self.settings.page_size * token_bytes(layer, self.settings.kv, widths)) as u64;
            let pages = match layer.sliding_window {
                Some(window) => {
                    let mut own = self.pages(&recent(position, window.get()).into());
                    own.insert(newest);
                    bytes.add(Use::Window, own.len() as u64 * page);
                    own.len()
                }
                None if self.policy.eviction().is_some() => {
                    let slots = self.held.div_ceil(self.settings.page_size);
                    bytes.add(Use::Window, slots as u64 * page);
                    slots
                }
                None => {
                    resident.iter().for_each(|&logical| bytes.add(uses[logical], page));
                    bytes.add(Use::Zoomed, zoomed as u64 * page);
                    bytes.index += self.index_bytes(number, layer, widths) as u64;
                    bytes.index += self.block_bytes(layer, widths) as u64;
                    bytes.cold += self.cold_pages(&held) as u64 * page;
                    resident.len() + zoomed
                }
            };
            let slabs = pages.next_multiple_of(self.settings.slab_pages);
            bytes.free += (slabs - pages) as u64 * page;
        }
        bytes
    }

    fn pages(&self, set: &PositionSet) -> BTreeSet<usize> {
        set.ranges().iter().flat_map(|range| self.layout.overlapping(range.clone())).collect()
    }

    /// Pages of the thoughts zoomed into or held, each of `length` tokens and outside of what is seen anyway.
    fn zoomed_pages(&self, base: &PositionSet, position: usize, length: NonZeroUsize) -> usize {
        let candidates = self.policy.candidates(&self.stream, position);
        let count = thoughts_held(self.settings, self.policy.choice(), candidates, length);
        let thoughts = &self.stream.thoughts()[..candidates];
        let outside = thoughts.iter().filter(|thought| !base.overlaps(thought.detail.clone())).count();
        outside.min(count) * length.get().div_ceil(self.settings.page_size)
    }

    /// Bytes of the pages of index vectors in layer `number`.
    fn index_bytes(&self, number: usize, layer: &LayerSpec, widths: Widths) -> usize {
        let vectors = match self.policy.choice() {
            Choice::Votes => self.stream.retired(self.stream.len()),
            Choice::Pages(quest) if number >= quest::DENSE_LAYERS => quest.vectors(self.stream.len()),
            Choice::Nothing | Choice::Mass | Choice::Pages(_) | Choice::Blocks(_) | Choice::BlockMass(_) => 0,
        };
        let slots = vectors.next_multiple_of(self.settings.page_size);
        slots * layer.kv_heads * (widths.kv_vector)(KvDtype::F32, layer.head_dim)
    }

    /// Bytes of blocks' vectors and of how keys spread, in one layer.
    fn block_bytes(&self, layer: &LayerSpec, widths: Widths) -> usize {
        let known = self.settings.zoom_blocks().is_some() && self.stream.len() >= self.settings.spread_tokens;
        let blocks = self.blocks.as_ref().filter(|blocks| known && !blocks.is_empty());
        blocks.map_or(0, |blocks| {
            let vectors = blocks.len().div_ceil(VECTORS_PER_PAGE) * VECTORS_PER_PAGE;
            let spread = SPREAD_VECTORS * (widths.kv_vector)(KvDtype::F32, layer.head_dim);
            layer.kv_heads * (vectors * (widths.block_vector)(layer.head_dim) + spread)
        })
    }

    /// Pages that have left the window, and so have a copy in the cold tier.
    fn cold_pages(&self, held: &BTreeSet<usize>) -> usize {
        let stays = self.policy.choice() == Choice::Mass || self.blocks.is_some();
        let leaves = self.policy.keeps_detail() && !stays;
        if leaves { self.layout.pages().len() - held.len() } else { 0 }
    }
}
