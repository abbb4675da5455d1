//! Paged attention in one pass over the pages, with an online softmax.
//!
//! A task takes its rows through its tokens block by block, one KV head after another; the query heads that share
//! a KV head score each of its keys, and add up each of its values, while it is in registers. Slots that a row does not see
//! are not read.

use super::{
    online::Online,
    scratch,
    table::{CpuTable, Run, TableTask},
};
use crate::{simd::Simd, store::Part, team, view::Queries};

/// Multiply-adds below which calling other threads together costs more than it brings: some 5 us on one core.
pub(super) const PARALLEL_WORK: usize = 50_000;

/// The inputs of one call.
pub(crate) struct Attend<'a> {
    /// Which inner loops to use.
    pub(crate) simd: Simd,
    /// Queries.
    pub(crate) q: Queries<'a>,
    /// Keys.
    pub(crate) keys: Part<'a>,
    /// Values.
    pub(crate) values: Part<'a>,
    /// What products of queries and keys are multiplied by.
    pub(crate) scale: f32,
}

impl Attend<'_> {
    /// The outputs `[rows, query_heads, head_dim]` and log-sum-exps `[rows, query_heads]` of all rows.
    pub(crate) fn run(&self, table: &CpuTable) -> (Vec<f32>, Vec<f32>) {
        let (heads, head_dim) = (self.q.heads, self.q.head_dim);
        let mut output = vec![0.0; self.q.rows * heads * head_dim];
        let mut lse = vec![f32::NEG_INFINITY; self.q.rows * heads];
        let each = Online::len(table.most_rows * heads, head_dim);
        if each == 0 {
            return (output, lse);
        }
        scratch::partials(table.tasks.len() * each, |partials| {
            let run = |i: usize, partial: &mut [f32]| {
                let task = &table.tasks[i];
                self.attend(task, self.online(task, partial));
            };
            if 2 * heads * head_dim * table.pairs < PARALLEL_WORK {
                partials.chunks_exact_mut(each).enumerate().for_each(|(i, partial)| run(i, partial));
            } else {
                team::run_chunks(partials, each, run);
            }
            self.assemble(table, partials.chunks_exact_mut(each), &mut output, &mut lse);
        });
        (output, lse)
    }

    /// Query heads per KV head.
    pub(super) fn shared(&self) -> usize {
        self.q.heads / self.keys.kv_heads()
    }

    /// The running softmax of a task's rows, `[rows, query_heads]`.
    fn online<'p>(&self, task: &TableTask, partial: &'p mut [f32]) -> Online<'p> {
        Online::new(task.rows.len() * self.q.heads, self.q.head_dim, partial)
    }

    /// Takes a task's rows through its tokens.
    fn attend(&self, task: &TableTask, mut online: Online<'_>) {
        online.clear();
        for block in 0..task.blocks() {
            for kv_head in 0..self.keys.kv_heads() {
                for r in 0..task.rows.len() {
                    let first = r * self.q.heads + kv_head * self.shared();
                    self.block(task.rows.start + r, first, kv_head, task.runs(block, r), &mut online);
                }
            }
        }
    }

    /// Lets the query heads of a row that read `kv_head` attend to the `runs`' tokens; in `online`, they are those from
    /// `first` on.
    pub(super) fn block(
        &self,
        row: usize,
        first: usize,
        kv_head: usize,
        runs: &[Run],
        online: &mut Online<'_>,
    ) {
        let shared = self.shared();
        let count: usize = runs.iter().map(|run| run.slots.len()).sum();
        if count == 0 {
            return;
        }
        scratch::scores(shared * count, |scores| {
            self.score(row, kv_head, runs, count, scores);
            for (query, scores) in (first..).zip(scores.chunks_exact_mut(count)) {
                online.weigh(self.simd, query, scores, self.scale);
            }
            let (queries, mut seen) = (first..first + shared, 0);
            for run in runs {
                let values = self.values.run(run.page, kv_head, run.slots.clone());
                online.add(self.simd, queries.clone(), &scores[seen..], count, values);
                seen += run.slots.len();
            }
        });
    }

    /// The scores of the `runs`' keys, not yet scaled, for the query heads of `row` that read `kv_head`:
    /// `[heads, count]`.
    fn score(&self, row: usize, kv_head: usize, runs: &[Run], count: usize, scores: &mut [f32]) {
        let shared = self.shared();
        let queries = self.q.heads(row, kv_head * shared..(kv_head + 1) * shared);
        let mut first = 0;
        for run in runs {
            let keys = self.keys.run(run.page, kv_head, run.slots.clone());
            keys.dots(self.simd, queries, self.q.head_dim, &mut scores[first..], count);
            first += run.slots.len();
        }
    }

    /// Merges the results of tasks over the same rows and puts them in their places.
    fn assemble<'p>(
        &self,
        table: &CpuTable,
        mut partials: impl Iterator<Item = &'p mut [f32]>,
        output: &mut [f32],
        lse: &mut [f32],
    ) {
        let (heads, head_dim) = (self.q.heads, self.q.head_dim);
        for tasks in table.tasks.chunk_by(|a, b| a.rows == b.rows) {
            let first = tasks[0].rows.start * heads;
            let results =
                tasks.iter().zip(partials.by_ref()).map(|(task, partial)| self.online(task, partial));
            let Some(online) = results.reduce(Online::merge) else { continue };
            let places = output[first * head_dim..].chunks_exact_mut(head_dim).zip(&mut lse[first..]);
            for (query, (output, lse)) in (0..online.queries()).zip(places) {
                *lse = online.finish(query, output);
            }
        }
    }
}
