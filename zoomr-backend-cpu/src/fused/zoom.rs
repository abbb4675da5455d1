//! Level 2: blocks estimated by products of whole numbers, chosen, and attended to after what a row sees anyway.
//!
//! A task is a row and the KV heads that choose together. It goes on from the row's base with the same running softmax.

use std::{cell::RefCell, ops::Range, sync::Mutex};

use rayon::prelude::*;
use zoomr_core::{
    kernels::{Candidates, PageSpan},
    select::{BlockRule, HostBallot, SHARE_UNITS, log_partition},
};

use super::{
    attend::{Attend, PARALLEL_WORK},
    online::Online,
    scratch,
    table::{Chooser, CpuTable, Run},
};
use crate::{
    blocks::{Vectors, quantise},
    store::Part,
};

/// Tokens of blocks that are scored in one go, as many as of what rows see anyway.
const CHUNK_TOKENS: usize = 64;

/// What a layer chooses blocks by.
pub(crate) struct Zooming<'a> {
    pub(crate) attend: &'a Attend<'a>,
    pub(crate) vectors: Vectors<'a>,
    pub(crate) spreads: Part<'a>,
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
    chosen: Vec<usize>,
    runs: Vec<Run>,
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

impl Zooming<'_> {
    /// Adds what rows find in the blocks that they choose to their outputs and log-sum-exps.
    pub(crate) fn run(
        &self,
        table: &CpuTable,
        output: &mut [f32],
        lse: &mut [f32],
        ballot: Option<&mut HostBallot>,
    ) {
        let (q, sets) = (&self.attend.q, self.rule.sets(self.attend.keys.kv_heads()));
        let (heads, ballot) = (q.heads / sets, Mutex::new(ballot));
        let each = Online::len(heads, q.head_dim);
        if table.choosers.is_empty() {
            return;
        }
        scratch::partials(table.choosers.len() * sets * each, |partials| {
            let run = |(task, partial): (usize, &mut [f32])| {
                let (chooser, set) = (&table.choosers[task / sets], task % sets);
                let first = chooser.row * q.heads + set * heads;
                let mut online = Online::new(heads, q.head_dim, partial);
                let values = &output[first * q.head_dim..][..heads * q.head_dim];
                online.resume(&lse[first..first + heads], values);
                self.zoom(
                    chooser,
                    table.candidates(chooser),
                    set * heads..(set + 1) * heads,
                    &mut online,
                    &ballot,
                );
            };
            // Of whole numbers a product costs a quarter.
            if q.heads * q.head_dim * table.choices / 2 < PARALLEL_WORK {
                partials.chunks_exact_mut(each).enumerate().for_each(run);
            } else {
                partials.par_chunks_exact_mut(each).enumerate().for_each(run);
            }
            for (task, partial) in partials.chunks_exact_mut(each).enumerate() {
                let first = table.choosers[task / sets].row * q.heads + task % sets * heads;
                let online = Online::new(heads, q.head_dim, partial);
                let places = output[first * q.head_dim..].chunks_exact_mut(q.head_dim).zip(&mut lse[first..]);
                for (query, (output, lse)) in (0..heads).zip(places) {
                    *lse = online.finish(query, output);
                }
            }
        });
    }

    /// Lets the query `heads` of a row choose together, and attend to what they chose.
    fn zoom(
        &self,
        chooser: &Chooser,
        candidates: Candidates<'_>,
        heads: Range<usize>,
        online: &mut Online<'_>,
        ballot: &Mutex<Option<&mut HostBallot>>,
    ) {
        // Taken out while it is used: a task that this thread takes on meanwhile finds an empty one.
        let mut work = WORK.take();
        let shared = self.attend.shared();
        let kv_heads = heads.start / shared..heads.end / shared;
        work.estimates.resize(heads.len() * chooser.count, 0.0);
        for kv_head in kv_heads.clone() {
            self.estimate(chooser, &candidates, kv_head, kv_head * shared - heads.start, &mut work);
        }
        self.share(online, chooser.count, &mut work);
        self.rule.choose(&work.shares, |u| candidates.blocks[u].len, &mut work.chosen);
        if let (Some(row), Ok(mut ballot)) = (chooser.ballot_row, ballot.lock())
            && let Some(ballot) = ballot.as_deref_mut()
        {
            let read = work.chosen.iter().map(|&u| (candidates.thoughts[u], candidates.blocks[u].len));
            ballot.rows_mut()[row].read(kv_heads.len(), read);
        }
        runs(candidates.blocks, &work.chosen, &mut work.runs);
        for kv_head in kv_heads {
            for runs in chunks(&work.runs) {
                self.attend.block(chooser.row, kv_head * shared - heads.start, kv_head, runs, online);
            }
        }
        WORK.replace(work);
    }

    /// Step 5 for the query heads that read `kv_head`, whose estimates go to `work` from its head `first` on.
    fn estimate(
        &self,
        chooser: &Chooser,
        candidates: &Candidates<'_>,
        kv_head: usize,
        first: usize,
        work: &mut Work,
    ) {
        let Attend { simd, q, scale, .. } = self.attend;
        let (shared, head_dim, count) = (self.attend.shared(), q.head_dim, chooser.count);
        let at = candidates.spread;
        let spread = self.spreads.run(at.page, kv_head, at.start..at.start + at.len);
        let (mean, rest) = spread.split_at(head_dim);
        let (deviation, within) = rest.split_at(head_dim);
        let estimates = &mut work.estimates[first * count..][..shared * count];
        work.queries.resize(shared * head_dim, 0);
        work.scaled.resize(head_dim, 0.0);
        let queries = q.heads(chooser.row, kv_head * shared..(kv_head + 1) * shared);
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
    fn offset(&self, blocks: &[PageSpan], around: f32, variance: f32, estimates: &mut [f32]) {
        // Nearly all blocks are of one length.
        let (mut length, mut offset) = (0, 0.0);
        for (estimate, block) in estimates.iter_mut().zip(blocks) {
            if block.len != length {
                length = block.len;
                offset = around + log_partition(length, f64::from(variance)) as f32;
            }
            *estimate = offset;
        }
    }

    /// Step 6, from the estimates in `work`.
    fn share(&self, online: &Online<'_>, count: usize, work: &mut Work) {
        let simd = self.attend.simd;
        work.sums.clear();
        work.sums.resize(count, 0.0);
        for (query, estimates) in work.estimates.chunks_exact_mut(count).enumerate() {
            let base = online.lse(query);
            let max = simd.scale_max(estimates, 1.0).max(base);
            if max == f32::NEG_INFINITY {
                continue;
            }
            let total = simd.exp_sum(estimates, max) + (base - max).exp();
            simd.add_scaled(&mut work.sums, estimates, total.recip());
        }
        let units = SHARE_UNITS as f32 / online.queries() as f32;
        work.shares.clear();
        work.shares.extend(work.sums.iter().map(|sum| (sum * units).round() as u32));
    }
}

/// Runs of slots that hold the chosen blocks; neighbours on a page are one run.
fn runs(blocks: &[PageSpan], chosen: &[usize], runs: &mut Vec<Run>) {
    runs.clear();
    for &u in chosen {
        let PageSpan { page, start, len, .. } = blocks[u];
        match runs.last_mut() {
            Some(run) if run.page == page && run.slots.end == start => run.slots.end += len,
            _ => runs.push(Run { page, slots: start..start + len }),
        }
    }
}

/// As many runs at a time as have [`CHUNK_TOKENS`], or one.
fn chunks(runs: &[Run]) -> impl Iterator<Item = &[Run]> {
    let mut rest = runs;
    std::iter::from_fn(move || {
        let mut tokens = 0;
        let fits = |run: &&Run| {
            tokens += run.slots.len();
            tokens <= CHUNK_TOKENS
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (chunk, after) = rest.split_at(count);
        rest = after;
        (!chunk.is_empty()).then_some(chunk)
    })
}
