//! `tally` of every provider against `Tally::from_scores` of f64 scores.
//!
//! Index vectors are quarter multiples, so that every product is exact: the tallies must then be equal.

use burn::tensor::Tensor;
use zoomr_core::{
    kernels::{AttentionKernels, PageShape, ScoreGroup},
    kv::KvDtype,
    select::{Ballot, Tally},
};

use super::{
    fused, noise,
    pool::{LAYER, Pool, Sequence, permuted},
};
use crate::{Cpu, CpuStore, PlainKernels};

const VOTES: usize = 3;

fn check(pool: &Pool, shared: usize, all: &[(Sequence, Vec<usize>)]) {
    let rows: usize = all.iter().map(|(_, candidates)| candidates.len()).sum();
    let (heads, dim) = (pool.kv_heads * shared, pool.head_dim);
    let q: Vec<f32> = noise(rows * heads * dim, 22).iter().map(|q| (8.0 * q).round()).collect();
    let index = pool.store();
    let mut first_row = 0;
    let mut groups = Vec::new();
    let mut expected = Vec::new();
    for (sequence, candidates) in all {
        groups.push(ScoreGroup { first_row, ballot_row: first_row, spans: &sequence.spans, candidates });
        for (r, count) in candidates.iter().enumerate() {
            let scores = (0..heads * count).map(|i| {
                let (head, thought) = (i / count, i % count);
                let query = &q[((first_row + r) * heads + head) * dim..][..dim];
                let vector = &sequence.keys[(thought * pool.kv_heads + head / shared) * dim..][..dim];
                let dot: f64 = query.iter().zip(vector).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum();
                (dot * 0.125) as f32
            });
            expected.push(Tally::from_scores(&scores.collect::<Vec<_>>(), *count, VOTES));
        }
        first_row += candidates.len();
    }
    let q = permuted(&q, [rows, heads, dim]);
    let all: Vec<usize> = all.iter().flat_map(|(_, candidates)| candidates.clone()).collect();
    assert_eq!(run(&PlainKernels, &q, &index, &groups, &all), expected);
    for kernels in fused() {
        assert_eq!(run(&kernels, &q, &index, &groups, &all), expected, "{kernels:?}");
    }
}

fn run<K: AttentionKernels<Cpu, Store = CpuStore>>(
    kernels: &K,
    q: &Tensor<Cpu, 3>,
    index: &CpuStore,
    groups: &[ScoreGroup<'_>],
    candidates: &[usize],
) -> Vec<Tally> {
    let mut ballot = kernels.ballot(candidates);
    kernels.vote(q, index, LAYER, groups, VOTES, 0.125, &mut ballot);
    ballot.read()
}

#[test]
fn tallies_of_exact_scores_are_equal() {
    for (shared, dim, page_size) in [(1, 8, 4), (3, 64, 16), (5, 20, 7)] {
        let mut pool = Pool::rounded(2, dim, page_size, 400);
        let all = [
            (pool.write(97, 33), vec![97, 59, 1, 0]),
            (pool.write(59, 34), vec![59]),
            (pool.write(1, 35), vec![0, 1]),
        ];
        check(&pool, shared, &all);
    }
}

#[test]
fn no_thoughts_yet() {
    let q = crate::owned::tensor(noise(24, 23), [1, 3, 8]);
    let group = ScoreGroup { first_row: 0, ballot_row: 0, spans: &[], candidates: &[0] };
    let shape = PageShape { layers: 2, parts: 1, kv_heads: 1, page_size: 4, head_dim: 8, pages_per_slab: 1 };
    for kernels in fused() {
        assert_eq!(
            run(&kernels, &q, &CpuStore::new(shape, KvDtype::F32), &[group], &[0]),
            [Tally::default()]
        );
    }
}
