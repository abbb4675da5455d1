//! Level 2 of METHOD.md: blocks, chosen by each layer's own queries inside of one call.

use burn::tensor::{Tensor, backend::Backend};

use super::{AttentionKernels, PageSpan, PageStore, Slot};
use crate::select::BlockRule;

/// The vectors of a band's blocks, pages of one part: for each block and KV head the mean of its keys, in few bits.
///
/// A vector is kept as `(mean - c) / s`, where `c` and `s` are the mean and the deviation of the sequence's first keys,
/// since keys have a few channels that are much larger than the others.
pub trait BlockStore<B: Backend>: PageStore {
    /// Bytes that one vector of `head_dim` elements takes, all that is kept with it included.
    fn vector_bytes(head_dim: usize) -> usize;

    /// Writes the vectors of blocks into `slots`, one for each.
    ///
    /// * `means`: the mean keys, `[blocks, kv_heads, head_dim]`.
    /// * `spread`: [`KvStore::key_spread`](super::KvStore::key_spread) of the sequence.
    fn write(&mut self, layer: usize, means: &Tensor<B, 3>, spread: &Tensor<B, 3>, slots: &[Slot]);
}

/// The blocks that the rows of a group choose from.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// Where each block's tokens lie, in the order of their positions.
    pub blocks: &'a [PageSpan],
    /// Where the blocks' vectors lie, in the same order; `position` counts the blocks from 0.
    pub vectors: &'a [PageSpan],
    /// Where the three vectors of the sequence's [spread](super::KvStore::key_spread) lie.
    pub spread: PageSpan,
    /// The thought that each block belongs to, if it does to one.
    pub thoughts: &'a [Option<usize>],
    /// How many of the blocks (the oldest ones) each row of the group chooses from.
    pub counts: &'a [usize],
    /// The ballot's row that hears what the last row of the group has chosen, if any does.
    pub ballot_row: Option<usize>,
}

/// [`Candidates`], owned.
#[derive(Clone, Debug)]
pub struct OwnedCandidates {
    /// As [`Candidates::blocks`].
    pub blocks: Vec<PageSpan>,
    /// As [`Candidates::vectors`].
    pub vectors: Vec<PageSpan>,
    /// As [`Candidates::spread`].
    pub spread: PageSpan,
    /// As [`Candidates::thoughts`].
    pub thoughts: Vec<Option<usize>>,
    /// As [`Candidates::counts`].
    pub counts: Vec<usize>,
    /// As [`Candidates::ballot_row`].
    pub ballot_row: Option<usize>,
}

impl OwnedCandidates {
    /// The same candidates.
    pub fn new(candidates: &Candidates<'_>) -> Self {
        Self {
            blocks: candidates.blocks.to_vec(),
            vectors: candidates.vectors.to_vec(),
            spread: candidates.spread,
            thoughts: candidates.thoughts.to_vec(),
            counts: candidates.counts.to_vec(),
            ballot_row: candidates.ballot_row,
        }
    }

    /// The same candidates.
    pub fn get(&self) -> Candidates<'_> {
        Candidates {
            blocks: &self.blocks,
            vectors: &self.vectors,
            spread: self.spread,
            thoughts: &self.thoughts,
            counts: &self.counts,
            ballot_row: self.ballot_row,
        }
    }
}

/// What a layer chooses blocks by.
#[derive(Debug)]
pub struct Zoom<'a, B: Backend, K: AttentionKernels<B>> {
    /// The band's vectors of blocks.
    pub vectors: &'a K::Blocks,
    /// The store of the sequences' spreads.
    pub spreads: &'a K::Store,
    /// How many it takes.
    pub rule: BlockRule,
    /// Hears of the last rows' choices.
    pub ballot: Option<&'a mut K::Ballot>,
}

impl<'a, B: Backend, K: AttentionKernels<B>> Zoom<'a, B, K> {
    /// The same for a provider around this one, or for the one inside: they keep the same things.
    pub fn of_same<L>(self) -> Zoom<'a, B, L>
    where
        L: AttentionKernels<B, Blocks = K::Blocks, Store = K::Store, Ballot = K::Ballot>,
    {
        Zoom { vectors: self.vectors, spreads: self.spreads, rule: self.rule, ballot: self.ballot }
    }
}
