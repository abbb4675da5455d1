//! Level 2: blocks [chosen](super::choose), and attended to after what a row sees anyway.
//!
//! A task is a row and the KV heads that choose together. It goes on from the row's base with the same running softmax.

use std::{cell::RefCell, ops::Range, sync::Mutex};

use zoomr_core::{
    kernels::{Candidate, Candidates, PageSpan},
    select::HostBallot,
};

use super::{
    attend::{Attend, PARALLEL_WORK},
    choose::Choosing,
    online::Online,
    scratch,
    table::{CpuTable, Run},
};
use crate::team;

/// Tokens of blocks that are scored in one go, as many as of what rows see anyway.
const CHUNK_TOKENS: usize = 64;

/// Attention to what rows choose.
pub(crate) struct Zooming<'a> {
    pub(crate) attend: &'a Attend<'a>,
    pub(crate) choosing: Choosing<'a>,
}

thread_local! {
    /// Runs of slots, kept from call to call.
    static RUNS: RefCell<Vec<Run>> = RefCell::default();
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
        let (q, sets) = (&self.attend.q, self.choosing.sets());
        let (heads, ballot) = (q.heads / sets, Mutex::new(ballot));
        let each = Online::len(heads, q.head_dim);
        if table.choosers.is_empty() {
            return;
        }
        scratch::partials(table.choosers.len() * sets * each, |partials| {
            let run = |task: usize, partial: &mut [f32]| {
                let (chooser, set) = (&table.choosers[task / sets], task % sets);
                let first = chooser.row * q.heads + set * heads;
                let mut online = Online::new(heads, q.head_dim, partial);
                let (base, values) =
                    (&lse[first..first + heads], &output[first * q.head_dim..][..heads * q.head_dim]);
                online.resume(base, values);
                let (candidates, heads) = (table.candidates(chooser), set * heads..(set + 1) * heads);
                let at = (chooser.row, chooser.count);
                self.choosing.choose(at, &candidates, heads.clone(), base, |shares, chosen| {
                    if let (Some(row), Ok(mut ballot)) = (chooser.ballot_row, ballot.lock())
                        && let Some(ballot) = ballot.as_deref_mut()
                    {
                        let kv_heads = heads.len() / self.attend.shared();
                        candidates.tell(&mut ballot.rows_mut()[row], kv_heads, shares, chosen);
                    }
                    self.zoom(chooser.row, &candidates, heads, chosen, &mut online);
                });
            };
            // Of whole numbers a product costs a quarter.
            if q.heads * q.head_dim * table.choices / 2 < PARALLEL_WORK {
                partials.chunks_exact_mut(each).enumerate().for_each(|(task, partial)| run(task, partial));
            } else {
                team::run_chunks(partials, each, run);
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

    /// Lets the query `heads` of a row attend to the blocks that they have chosen.
    fn zoom(
        &self,
        row: usize,
        candidates: &Candidates<'_>,
        heads: Range<usize>,
        chosen: &[usize],
        online: &mut Online<'_>,
    ) {
        let shared = self.attend.shared();
        let kv_heads = heads.start / shared..heads.end / shared;
        // Taken out while it is used: a task that this thread takes on meanwhile finds an empty one.
        let mut runs = RUNS.take();
        gather(candidates.blocks, chosen, &mut runs);
        for kv_head in kv_heads {
            for runs in chunks(&runs) {
                self.attend.block(row, kv_head * shared - heads.start, kv_head, runs, online);
            }
        }
        RUNS.replace(runs);
    }
}

/// Runs of slots that hold the chosen blocks; neighbours on a page are one run.
fn gather(blocks: &[Candidate], chosen: &[usize], runs: &mut Vec<Run>) {
    runs.clear();
    for PageSpan { page, start, len, .. } in chosen.iter().filter_map(|&u| blocks[u].span) {
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
