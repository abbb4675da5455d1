//! A provider around another one, whose calls are written down: when a device would be waited for.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Device, Tensor, backend::Backend};

use crate::{
    kernels::{AttendGroup, AttentionKernels, PageShape, ScoreGroup, Zoom},
    kv::KvDtype,
    select::{Ballot, Tally},
    state::AttentionState,
};

/// What a provider was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// To make a table.
    Table,
    /// To let heads vote.
    Vote,
    /// To attend.
    Attend,
    /// For what a ballot adds up to: the moment that waits for a device.
    Read,
}

/// Calls in their order, shared by all who make them.
#[derive(Clone, Debug, Default)]
pub struct Calls(Arc<Mutex<Vec<Call>>>);

impl Calls {
    fn add(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// The calls since this was asked last.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A provider whose calls are written down.
#[derive(Clone, Debug, Default)]
pub struct Watched<K> {
    /// What computes.
    pub kernels: K,
    /// What it was asked for.
    pub calls: Calls,
}

/// A ballot whose reads are written down.
#[derive(Debug)]
pub struct WatchedBallot<L> {
    ballot: L,
    calls: Calls,
}

impl<L: Ballot> Ballot for WatchedBallot<L> {
    fn read(&self) -> Vec<Tally> {
        self.calls.add(Call::Read);
        self.ballot.read()
    }
}

impl<B: Backend, K: AttentionKernels<B>> AttentionKernels<B> for Watched<K> {
    type Ballot = WatchedBallot<K::Ballot>;
    type Blocks = K::Blocks;
    type Store = K::Store;
    type Table = K::Table;

    fn store(&self, shape: PageShape, kv: KvDtype, device: &Device<B>) -> Self::Store {
        self.kernels.store(shape, kv, device)
    }

    fn blocks(&self, shape: PageShape, device: &Device<B>) -> Self::Blocks {
        self.kernels.blocks(shape, device)
    }

    fn table(&self, groups: &[AttendGroup<'_>]) -> Self::Table {
        self.calls.add(Call::Table);
        self.kernels.table(groups)
    }

    fn ballot(&self, candidates: &[usize]) -> Self::Ballot {
        WatchedBallot { ballot: self.kernels.ballot(candidates), calls: self.calls.clone() }
    }

    fn vote(
        &self,
        q: &Tensor<B, 3>,
        index: &Self::Store,
        layer: usize,
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
        into: &mut Self::Ballot,
    ) {
        self.calls.add(Call::Vote);
        self.kernels.vote(q, index, layer, groups, votes, scale, &mut into.ballot);
    }

    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: &Self::Store,
        layer: usize,
        table: &Self::Table,
        scale: f32,
        zoom: Option<Zoom<'_, B, Self>>,
    ) -> AttentionState<B> {
        self.calls.add(Call::Attend);
        let zoom = zoom.map(|Zoom { vectors, spreads, rule, ballot }| Zoom {
            vectors,
            spreads,
            rule,
            ballot: ballot.map(|ballot| &mut ballot.ballot),
        });
        self.kernels.attend(q, kv, layer, table, scale, zoom)
    }
}
