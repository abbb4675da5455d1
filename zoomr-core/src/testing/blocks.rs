//! Level 2: f64 in plain loops, and every provider against it.
//!
//! A choice falls where shares are; where two of them are near each other, rounding may turn it. So limits are laid
//! where shares leave a gap, several times as wide as a rounding of eight bits can move them.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    cases::{random, widen},
    laws::epsilon,
    oracle::{self, DenseKv, dot},
    tolerance::{Arithmetic, allowed, error},
};
use crate::{
    config::BlockScope,
    kernels::{
        AttendGroup, AttentionKernels, BlockStore, Candidates, KvStore, PageShape, PageSpan, PageStore, Slot,
        Zoom,
    },
    portable::Portable,
    positions::PositionSet,
    select::{Ballot, BlockRule, SHARE_UNITS, Tally},
};

/// The layer of the band that is looked at, of three.
const LAYER: usize = 1;
/// How much of itself a share must be away from a limit.
const GAP: f64 = 0.01;
/// Vectors per page of blocks; small, so that cases span several.
const VECTORS_PER_PAGE: usize = 5;

/// Sizes of one case.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    tokens: usize,
    rows: usize,
    /// First tokens that rows see anyway.
    kept: usize,
    window: usize,
    block: usize,
    page_size: usize,
    group: usize,
    kv_heads: usize,
    head_dim: usize,
    scope: BlockScope,
    limit: Limit,
}

/// What keeps blocks out.
#[derive(Clone, Copy, Debug)]
enum Limit {
    Share,
    Tokens,
    /// Neither: all are attended.
    Nothing,
}

const PLAIN: Case = Case {
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
};

const CASES: &[Case] = &[
    PLAIN,
    Case { name: "tokens limit", limit: Limit::Tokens, ..PLAIN },
    Case { name: "everything", limit: Limit::Nothing, rows: 3, ..PLAIN },
    Case { name: "one set for a layer", scope: BlockScope::Layer, ..PLAIN },
    Case { name: "one set, by tokens", scope: BlockScope::Layer, limit: Limit::Tokens, ..PLAIN },
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
    Case { name: "nothing to choose from", window: 300, ..PLAIN },
    Case { name: "some rows have nothing", tokens: 21, rows: 12, window: 4, limit: Limit::Nothing, ..PLAIN },
];

/// A case's inputs.
struct Inputs {
    case: Case,
    dense: DenseKv,
    /// `[rows, query_heads * head_dim]`
    queries: Vec<Vec<f64>>,
    /// The pages' order in the store.
    order: Vec<usize>,
    /// Blocks beyond the kept tokens.
    blocks: Vec<Range<usize>>,
    spread: Spread,
}

/// Mean, deviation and variance within blocks, each `[kv_heads, head_dim]`.
type Spread = [Vec<f64>; 3];

/// What a row comes to.
struct Exact {
    output: Vec<f64>,
    lse: Vec<f64>,
    /// `[sets][blocks]`: shares per 16 tokens.
    shares: Vec<Vec<f64>>,
    /// What each set has chosen.
    chosen: Vec<Vec<usize>>,
}

impl Case {
    fn inputs(self, seed: u64) -> Inputs {
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

    fn sets(&self) -> usize {
        if self.scope == BlockScope::Kv { self.kv_heads } else { 1 }
    }

    fn scale(&self) -> f64 {
        f64::from((self.head_dim as f32).sqrt().recip())
    }
}

impl Inputs {
    fn position(&self, row: usize) -> usize {
        self.case.tokens - self.case.rows + row
    }

    /// How many blocks a row chooses from.
    fn count(&self, row: usize) -> usize {
        let left = (self.position(row) + 1).saturating_sub(self.case.window);
        self.blocks.partition_point(|block| block.end <= left)
    }

    fn base(&self, row: usize) -> PositionSet {
        let seen = self.count(row).checked_sub(1).map_or(self.case.kept, |last| self.blocks[last].end);
        let end = self.position(row) + 1;
        [0..self.case.kept.min(end), seen.min(end)..end].into_iter().collect()
    }

    /// Steps 4 to 8 for one row.
    fn exact(&self, row: usize, rule: BlockRule) -> Exact {
        let (case, q, base) = (self.case, &self.queries[row], self.base(row));
        let heads = case.group * case.kv_heads;
        let (_, base_lse) = oracle::attend(q, &self.dense, &base, case.scale());
        let blocks = &self.blocks[..self.count(row)];
        // [heads][blocks]
        let share = |head: usize| {
            let estimates: Vec<f64> = blocks.iter().map(|block| self.estimate(q, head, block)).collect();
            let masses: Vec<f64> = estimates.iter().map(|e| (e - base_lse[head]).exp()).collect();
            let total = 1.0 + masses.iter().sum::<f64>();
            masses.into_iter().map(|mass| mass / total).collect::<Vec<f64>>()
        };
        let by_head: Vec<Vec<f64>> = (0..heads).map(share).collect();
        let sharing = heads / case.sets();
        let of_set = |heads: &[Vec<f64>]| -> Vec<f64> {
            (0..blocks.len()).map(|u| heads.iter().map(|of| of[u]).sum::<f64>() / sharing as f64).collect()
        };
        let sets: Vec<Vec<f64>> = by_head.chunks(sharing).map(of_set).collect();
        let chosen: Vec<Vec<usize>> = sets.iter().map(|shares| choose(shares, blocks, rule)).collect();
        let (mut output, mut lse) = (vec![0.0; q.len()], vec![0.0; heads]);
        for head in 0..heads {
            let mut seen = base.clone();
            chosen[head / sharing].iter().for_each(|&u| seen.insert(blocks[u].clone()));
            let (all, all_lse) = oracle::attend(q, &self.dense, &seen, case.scale());
            let part = head * case.head_dim..(head + 1) * case.head_dim;
            output[part.clone()].copy_from_slice(&all[part]);
            lse[head] = all_lse[head];
        }
        let per_16 = |(share, block): (&f64, &Range<usize>)| 16.0 * share / block.len() as f64;
        let shares = sets.iter().map(|set| set.iter().zip(blocks).map(per_16).collect()).collect();
        Exact { output, lse, shares, chosen }
    }

    /// Step 5.
    fn estimate(&self, q: &[f64], head: usize, block: &Range<usize>) -> f64 {
        let (case, kv_head) = (self.case, head / self.case.group);
        let own = kv_head * case.head_dim..(kv_head + 1) * case.head_dim;
        let query = &q[head * case.head_dim..][..case.head_dim];
        let [mean, deviation, within] = self.spread.each_ref().map(|part| &part[own.clone()]);
        let mu = &oracle::mean_key(&self.dense, block.clone())[own];
        let z: Vec<f64> = (0..case.head_dim).map(|i| (mu[i] - mean[i]) / deviation[i]).collect();
        let step = z.iter().fold(0.0, |a: f64, z| a.max(z.abs())) / 127.0;
        let kept = |i: usize| mean[i] + deviation[i] * (z[i] / step).round() * step;
        let kept: Vec<f64> = (0..case.head_dim).map(kept).collect();
        let m = dot(query, &kept) * case.scale();
        let v: f64 = query.iter().zip(within).map(|(q, v)| q * q * v).sum::<f64>() * case.scale().powi(2);
        let log = (block.len() as f64).ln();
        m + if v < 2.0 * log { log + v / 2.0 } else { (2.0 * v * log).sqrt() }
    }

    /// A rule whose limit lies in the widest gap.
    fn rule(&self) -> BlockRule {
        let all = BlockRule { scope: self.case.scope, threshold: 0, most: usize::MAX };
        let exact: Vec<Exact> = (0..self.case.rows).map(|row| self.exact(row, all)).collect();
        let sets = exact.iter().flat_map(|row| &row.shares).filter(|shares| !shares.is_empty());
        let sorted = |shares: Vec<f64>| {
            let mut shares = shares;
            shares.sort_by(|a, b| b.total_cmp(a));
            shares
        };
        match self.case.limit {
            Limit::Nothing => all,
            Limit::Share => {
                let shares = sorted(sets.flatten().copied().collect());
                let middle = shares.len() / 8..shares.len() / 2;
                let widest = middle.max_by(|&a, &b| gap(&shares, a).total_cmp(&gap(&shares, b)));
                let Some(at) = widest else { return all };
                assert!(gap(&shares, at) > GAP, "{}: shares leave no gap", self.case.name);
                let threshold = (shares[at] * shares[at + 1]).sqrt() * f64::from(SHARE_UNITS);
                BlockRule { threshold: threshold.round() as u32, ..all }
            }
            Limit::Tokens => {
                let sets: Vec<Vec<f64>> = sets.map(|shares| sorted(shares.clone())).collect();
                let least = |at: usize| sets.iter().map(|shares| gap(shares, at)).fold(f64::MAX, f64::min);
                let widest = (2..sets[0].len() / 2).max_by(|&a, &b| least(a).total_cmp(&least(b)));
                let at = widest.expect("blocks to choose from");
                assert!(least(at) > GAP, "{}: shares leave no gap", self.case.name);
                // Not a multiple of the blocks' size.
                BlockRule { most: (at + 1) * self.case.block + self.case.block / 2, ..all }
            }
        }
    }

    /// What a provider finds: outputs, log-sum-exps, and what the ballot hears.
    fn run<B: Backend, K: AttentionKernels<B>>(
        &self,
        kernels: &K,
        rule: BlockRule,
        device: &Device<B>,
    ) -> (Vec<f64>, Vec<f64>, Tally) {
        let Case { rows, group, kv_heads, head_dim, page_size, .. } = self.case;
        let shape = PageShape { layers: 3, parts: 2, kv_heads, page_size, head_dim, pages_per_slab: 1 };
        let mut store = kernels.store(shape, device);
        store.resize(self.order.len()).expect("memory for a small case");
        let place =
            |position: usize| Slot { page: self.order[position / page_size], slot: position % page_size };
        let slots: Vec<Slot> = (0..self.case.tokens).map(place).collect();
        let tensor = |values: &[f64], shape: [usize; 3]| {
            let values = values.iter().map(|&x| x as f32).collect();
            Tensor::<B, 3>::from_data(TensorData::new(values, shape), device)
        };
        let all = [self.case.tokens, kv_heads, head_dim];
        store.append(LAYER, &[&tensor(&self.dense.keys, all), &tensor(&self.dense.values, all)], &slots);

        let spans: Vec<PageSpan> = self.blocks.iter().map(|block| self.span(block.clone())).collect();
        let spread = store.key_spread(LAYER, &spans[..spans.len().min(40)]);
        let mut spreads = kernels.store(PageShape { parts: 1, page_size: 3, ..shape }, device);
        spreads.resize(2).expect("memory for a small case");
        let spread_at = PageSpan { page: 1, start: 0, len: 3, position: 0 };
        spreads.append(LAYER, &[&spread], &spread_at.slots().collect::<Vec<_>>());
        let mut vectors =
            kernels.blocks(PageShape { parts: 1, page_size: VECTORS_PER_PAGE, ..shape }, device);
        let vector_spans: Vec<PageSpan> = (0..self.blocks.len().div_ceil(VECTORS_PER_PAGE))
            .map(|page| {
                let position = page * VECTORS_PER_PAGE;
                let len = VECTORS_PER_PAGE.min(self.blocks.len() - position);
                PageSpan { page, start: 0, len, position }
            })
            .collect();
        vectors.resize(vector_spans.len()).expect("memory for a small case");
        let vector_slots: Vec<Slot> = vector_spans.iter().flat_map(PageSpan::slots).collect();
        // The first of them alone, as a decoding step does.
        let (one, rest) = vector_slots.split_at(1);
        vectors.write(LAYER, &store.block_means(LAYER, &spans[..1]), &spread, one);
        vectors.write(LAYER, &store.block_means(LAYER, &spans[1..]), &spread, rest);

        let visible: Vec<PositionSet> = (0..rows).map(|row| self.base(row)).collect();
        let seen = visible.iter().flat_map(PositionSet::ranges).cloned().collect::<PositionSet>();
        let base: Vec<PageSpan> = seen.ranges().iter().flat_map(|range| self.spans(range.clone())).collect();
        let counts: Vec<usize> = (0..rows).map(|row| self.count(row)).collect();
        let thoughts: Vec<Option<usize>> = (0..self.blocks.len()).map(thought).collect();
        let candidates = Candidates {
            blocks: &spans,
            vectors: &vector_spans,
            spread: spread_at,
            thoughts: &thoughts,
            counts: &counts,
            ballot_row: Some(1),
        };
        let group_of_rows =
            AttendGroup { candidates: Some(candidates), ..AttendGroup::new(0, &base, &visible) };
        let table = kernels.table(&[group_of_rows]);
        let mut ballot = kernels.ballot(&[3, THOUGHTS]);
        let q = tensor(&self.queries.concat(), [rows, group * kv_heads, head_dim]);
        let zoom = Zoom { vectors: &vectors, spreads: &spreads, rule, ballot: Some(&mut ballot) };
        let state = kernels.attend(&q, &store, LAYER, &table, self.case.scale() as f32, Some(zoom));
        let mut tallies = ballot.read();
        assert_eq!(tallies[0], Tally::none(3), "nobody chooses there");
        let [output, lse] = [state.output.into_data(), state.lse.into_data()];
        (output.iter().collect(), lse.iter().collect(), tallies.remove(1))
    }

    /// Where a run of positions within a page lies.
    fn span(&self, positions: Range<usize>) -> PageSpan {
        let (page, start) =
            (self.order[positions.start / self.case.page_size], positions.start % self.case.page_size);
        PageSpan { page, start, len: positions.len(), position: positions.start }
    }

    /// Where positions lie.
    fn spans(&self, positions: Range<usize>) -> Vec<PageSpan> {
        positions.map(|position| self.span(position..position + 1)).collect()
    }
}

/// Thoughts that blocks belong to.
const THOUGHTS: usize = 4;

/// Which thought a block belongs to; some to none.
fn thought(block: usize) -> Option<usize> {
    Some(block * 7 % (THOUGHTS + 1)).filter(|&j| j < THOUGHTS)
}

/// How far a share is over the next, of the latter.
fn gap(shares: &[f64], at: usize) -> f64 {
    shares[at] / shares[at + 1] - 1.0
}

/// Step 7, by sorting.
fn choose(shares: &[f64], blocks: &[Range<usize>], rule: BlockRule) -> Vec<usize> {
    let units = |u: usize| (shares[u] * f64::from(SHARE_UNITS)).round();
    let per_token = |u: usize| units(u) / blocks[u].len() as f64;
    let mut order: Vec<usize> =
        (0..blocks.len()).filter(|&u| 16.0 * per_token(u) >= f64::from(rule.threshold)).collect();
    order.sort_by(|&a, &b| per_token(b).total_cmp(&per_token(a)));
    let mut tokens = 0;
    let fits = |u: &usize| {
        tokens += blocks[*u].len();
        tokens <= rule.most
    };
    let mut chosen: Vec<usize> = order.into_iter().take_while(fits).collect();
    chosen.sort_unstable();
    chosen
}

fn spread(dense: &DenseKv, blocks: &[Range<usize>]) -> Spread {
    let width = dense.kv_heads * dense.head_dim;
    let tokens: Vec<usize> = blocks.iter().flat_map(Clone::clone).collect();
    let count = tokens.len() as f64;
    let mean: Vec<f64> =
        (0..width).map(|i| tokens.iter().map(|t| dense.keys[t * width + i]).sum::<f64>() / count).collect();
    let square = |i: usize| tokens.iter().map(|t| (dense.keys[t * width + i] - mean[i]).powi(2)).sum::<f64>();
    let mut deviation: Vec<f64> = (0..width).map(|i| (square(i) / count).sqrt()).collect();
    for head in deviation.chunks_exact_mut(dense.head_dim) {
        let largest = head.iter().copied().fold(0.0, f64::max);
        head.iter_mut().for_each(|s| *s = s.max(largest * 1e-3));
    }
    let within = |i: usize| {
        let of = |block: &Range<usize>| {
            let mean = oracle::mean_key(dense, block.clone())[i];
            block.clone().map(|t| (dense.keys[t * width + i] - mean).powi(2)).sum::<f64>()
        };
        blocks.iter().map(of).sum::<f64>() / count
    };
    let within = (0..width).map(within).collect();
    [mean, deviation, within]
}

/// Steps 4 to 8 for every case: the same blocks as in f64, and outputs as near to it as plain attention's.
pub fn blocks_match_the_oracle<B: Backend, K: AttentionKernels<B>>(kernels: &K, device: &Device<B>) {
    for case in CASES {
        let inputs = case.inputs(case.name.len() as u64);
        let rule = inputs.rule();
        let exact: Vec<Exact> = (0..case.rows).map(|row| inputs.exact(row, rule)).collect();
        let [output, lse] = [0, 1].map(|part| {
            exact
                .iter()
                .flat_map(|row| if part == 0 { row.output.clone() } else { row.lse.clone() })
                .collect::<Vec<_>>()
        });
        let mut expected = Tally::none(THOUGHTS);
        if inputs.count(case.rows - 1) > 0 {
            let repeat = case.kv_heads / case.sets();
            for chosen in &exact[case.rows - 1].chosen {
                expected.read(repeat, chosen.iter().map(|&u| (thought(u), inputs.blocks[u].len())));
            }
        }
        let eps = epsilon::<B>();
        let bounds = bounds::<B>(&inputs);
        let portable = inputs.run::<B, _>(&Portable, rule, device);
        let found = inputs.run::<B, _>(kernels, rule, device);
        assert_eq!(portable.2, expected, "{}: what portable kernels choose", case.name);
        assert_eq!(found.2, expected, "{}: what is chosen", case.name);
        let errors = |of: &(Vec<f64>, Vec<f64>, Tally)| [error(&of.0, &output), error(&of.1, &lse)];
        let (portable, found) = (errors(&portable), errors(&found));
        let magnitude = lse.iter().fold(1.0, |a: f64, l| a.max(l.abs()));
        for ((what, size), i) in [("output", 1.0), ("lse", magnitude)].into_iter().zip(0..) {
            assert!(portable[i] <= 2.0 * bounds[i], "{}: portable {what} errs by {}", case.name, portable[i]);
            let limit = allowed(portable[i], eps, size);
            assert!(found[i] <= limit, "{}: {what} errs by {}, over {limit}", case.name, found[i]);
        }
    }
}

fn bounds<B: Backend>(inputs: &Inputs) -> [f64; 2] {
    let largest = |values: &[f64]| values.iter().fold(0.0, |a: f64, x| a.max(x.abs()));
    let arithmetic = Arithmetic {
        epsilon: epsilon::<B>(),
        head_dim: inputs.case.head_dim,
        tokens: inputs.case.tokens,
        qk: largest(&inputs.dense.keys).max(largest(&inputs.queries.concat())),
        value: 1.0,
        scale: inputs.case.scale(),
    };
    [arithmetic.output_error(), arithmetic.lse_error()]
}

/// Law 7 for blocks: equal shares give equal choices, the older first.
pub fn law_7_equal_blocks_are_chosen_by_age<B: Backend, K: AttentionKernels<B>>(
    kernels: &K,
    device: &Device<B>,
) {
    let mut inputs = PLAIN.inputs(3);
    let width = inputs.dense.kv_heads * inputs.dense.head_dim;
    // Every block is as any other, but for the first that are candidates, which the spread comes from.
    let first = inputs.dense.keys[inputs.case.kept * width..][..inputs.case.block * width].to_vec();
    for block in &inputs.blocks {
        inputs.dense.keys[block.start * width..block.end * width]
            .copy_from_slice(&first[..block.len() * width]);
    }
    let rule = BlockRule { scope: BlockScope::Kv, threshold: 0, most: 41 };
    let (_, _, tally) = inputs.run(kernels, rule, device);
    let mut expected = Tally::none(THOUGHTS);
    for _ in 0..inputs.case.kv_heads {
        expected.read(1, (0..10).map(|u| (thought(u), inputs.case.block)));
    }
    assert_eq!(tally, expected);
}
