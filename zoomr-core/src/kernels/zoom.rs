//! Level 2 of METHOD.md: blocks, chosen by each layer's own queries inside of one call.

use burn::tensor::{Tensor, backend::Backend};

use super::{AttentionKernels, PageSpan, PageStore, Slot};
use crate::select::{BlockRule, Tally};

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

/// A block that rows may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// How many tokens it has.
    pub tokens: usize,
    /// Where they lie, if they are at hand. What is not takes its share of attention, but cannot be chosen.
    pub span: Option<PageSpan>,
    /// What the ballot counts it for.
    pub passage: usize,
}

impl Candidate {
    /// How many tokens it has, if they are at hand.
    pub fn at_hand(&self) -> Option<usize> {
        self.span.map(|span| span.len)
    }
}

/// The blocks that the rows of a group choose from.
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    /// The blocks, in the order of their positions.
    pub blocks: &'a [Candidate],
    /// Where the blocks' vectors lie, in the same order; `position` counts the blocks from 0.
    pub vectors: &'a [PageSpan],
    /// Where the three vectors of the sequence's [spread](super::KvStore::key_spread) lie.
    pub spread: PageSpan,
    /// How many of the blocks (the oldest ones) each row of the group estimates, and chooses from as far as they are at
    /// hand.
    pub counts: &'a [usize],
    /// The ballot's row that hears what the last row of the group has found and chosen, if any does.
    pub ballot_row: Option<usize>,
    /// Whether the ballot hears of shares, too: where they decide what is at hand next.
    pub tells_shares: bool,
}

impl Candidates<'_> {
    /// Tells a ballot's row what `kv_heads` heads that choose together find: the share of attention that each of the first
    /// blocks would bring them, and which blocks they have chosen.
    pub fn tell(&self, tally: &mut Tally, kv_heads: usize, shares: &[u32], chosen: &[usize]) {
        if self.tells_shares {
            let of = |(share, block): (&u32, &Candidate)| (block.passage, *share);
            tally.find(kv_heads, shares.iter().zip(self.blocks).map(of));
        }
        tally.read(kv_heads, chosen.iter().map(|&u| (self.blocks[u].passage, self.blocks[u].tokens)));
    }
}

/// [`Candidates`], owned.
#[derive(Clone, Debug)]
pub struct OwnedCandidates {
    /// As [`Candidates::blocks`].
    pub blocks: Vec<Candidate>,
    /// As [`Candidates::vectors`].
    pub vectors: Vec<PageSpan>,
    /// As [`Candidates::spread`].
    pub spread: PageSpan,
    /// As [`Candidates::counts`].
    pub counts: Vec<usize>,
    /// As [`Candidates::ballot_row`].
    pub ballot_row: Option<usize>,
    /// As [`Candidates::tells_shares`].
    pub tells_shares: bool,
}

impl OwnedCandidates {
    /// The same candidates.
    pub fn new(candidates: &Candidates<'_>) -> Self {
        Self {
            blocks: candidates.blocks.to_vec(),
            vectors: candidates.vectors.to_vec(),
            spread: candidates.spread,
            counts: candidates.counts.to_vec(),
            ballot_row: candidates.ballot_row,
            tells_shares: candidates.tells_shares,
        }
    }

    /// The same candidates.
    pub fn get(&self) -> Candidates<'_> {
        Candidates {
            blocks: &self.blocks,
            vectors: &self.vectors,
            spread: self.spread,
            counts: &self.counts,
            ballot_row: self.ballot_row,
            tells_shares: self.tells_shares,
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
    /// Hears of the last rows' shares and choices.
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
