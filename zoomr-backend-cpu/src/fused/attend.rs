//! Paged attention in one pass over the pages, with an online softmax.
//!
//! A task takes its rows through its tokens block by block, one KV head after another; the query heads that share
//! a KV head score each of its keys while it is in registers. Slots that a row does not see are not read.

use std::ops::Range;

use rayon::prelude::*;
use zoomr_core::{
    kernels::{AttendGroup, PageSpan},
    positions::PositionSet,
};

use super::{
    online::Online,
    schedule::{Task, chunks, tasks},
};
use crate::{
    simd::{Native, Simd},
    view::{Queries, Slabs},
};

/// Multiply-adds below which waking another thread costs more than it brings: some 20 us on one core.
const PARALLEL_WORK: usize = 200_000;

/// Tokens whose keys, then values, a row takes in one go. With heads of 64 elements both are 16 KiB: they are in
/// the first-level cache for the task's other rows, while each step of the softmax has enough to do.
const BLOCK_TOKENS: usize = 64;

/// Consecutive slots of a page that a row sees.
struct Run {
    page: usize,
    slots: Range<usize>,
}

/// The inputs of one call.
pub(crate) struct Attend<'a> {
    /// Which inner loops to use.
    pub(crate) simd: Simd,
    /// Queries.
    pub(crate) q: Queries<'a>,
    /// Keys.
    pub(crate) keys: Slabs<'a>,
    /// Values.
    pub(crate) values: Slabs<'a>,
    /// What products of queries and keys are multiplied by.
    pub(crate) scale: f32,
}

impl Attend<'_> {
    /// The outputs `[rows, query_heads, head_dim]` and log-sum-exps `[rows, query_heads]` of all rows.
    pub(crate) fn run(&self, groups: &[AttendGroup<'_>]) -> (Vec<f32>, Vec<f32>) {
        let tasks = tasks(groups);
        let run = |task| self.attend(task);
        let results: Vec<Online> = if self.work(groups) < PARALLEL_WORK {
            tasks.iter().map(run).collect()
        } else {
            tasks.par_iter().map(run).collect()
        };
        self.assemble(&tasks, results)
    }

    /// An upper bound of the multiply-adds.
    fn work(&self, groups: &[AttendGroup<'_>]) -> usize {
        let pairs = |group: &AttendGroup<'_>| {
            group.visible.len() * group.spans.iter().map(|span| span.len).sum::<usize>()
        };
        2 * self.q.heads * self.q.head_dim * groups.iter().map(pairs).sum::<usize>()
    }

    /// Query heads per KV head.
    fn shared(&self) -> usize {
        self.q.heads / self.keys.kv_heads
    }

    /// The softmax of a task's rows, `[rows, query_heads]`, over its tokens.
    fn attend(&self, task: &Task<'_>) -> Online {
        let mut online = Online::new(task.rows.len() * self.q.heads, self.q.head_dim);
        let mut scores = Vec::new();
        for spans in chunks(task.spans, BLOCK_TOKENS) {
            let runs: Vec<Vec<Run>> = task.visible.iter().map(|visible| runs(spans, visible)).collect();
            for kv_head in 0..self.keys.kv_heads {
                for (r, runs) in runs.iter().enumerate() {
                    self.score(task.rows.start + r, kv_head, runs, &mut scores);
                    self.accumulate(r, kv_head, runs, &mut scores, &mut online);
                }
            }
        }
        online
    }

    /// The scores of the `runs`' keys, not yet scaled, for the query heads of `row` that read `kv_head`:
    /// `[heads, keys]`.
    fn score(&self, row: usize, kv_head: usize, runs: &[Run], scores: &mut Vec<f32>) {
        let shared = self.shared();
        let queries = self.q.heads(row, kv_head * shared..(kv_head + 1) * shared);
        let count = runs.iter().map(|run| run.slots.len()).sum();
        scores.resize(shared * count, 0.0);
        let mut first = 0;
        for run in runs {
            let keys = self.keys.run(run.page, kv_head, run.slots.clone());
            self.simd.dots::<Native>(queries, keys, self.q.head_dim, &mut scores[first..], count);
            first += run.slots.len();
        }
    }

    /// Lets the query heads of the task's row `r` that read `kv_head` attend to the `runs`' tokens, with the
    /// scores that [`score`](Self::score) gave.
    fn accumulate(&self, r: usize, kv_head: usize, runs: &[Run], scores: &mut [f32], online: &mut Online) {
        let shared = self.shared();
        let count = scores.len() / shared;
        if count == 0 {
            return;
        }
        let first = r * self.q.heads + kv_head * shared;
        for (query, scores) in (first..).zip(scores.chunks_exact_mut(count)) {
            online.weigh(self.simd, query, scores, self.scale);
            let mut weights = &scores[..];
            for run in runs {
                let values = self.values.run(run.page, kv_head, run.slots.clone());
                let (these, others) = weights.split_at(run.slots.len());
                online.add(self.simd, query, these, values);
                weights = others;
            }
        }
    }

    /// Merges the results of tasks over the same rows and puts them in their places.
    fn assemble(&self, tasks: &[Task<'_>], results: Vec<Online>) -> (Vec<f32>, Vec<f32>) {
        let (heads, head_dim) = (self.q.heads, self.q.head_dim);
        let mut output = vec![0.0; self.q.rows * heads * head_dim];
        let mut lse = vec![f32::NEG_INFINITY; self.q.rows * heads];
        let mut results = results.into_iter();
        for tasks in tasks.chunk_by(Task::continues) {
            let first = tasks[0].rows.start * heads;
            if let Some(online) = results.by_ref().take(tasks.len()).reduce(Online::merge) {
                let places = output[first * head_dim..].chunks_exact_mut(head_dim).zip(&mut lse[first..]);
                for (query, (output, lse)) in (0..online.queries()).zip(places) {
                    *lse = online.finish(query, output);
                }
            }
        }
        (output, lse)
    }
}

/// The tokens of `spans` that a row sees.
fn runs(spans: &[PageSpan], visible: &PositionSet) -> Vec<Run> {
    let seen = |span: &PageSpan| {
        let PageSpan { page, start, position, .. } = *span;
        let slots = move |run: Range<usize>| run.start - position + start..run.end - position + start;
        visible.clipped(span.positions()).map(move |run| Run { page, slots: slots(run) })
    };
    spans.iter().flat_map(seen).collect()
}
