//! `attend` of every provider against dense f64 attention.
//!
//! Bounds. Scores are off by at most `delta = (D + 3) u scale sum|q k|`, each rounding being `u`. That moves a
//! weight by a factor within `1 + 2 delta`, and sums of `n` terms add `n u`: so outputs are off by at most
//! `(2 delta + (2 n + 16) u) max|v|`, and log-sum-exps by `delta + (n + 4) u (1 + |lse|)`.

use burn::tensor::Tensor;
use zoomr_core::{
    kernels::{AttendGroup, AttentionKernels, PageShape},
    kv::KvDtype,
    positions::PositionSet,
};

use super::{
    ROUNDING, fused, noise,
    pool::{LAYER, Pool, Sequence, permuted},
};
use crate::{Cpu, CpuStore, PlainKernels};

/// Rows of one sequence: it, and what each row sees.
type Rows = (Sequence, Vec<PositionSet>);

/// What dense attention finds for one row and head, and how far off f32 may be.
struct Exact {
    output: Vec<f64>,
    output_bound: f64,
    lse: f64,
    lse_bound: f64,
}

fn exact(q: &[f32], head: usize, kv_heads: usize, rows: &Rows, r: usize, scale: f32) -> Exact {
    let (sequence, visible) = rows;
    let at = |token: usize| (token * kv_heads + head) * q.len()..(token * kv_heads + head + 1) * q.len();
    let seen: Vec<usize> = visible[r].ranges().iter().cloned().flatten().collect();
    let terms = |token: usize| {
        q.iter().zip(&sequence.keys[at(token)]).map(|(q, k)| f64::from(*q) * f64::from(*k) * f64::from(scale))
    };
    let scores: Vec<f64> = seen.iter().map(|token| terms(*token).sum()).collect();
    let size = seen.iter().map(|token| terms(*token).map(f64::abs).sum()).fold(0.0, f64::max);
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
    let mut output = vec![0.0; q.len()];
    let mut largest: f64 = 0.0;
    for (token, score) in seen.iter().zip(&scores) {
        for (out, value) in output.iter_mut().zip(&sequence.values[at(*token)]) {
            *out += (score - max).exp() / sum * f64::from(*value);
            largest = largest.max(f64::from(value.abs()));
        }
    }
    let delta = (q.len() + 3) as f64 * ROUNDING * size;
    let count = seen.len() as f64;
    let lse = if seen.is_empty() { f64::NEG_INFINITY } else { max + sum.ln() };
    let lse_size = if seen.is_empty() { 0.0 } else { 1.0 + lse.abs() };
    Exact {
        output,
        output_bound: (2.0 * delta + (2.0 * count + 16.0) * ROUNDING) * largest,
        lse,
        lse_bound: delta + (count + 4.0) * ROUNDING * lse_size,
    }
}

fn check<K: AttentionKernels<Cpu, Store = CpuStore>>(
    kernels: &K,
    name: &str,
    pool: &Pool,
    shared: usize,
    all: &[Rows],
) {
    let rows: usize = all.iter().map(|(_, visible)| visible.len()).sum();
    let (heads, dim) = (pool.kv_heads * shared, pool.head_dim);
    let q: Vec<f32> = noise(rows * heads * dim, 21).iter().map(|q| 2.0 * q).collect();
    let scale = 1.0 / (dim as f32).sqrt();
    let mut first_row = 0;
    let mut groups = Vec::new();
    for (sequence, visible) in all {
        groups.push(AttendGroup::new(first_row, &sequence.spans, visible));
        first_row += visible.len();
    }
    let (q_tensor, table) = (permuted(&q, [rows, heads, dim]), kernels.table(&groups));
    let state = kernels.attend(&q_tensor, &pool.store(), LAYER, &table, scale, None);
    let output: Vec<f32> = state.output.to_data().to_vec().unwrap();
    let lse: Vec<f32> = state.lse.to_data().to_vec().unwrap();
    let rows = all.iter().flat_map(|rows| (0..rows.1.len()).map(move |r| (rows, r)));
    for (i, (rows, r)) in rows.enumerate() {
        for head in 0..heads {
            let at = i * heads + head;
            let exact = exact(&q[at * dim..][..dim], head / shared, pool.kv_heads, rows, r, scale);
            let lse = f64::from(lse[at]);
            let near = lse == exact.lse || (lse - exact.lse).abs() <= exact.lse_bound;
            assert!(near, "{name} row {i} head {head}: lse {lse} for {}", exact.lse);
            for (found, exact_value) in output[at * dim..][..dim].iter().zip(&exact.output) {
                let error = (f64::from(*found) - exact_value).abs();
                assert!(error <= exact.output_bound, "{name} row {i} head {head}: off by {error}");
            }
        }
    }
}

fn check_all(pool: &Pool, shared: usize, all: &[Rows]) {
    check(&PlainKernels, "plain", pool, shared, all);
    for kernels in fused() {
        check(&kernels, &format!("{kernels:?}"), pool, shared, all);
    }
}

/// Causal sets of the last `rows` of `tokens`, without a stretch in the middle, and one empty set.
fn causal(tokens: usize, rows: usize) -> Vec<PositionSet> {
    let causal = (tokens - rows..tokens).map(|last| [0..last / 3, last / 2..last + 1].into_iter().collect());
    causal.chain([PositionSet::default()]).collect()
}

#[test]
fn odd_lengths_and_head_sizes() {
    for (tokens, dim, page_size) in [(1, 8, 4), (59, 64, 16), (97, 20, 5), (1025, 96, 32), (300, 128, 1)] {
        let mut pool = Pool::new(3, dim, page_size, tokens);
        let sequence = pool.write(tokens, 31);
        check_all(&pool, 3, &[(sequence, causal(tokens, 1))]);
    }
}

#[test]
fn every_number_of_query_heads_per_kv_head() {
    for shared in 1..=8 {
        let mut pool = Pool::new(2, 32, 16, 97);
        let sequence = pool.write(97, 41);
        check_all(&pool, shared, &[(sequence, causal(97, 2))]);
    }
}

#[test]
fn several_sequences_in_one_pool() {
    let mut pool = Pool::new(1, 24, 8, 400);
    let all =
        [(59, 7), (200, 23), (1, 1)].map(|(tokens, rows)| (pool.write(tokens, 51), causal(tokens, rows)));
    check_all(&pool, 2, &all);
}

#[test]
fn prefill_in_many_tiles() {
    let mut pool = Pool::new(3, 16, 16, 200);
    let sequence = pool.write(131, 61);
    check_all(&pool, 3, &[(sequence, causal(131, 131))]);
}

#[test]
fn an_empty_cache() {
    let q: Tensor<Cpu, 3> = crate::owned::tensor(noise(24, 71), [1, 3, 8]);
    let visible = [PositionSet::default()];
    let group = AttendGroup::new(0, &[], &visible);
    let shape = PageShape { layers: 1, parts: 2, kv_heads: 1, page_size: 4, head_dim: 8, pages_per_slab: 1 };
    for kernels in fused() {
        let table = kernels.table(&[group]);
        let state = kernels.attend(&q, &CpuStore::new(shape, KvDtype::F32), 0, &table, 1.0, None);
        assert_eq!(state.output.to_data().to_vec::<f32>().unwrap(), [0.0; 24]);
        assert_eq!(state.lse.to_data().to_vec::<f32>().unwrap(), [f32::NEG_INFINITY; 3]);
    }
}

#[test]
fn results_do_not_depend_on_threads() {
    let mut pool = Pool::new(3, 64, 16, 2000);
    let (sequence, visible) = (pool.write(1025, 81), causal(1025, 1));
    let store = pool.store();
    let q: Tensor<Cpu, 3> = crate::owned::tensor(noise(2 * 9 * 64, 82), [2, 9, 64]);
    let run = |threads| {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let group = AttendGroup::new(0, &sequence.spans, &visible);
        let kernels = crate::CpuKernels::new();
        let table = kernels.table(&[group]);
        threads.install(|| kernels.attend(&q, &store, LAYER, &table, 0.125, None).output.to_data())
    };
    assert_eq!(run(1), run(3));
}
