//! What rows attend to, cut into tasks and runs of slots: worked out once for all layers that share it.
//!
//! The cut is that of [`schedule`](super::schedule); a task's tokens come block by block, and for each of its rows
//! a block is a few runs of consecutive slots.

use std::ops::Range;

use zoomr_core::{
    kernels::{AttendGroup, Candidates, OwnedCandidates, PageSpan},
    positions::PositionSet,
};

use super::schedule::{Task, chunks, tasks};

/// Tokens whose keys, then values, a row takes in one go. With heads of 64 elements both are 16 KiB: they are in
/// the first-level cache for the task's other rows, while each step of the softmax has enough to do.
const BLOCK_TOKENS: usize = 64;

/// Consecutive slots of a page that a row sees.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) page: usize,
    pub(super) slots: Range<usize>,
}

/// Some rows of one group and some of the tokens that they see.
#[derive(Debug)]
pub(super) struct TableTask {
    /// The rows in the query tensor.
    pub(super) rows: Range<usize>,
    /// The runs of all its blocks: for each block, those of each row.
    runs: Vec<Run>,
    /// Where the runs of each block and row end, `[blocks, rows]`.
    ends: Vec<usize>,
}

impl TableTask {
    fn new(task: &Task<'_>) -> Self {
        let (mut runs, mut ends) = (Vec::new(), Vec::new());
        for spans in chunks(task.spans, BLOCK_TOKENS) {
            for visible in task.visible {
                runs.extend(seen(spans, visible));
                ends.push(runs.len());
            }
        }
        Self { rows: task.rows.clone(), runs, ends }
    }

    /// Blocks of tokens.
    pub(super) fn blocks(&self) -> usize {
        self.ends.len() / self.rows.len()
    }

    /// What the task's row `r` sees of a block.
    pub(super) fn runs(&self, block: usize, r: usize) -> &[Run] {
        let at = block * self.rows.len() + r;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.runs[start..self.ends[at]]
    }
}

/// A row that chooses blocks.
#[derive(Debug)]
pub(super) struct Chooser {
    /// The row in the query tensor.
    pub(super) row: usize,
    /// Whose candidates it chooses from.
    group: usize,
    /// How many of them.
    pub(super) count: usize,
    /// The ballot's row that hears of it.
    pub(super) ballot_row: Option<usize>,
}

/// The tasks of one attention.
#[derive(Debug)]
pub struct CpuTable {
    /// Those over the same rows are neighbours.
    pub(super) tasks: Vec<TableTask>,
    /// The most rows of a task.
    pub(super) most_rows: usize,
    /// Pairs of a row and a token that it may see.
    pub(super) pairs: usize,
    /// Rows that choose blocks, and how many blocks they have together.
    pub(super) choosers: Vec<Chooser>,
    pub(super) choices: usize,
    candidates: Vec<OwnedCandidates>,
}

impl CpuTable {
    pub(crate) fn new(groups: &[AttendGroup<'_>]) -> Self {
        let tasks: Vec<TableTask> = tasks(groups).iter().map(TableTask::new).collect();
        let pairs = |group: &AttendGroup<'_>| {
            group.visible.len() * group.spans.iter().map(|span| span.len).sum::<usize>()
        };
        let most_rows = tasks.iter().map(|task| task.rows.len()).max().unwrap_or(0);
        let choosing = groups.iter().filter_map(|group| Some((group.first_row, group.candidates?)));
        let candidates = choosing.clone().map(|(_, candidates)| OwnedCandidates::new(&candidates)).collect();
        let choosers: Vec<Chooser> = choosing.enumerate().flat_map(choosers).collect();
        Self {
            tasks,
            most_rows,
            pairs: groups.iter().map(pairs).sum(),
            choices: choosers.iter().map(|chooser| chooser.count).sum(),
            choosers,
            candidates,
        }
    }

    /// The blocks that a row chooses from.
    pub(super) fn candidates(&self, chooser: &Chooser) -> Candidates<'_> {
        self.candidates[chooser.group].get()
    }
}

/// The rows of a group that have blocks to choose from.
fn choosers(
    (group, (first_row, candidates)): (usize, (usize, Candidates<'_>)),
) -> impl Iterator<Item = Chooser> {
    let rows = candidates.counts.len();
    candidates.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(move |(r, &count)| Chooser {
        row: first_row + r,
        group,
        count,
        ballot_row: candidates.ballot_row.filter(|_| r + 1 == rows),
    })
}

/// The tokens of `spans` that a row sees.
fn seen<'a>(spans: &'a [PageSpan], visible: &'a PositionSet) -> impl Iterator<Item = Run> + 'a {
    spans.iter().flat_map(|span| {
        let PageSpan { page, start, position, .. } = *span;
        let slots = move |run: Range<usize>| run.start - position + start..run.end - position + start;
        visible.clipped(span.positions()).map(move |run| Run { page, slots: slots(run) })
    })
}
