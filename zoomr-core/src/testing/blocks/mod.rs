//! Level 2: f64 in plain loops, and every provider against it.
//!
//! A choice falls where shares are; where two of them are near each other, rounding may turn it. So limits are laid
//! where shares leave a gap, several times as wide as a rounding of eight bits can move them.

mod cases;
mod exact;
mod limits;
mod spread;

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};

use self::{
    cases::{CASES, Case, Inputs, PLAIN},
    exact::Exact,
};
use super::{
    laws::epsilon,
    tolerance::{Arithmetic, allowed, error},
};
use crate::{
    config::BlockScope,
    kernels::{
        AttendGroup, AttentionKernels, BlockStore, Candidate, Candidates, KvStore, PageShape, PageSpan,
        PageStore, Slot, Zoom,
    },
    kv::KvDtype,
    portable::Portable,
    positions::PositionSet,
    select::{Ballot, BlockRule, Tally},
};

/// The layer of the band that is looked at, of three.
const LAYER: usize = 1;
/// Vectors per page of blocks; small, so that cases span several.
const VECTORS_PER_PAGE: usize = 5;

/// Passages that blocks belong to.
const PASSAGES: usize = 5;

/// Which passage a block belongs to.
fn passage(block: usize) -> usize {
    block * 7 % PASSAGES
}

/// Whether a block is at hand, where not all are.
fn is_at_hand(block: usize) -> bool {
    block % 3 != 1
}

impl Inputs {
    /// What a provider finds: outputs, log-sum-exps, and what the ballot hears.
    fn run<B: Backend, K: AttentionKernels<B>>(
        &self,
        kernels: &K,
        rule: BlockRule,
        device: &Device<B>,
    ) -> (Vec<f64>, Vec<f64>, Tally) {
        let Case { rows, group, kv_heads, head_dim, page_size, .. } = self.case;
        let shape = PageShape { layers: 3, parts: 2, kv_heads, page_size, head_dim, pages_per_slab: 1 };
        let mut store = kernels.store(shape, self.case.kv, device);
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
        let mut spreads = kernels.store(PageShape { parts: 1, page_size: 3, ..shape }, KvDtype::F32, device);
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
        let candidate = |(u, span): (usize, &PageSpan)| {
            let at_hand = self.case.all_at_hand || is_at_hand(u);
            Candidate { tokens: span.len, span: at_hand.then_some(*span), passage: passage(u) }
        };
        let blocks: Vec<Candidate> = spans.iter().enumerate().map(candidate).collect();
        let candidates = Candidates {
            blocks: &blocks,
            vectors: &vector_spans,
            spread: spread_at,
            counts: &counts,
            ballot_row: Some(1),
            tells_shares: true,
        };
        let group_of_rows =
            AttendGroup { candidates: Some(candidates), ..AttendGroup::new(0, &base, &visible) };
        let table = kernels.table(&[group_of_rows]);
        let mut ballot = kernels.ballot(&[3, PASSAGES]);
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
        let expected = inputs.told(&exact[case.rows - 1]);
        let eps = epsilon::<B>();
        let bounds = bounds::<B>(&inputs);
        let portable = inputs.run::<B, _>(&Portable, rule, device);
        let found = inputs.run::<B, _>(kernels, rule, device);
        check_tally(&portable.2, &expected, &format!("{}, portable", case.name));
        check_tally(&found.2, &expected, case.name);
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

/// The same blocks are chosen; of the passages' shares, sums of rounded numbers, a hundredth may be amiss.
fn check_tally(found: &Tally, expected: &Tally, what: &str) {
    let chosen = |of: &Tally| (of.votes.clone(), of.heads, of.attended);
    assert_eq!(chosen(found), chosen(expected), "{what}: what is chosen");
    for (j, (found, expected)) in found.shares.iter().zip(&expected.shares).enumerate() {
        let off = found.abs_diff(*expected);
        assert!(off <= 100 + expected / 100, "{what}: passage {j} has {found}, not {expected}");
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
    let mut expected = Tally::none(PASSAGES);
    for _ in 0..inputs.case.kv_heads {
        expected.read(1, (0..10).map(|u| (passage(u), inputs.case.block)));
    }
    assert_eq!((tally.votes, tally.attended), (expected.votes, expected.attended));
}
