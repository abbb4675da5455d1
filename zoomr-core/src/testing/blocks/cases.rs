//! Sizes and inputs for level 2, with limits laid where shares leave a gap.

use std::ops::Range;

use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::spread::{Spread, spread};
use crate::{
    config::BlockScope,
    kv::KvDtype,
    positions::PositionSet,
    testing::{
        cases::{random, widen},
        oracle::{self, DenseKv},
    },
};

/// Sizes of one case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) tokens: usize,
    pub(super) rows: usize,
    /// First tokens that rows see anyway.
    pub(super) kept: usize,
    pub(super) window: usize,
    pub(super) block: usize,
    pub(super) page_size: usize,
    pub(super) group: usize,
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    pub(super) scope: BlockScope,
    pub(super) limit: Limit,
    /// Whether every block may be chosen.
    pub(super) all_at_hand: bool,
    /// What keys and values are stored as.
    pub(super) kv: KvDtype,
}

/// What keeps blocks out.
#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    Share,
    Tokens,
    /// Neither: all are attended.
    Nothing,
}

pub(super) const PLAIN: Case = Case {
    name: "plain",
    tokens: 203,
    rows: 1,
    kept: 8,
    window: 9,
    block: 4,
    page_size: 8,
    group: 3,
    kv_heads: 2,
    head_dim: 64,
    scope: BlockScope::Kv,
    limit: Limit::Share,
    all_at_hand: true,
    kv: KvDtype::F32,
};

pub(super) const CASES: &[Case] = &[
    PLAIN,
    Case { name: "tokens limit", limit: Limit::Tokens, ..PLAIN },
    Case { name: "everything", limit: Limit::Nothing, rows: 3, ..PLAIN },
    Case { name: "one set for a layer", scope: BlockScope::Layer, ..PLAIN },
    Case { name: "one set, by tokens", scope: BlockScope::Layer, limit: Limit::Tokens, ..PLAIN },
    Case { name: "not all at hand", all_at_hand: false, ..PLAIN },
    Case { name: "not all at hand, by tokens", all_at_hand: false, limit: Limit::Tokens, ..PLAIN },
    Case {
        name: "not all at hand, one set, several rows",
        all_at_hand: false,
        scope: BlockScope::Layer,
        limit: Limit::Nothing,
        rows: 2,
        ..PLAIN
    },
    Case { name: "several rows", rows: 3, tokens: 90, kv_heads: 1, ..PLAIN },
    Case {
        name: "odd sizes",
        kept: 9,
        block: 3,
        page_size: 9,
        head_dim: 33,
        group: 1,
        kv_heads: 1,
        tokens: 131,
        ..PLAIN
    },
    Case { name: "blocks of one", block: 1, page_size: 1, tokens: 60, head_dim: 16, kv_heads: 1, ..PLAIN },
    Case { name: "blocks of pages", kept: 16, block: 16, page_size: 16, group: 8, kv_heads: 1, ..PLAIN },
    Case { name: "in f16", kv: KvDtype::F16, ..PLAIN },
    Case { name: "in bf16, one set", kv: KvDtype::Bf16, scope: BlockScope::Layer, ..PLAIN },
    Case { name: "in q8", kv: KvDtype::Q8, rows: 2, ..PLAIN },
    Case { name: "nothing to choose from", window: 300, ..PLAIN },
    Case { name: "some rows have nothing", tokens: 21, rows: 12, window: 4, limit: Limit::Nothing, ..PLAIN },
];

/// A case's inputs.
pub(super) struct Inputs {
    pub(super) case: Case,
    pub(super) dense: DenseKv,
    /// `[rows, query_heads * head_dim]`
    pub(super) queries: Vec<Vec<f64>>,
    /// The pages' order in the store.
    pub(super) order: Vec<usize>,
    /// Blocks beyond the kept tokens.
    pub(super) blocks: Vec<Range<usize>>,
    pub(super) spread: Spread,
}

impl Case {
    pub(super) fn inputs(self, seed: u64) -> Inputs {
        let mut rng = StdRng::seed_from_u64(seed);
        let width = self.kv_heads * self.head_dim;
        let mut keys = widen(&random(self.tokens * width, 2.0, &mut rng));
        // A few channels are large, as in real models, and one does not vary.
        for (i, key) in keys.iter_mut().enumerate() {
            match i % self.head_dim {
                0 => *key = f64::from((*key * 4.0 + 9.0) as f32),
                1 => *key = 0.5,
                _ => {}
            }
        }
        let values = widen(&random(self.tokens * width, 1.0, &mut rng));
        let [keys, values] = [keys, values].map(|all| oracle::stored(all, self.kv, self.head_dim));
        let dense = DenseKv { kv_heads: self.kv_heads, head_dim: self.head_dim, keys, values };
        let queries = random(self.rows * self.group * width, 1.5, &mut rng);
        let queries = queries.chunks(self.group * width).map(widen).collect();
        let mut order: Vec<usize> = (0..self.tokens.div_ceil(self.page_size) + 2).collect();
        order.shuffle(&mut rng);
        let blocks: Vec<_> = (self.kept..self.tokens)
            .step_by(self.block)
            .map(|start| start..(start + self.block).min(self.tokens))
            .collect();
        let spread = spread(&dense, &blocks[..blocks.len().min(40)]);
        Inputs { case: self, dense, queries, order, blocks, spread }
    }

    pub(super) fn sets(&self) -> usize {
        if self.scope == BlockScope::Kv { self.kv_heads } else { 1 }
    }

    pub(super) fn scale(&self) -> f64 {
        f64::from((self.head_dim as f32).sqrt().recip())
    }
}

impl Inputs {
    pub(super) fn position(&self, row: usize) -> usize {
        self.case.tokens - self.case.rows + row
    }

    /// How many blocks a row chooses from.
    pub(super) fn count(&self, row: usize) -> usize {
        let left = (self.position(row) + 1).saturating_sub(self.case.window);
        self.blocks.partition_point(|block| block.end <= left)
    }

    pub(super) fn base(&self, row: usize) -> PositionSet {
        let seen = self.count(row).checked_sub(1).map_or(self.case.kept, |last| self.blocks[last].end);
        let end = self.position(row) + 1;
        [0..self.case.kept.min(end), seen.min(end)..end].into_iter().collect()
    }
}
