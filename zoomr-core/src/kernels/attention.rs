//! Attention over pages: votes and exact attention, the hot kernels of a decoding step.

use burn::tensor::{Device, Tensor, backend::Backend};

use super::{BlockStore, Candidates, KvStore, OwnedCandidates, PageShape, PageSpan, Zoom};
use crate::{kv::KvDtype, positions::PositionSet, select::Ballot, state::AttentionState};

/// Rows of one sequence that attend together.
#[derive(Clone, Copy, Debug)]
pub struct AttendGroup<'a> {
    /// The first of the group's rows in the query tensor; the group has `visible.len()` rows.
    pub first_row: usize,
    /// Where the union of what the rows see lies; disjoint in position, in any order.
    pub spans: &'a [PageSpan],
    /// What each row sees; tokens of `spans` outside of a row's set contribute nothing to that row.
    pub visible: &'a [PositionSet],
    /// The blocks that the rows may zoom into, none of which lies in `spans`.
    pub candidates: Option<Candidates<'a>>,
}

impl<'a> AttendGroup<'a> {
    /// Rows from `first_row` on that see `visible` of the tokens in `spans`, and choose nothing.
    pub fn new(first_row: usize, spans: &'a [PageSpan], visible: &'a [PositionSet]) -> Self {
        Self { first_row, spans, visible, candidates: None }
    }
}

/// Groups as they were handed in: the table of a provider that works nothing out ahead.
#[derive(Clone, Debug, Default)]
pub struct GroupTable {
    groups: Vec<OwnedGroup>,
}

#[derive(Clone, Debug)]
struct OwnedGroup {
    first_row: usize,
    spans: Vec<PageSpan>,
    visible: Vec<PositionSet>,
    candidates: Option<OwnedCandidates>,
}

impl GroupTable {
    /// The same groups.
    pub fn new(groups: &[AttendGroup<'_>]) -> Self {
        let own = |group: &AttendGroup<'_>| OwnedGroup {
            first_row: group.first_row,
            spans: group.spans.to_vec(),
            visible: group.visible.to_vec(),
            candidates: group.candidates.as_ref().map(OwnedCandidates::new),
        };
        Self { groups: groups.iter().map(own).collect() }
    }

    /// The groups.
    pub fn groups(&self) -> impl Iterator<Item = AttendGroup<'_>> {
        self.groups.iter().map(|group| AttendGroup {
            first_row: group.first_row,
            spans: &group.spans,
            visible: &group.visible,
            candidates: group.candidates.as_ref().map(OwnedCandidates::get),
        })
    }
}

/// Rows of one sequence that score the same index.
#[derive(Clone, Copy, Debug)]
pub struct ScoreGroup<'a> {
    /// The first of the group's rows in the query tensor; the group has `candidates.len()` rows.
    pub first_row: usize,
    /// The ballot's row that the first row votes in; the others vote in the rows after it.
    pub ballot_row: usize,
    /// Where the index vectors lie: the token at "position" `j` is the index vector of thought `j`.
    pub spans: &'a [PageSpan],
    /// How many thoughts each row may vote for: thoughts `0..candidates[r]`, the oldest ones.
    pub candidates: &'a [usize],
}

/// Attention over pages.
pub trait AttentionKernels<B: Backend>: Send + Sync + Sized {
    /// Pages on the device.
    type Store: KvStore<B>;
    /// Vectors of blocks on the device.
    type Blocks: BlockStore<B>;
    /// What rows attend to, as [`attend`](Self::attend) takes it: made once for all layers that share it.
    type Table: std::fmt::Debug + Send;
    /// Votes, where they are cast.
    type Ballot: Ballot;

    /// A store without slabs, whose vectors are stored as `kv` says.
    fn store(&self, shape: PageShape, kv: KvDtype, device: &Device<B>) -> Self::Store;

    /// A store of blocks' vectors, without slabs; `shape` has one part.
    fn blocks(&self, shape: PageShape, device: &Device<B>) -> Self::Blocks;

    /// What the groups' rows attend to. The groups cover all rows of the queries once, in order.
    fn table(&self, groups: &[AttendGroup<'_>]) -> Self::Table;

    /// An empty ballot: row `r` is about `candidates[r]` thoughts.
    fn ballot(&self, candidates: &[usize]) -> Self::Ballot;

    /// Steps 1 and 2 of METHOD.md: scores every candidate thought, lets each query head vote for its `votes` best,
    /// and adds the votes to the ballot's rows.
    ///
    /// * `q`: queries after RoPE `[rows, query_heads, head_dim]`; head `h` reads KV head
    ///   `h / (query_heads / kv_heads)`.
    /// * `index`: the store of the band's index vectors; `layer` counts within the band.
    /// * `scale`: multiplies every dot product (`1 / sqrt(head_dim)` in most models).
    ///
    /// Equal scores give equal votes: [`Tally::from_scores`](crate::select::Tally::from_scores), or something equal
    /// to it.
    fn vote(
        &self,
        q: &Tensor<B, 3>,
        index: &Self::Store,
        layer: usize,
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
        into: &mut Self::Ballot,
    );

    /// Steps 4 to 8 of METHOD.md: exact softmax attention of each row over the tokens that the table shows it, and, with
    /// `zoom`, over the blocks that the row's query heads choose from the table's candidates.
    ///
    /// * `q`: `[rows, query_heads, head_dim]`, as in [`vote`](Self::vote).
    /// * `zoom`: what candidates are chosen by; without it none is attended.
    ///
    /// Equal shares give equal choices: [`BlockRule::choose`](crate::select::BlockRule::choose), or something equal to
    /// it. A row that sees nothing gets a zero output and a log-sum-exp of minus infinity.
    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: &Self::Store,
        layer: usize,
        table: &Self::Table,
        scale: f32,
        zoom: Option<Zoom<'_, B, Self>>,
    ) -> AttentionState<B>;
}
