//! Paged attention in one pass over the pages, with an online softmax.
//!
//! A task takes its rows through its pages one by one; within a page, the query heads that share a KV head
//! score each of its keys while it is in registers. Slots that a row does not see are not read.

use rayon::prelude::*;
use zoomr_core::kernels::AttendGroup;

use super::{
    online::Online,
    schedule::{Task, tasks},
};
use crate::{
    simd::{Native, Simd},
    view::{Queries, Slabs},
};

/// Multiply-adds below which waking another thread costs more than it brings: some 20 us on one core.
const PARALLEL_WORK: usize = 200_000;

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
        let tasks = tasks(groups, self.keys.kv_heads);
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

    /// The softmax of a task's rows and query heads over its tokens.
    fn attend(&self, task: &Task<'_>) -> Online {
        let mut online = Online::new(task.rows.len() * self.shared(), self.q.head_dim);
        let mut scores = Vec::new();
        for span in task.spans {
            for (r, visible) in task.visible.iter().enumerate() {
                for seen in visible.clipped(span.positions()) {
                    let first = span.start + seen.start - span.position;
                    let slots = first..first + seen.len();
                    let keys = self.keys.run(span.page, task.kv_head, slots.clone());
                    let values = self.values.run(span.page, task.kv_head, slots);
                    self.score(task.rows.start + r, task.kv_head, keys, &mut scores);
                    for (head, scores) in scores.chunks_exact_mut(seen.len()).enumerate() {
                        online.add(self.simd, r * self.shared() + head, scores, values);
                    }
                }
            }
        }
        online
    }

    /// The scaled scores of `keys` for the query heads of `row` that read `kv_head`: `[heads, keys]`.
    fn score(&self, row: usize, kv_head: usize, keys: &[f32], scores: &mut Vec<f32>) {
        let shared = self.shared();
        let queries = self.q.heads(row, kv_head * shared..(kv_head + 1) * shared);
        scores.resize(shared * keys.len() / self.q.head_dim, 0.0);
        self.simd.dots::<Native>(queries, keys, self.q.head_dim, scores);
        scores.iter_mut().for_each(|score| *score *= self.scale);
    }

    /// Merges the results of tasks over the same queries and puts them in their places.
    fn assemble(&self, tasks: &[Task<'_>], results: Vec<Online>) -> (Vec<f32>, Vec<f32>) {
        let (heads, head_dim, shared) = (self.q.heads, self.q.head_dim, self.shared());
        let mut output = vec![0.0; self.q.rows * heads * head_dim];
        let mut lse = vec![f32::NEG_INFINITY; self.q.rows * heads];
        let mut results = results.into_iter();
        for tasks in tasks.chunk_by(Task::continues) {
            let merged = results.by_ref().take(tasks.len()).reduce(|mut all, next| {
                all.merge(next);
                all
            });
            for (query, online) in
                merged.iter().flat_map(|online| (0..online.queries()).map(move |q| (q, online)))
            {
                let row = tasks[0].rows.start + query / shared;
                let at = row * heads + tasks[0].kv_head * shared + query % shared;
                lse[at] = online.finish(query, &mut output[at * head_dim..][..head_dim]);
            }
        }
        (output, lse)
    }
}
