//! Level 2's choice: blocks estimated by products of whole numbers, shared out and chosen, for one row and the KV heads
//! that choose together at a time.

use std::{cell::RefCell, ops::Range};

use rayon::prelude::*;
use zoomr_core::{
    kernels::{Candidate, Candidates},
    select::{BlockRule, SHARE_UNITS, log_partition},
};

use crate::{
    blocks::{Vectors, quantise},
    simd::Simd,
    store::Part,
    view::Queries,
};

/// What a layer's rows choose blocks by.
pub(crate) struct Choosing<'a> {
    /// Which inner loops to use.
    pub(crate) simd: Simd,
    /// Queries.
    pub(crate) q: &'a Queries<'a>,
    /// What products of queries and keys are multiplied by.
    pub(crate) scale: f32,
    /// The blocks' vectors.
    pub(crate) vectors: Vectors<'a>,
    /// How sequences' keys spread.
    pub(crate) spreads: Part<'a>,
    /// How many blocks it takes.
    pub(crate) rule: BlockRule,
}

/// What a thread works in, kept from call to call.
#[derive(Default)]
struct Work {
    /// Log-masses, then masses, `[query_heads, blocks]`.
    estimates: Vec<f32>,
    /// Shares of attention, summed over heads.
    sums: Vec<f32>,
    shares: Vec<u32>,
    /// The blocks chosen, ascending.
    chosen: Vec<usize>,
    /// Queries as whole numbers.
    queries: Vec<i8>,
    /// What each query's products are multiplied by.
    factors: Vec<f32>,
    /// A query by the deviations of keys.
    scaled: Vec<f32>,
    products: Vec<i32>,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

impl Choosing<'_> {
    /// What each row's sets of KV heads choose, `[rows, sets]`; `base` has the log-sum-exps of what each row's query
    /// heads attend to anyway.
    pub(crate) fn run(&self, candidates: &Candidates<'_>, base: &[f32]) -> Vec<Vec<usize>> {
        let sets = self.sets();
        let sharing = self.q.heads / sets;
        let choose = |(number, base): (usize, &[f32])| {
            let (row, set) = (number / sets, number % sets);
            let (count, heads) = (candidates.counts[row], set * sharing..(set + 1) * sharing);
            if count == 0 {
                return Vec::new();
            }
            self.choose((row, count), candidates, heads, base, |_, chosen| chosen.to_vec())
        };
        base.par_chunks_exact(sharing).enumerate().map(choose).collect()
    }

    /// How many sets of KV heads choose.
    pub(super) fn sets(&self) -> usize {
        self.rule.sets(self.spreads.kv_heads())
    }

    /// Query heads per KV head.
    fn shared(&self) -> usize {
        self.q.heads / self.spreads.kv_heads()
    }

    /// Lets the query `heads` of a row choose together from its first `count` candidates, one at least; `then` is told
    /// their shares, and what is chosen.
    pub(super) fn choose<T>(
        &self,
        (row, count): (usize, usize),
        candidates: &Candidates<'_>,
        heads: Range<usize>,
        base: &[f32],
        then: impl FnOnce(&[u32], &[usize]) -> T,
    ) -> T {
        // Taken out while it is used: a task that this thread takes on meanwhile finds an empty one.
        let mut work = WORK.take();
        let shared = self.shared();
        work.estimates.resize(heads.len() * count, 0.0);
        for kv_head in heads.start / shared..heads.end / shared {
            self.estimate((row, count), candidates, kv_head, kv_head * shared - heads.start, &mut work);
        }
        self.share(base, count, &mut work);
        self.rule.choose(&work.shares, |u| candidates.blocks[u].at_hand(), &mut work.chosen);
        let result = then(&work.shares, &work.chosen);
        WORK.replace(work);
        result
    }

    /// Step 5 for the query heads that read `kv_head`, whose estimates go to `work` from its head `first` on.
    fn estimate(
        &self,
        (row, count): (usize, usize),
        candidates: &Candidates<'_>,
        kv_head: usize,
        first: usize,
        work: &mut Work,
    ) {
        let (simd, q, scale) = (self.simd, self.q, self.scale);
        let (shared, head_dim) = (self.shared(), q.head_dim);
        let at = candidates.spread;
        let spread = self.spreads.run(at.page, kv_head, at.start..at.start + at.len).widened(head_dim);
        let (mean, rest) = spread.split_at(head_dim);
        let (deviation, within) = rest.split_at(head_dim);
        let estimates = &mut work.estimates[first * count..][..shared * count];
        work.queries.resize(shared * head_dim, 0);
        work.scaled.resize(head_dim, 0.0);
        let queries = q.heads(row, kv_head * shared..(kv_head + 1) * shared);
        work.factors.clear();
        for (h, query) in queries.chunks_exact(head_dim).enumerate() {
            work.scaled.iter_mut().zip(query.iter().zip(deviation)).for_each(|(x, (q, s))| *x = q * s);
            let step = quantise(&work.scaled, &mut work.queries[h * head_dim..][..head_dim]);
            work.factors.push(step * scale);
            let around: f32 = query.iter().zip(mean).map(|(q, c)| q * c).sum();
            let variance: f32 = query.iter().zip(within).map(|(q, v)| q * q * v).sum();
            self.offset(
                candidates.blocks,
                around * scale,
                variance * scale * scale,
                &mut estimates[h * count..][..count],
            );
        }
        for span in candidates.vectors.iter().filter(|span| span.position < count) {
            let len = span.len.min(count - span.position);
            let (vectors, steps) = self.vectors.run(span.page, kv_head, span.start..span.start + len);
            work.products.resize(shared * len, 0);
            simd.whole_dots(&work.queries, vectors, head_dim, &mut work.products, len);
            for ((h, products), factor) in work.products.chunks_exact(len).enumerate().zip(&work.factors) {
                let estimates = &mut estimates[h * count + span.position..][..len];
                for ((estimate, product), step) in estimates.iter_mut().zip(products).zip(steps) {
                    *estimate += *product as f32 * (factor * step);
                }
            }
        }
    }

    /// Writes what a head's estimates have besides the product of query and vector.
    fn offset(&self, blocks: &[Candidate], around: f32, variance: f32, estimates: &mut [f32]) {
        // Nearly all blocks are of one length.
        let (mut length, mut offset) = (0, 0.0);
        for (estimate, block) in estimates.iter_mut().zip(blocks) {
            if block.tokens != length {
                length = block.tokens;
                offset = around + log_partition(length, f64::from(variance)) as f32;
            }
            *estimate = offset;
        }
    }

    /// Step 6, from the estimates in `work`; `base` has a log-sum-exp for each head.
    fn share(&self, base: &[f32], count: usize, work: &mut Work) {
        let simd = self.simd;
        work.sums.clear();
        work.sums.resize(count, 0.0);
        for (estimates, &base) in work.estimates.chunks_exact_mut(count).zip(base) {
            let max = simd.scale_max(estimates, 1.0).max(base);
            if max == f32::NEG_INFINITY {
                continue;
            }
            let total = simd.exp_sum(estimates, max) + (base - max).exp();
            simd.add_scaled(&mut work.sums, estimates, total.recip());
        }
        let units = SHARE_UNITS as f32 / base.len() as f32;
        work.shares.clear();
        work.shares.extend(work.sums.iter().map(|sum| (sum * units).round() as u32));
    }
}
