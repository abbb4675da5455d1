//! Where a step's time and heap requests go: stopwatches around the provider, around the hook, and around the step.
//!
//! [`Timed`] is a provider that delegates to another, [`TimedHook`] a hook that delegates to a session. Stopwatches
//! nest: a step holds its forward pass, that holds the hook, and that the attention kernels. So what is nobody
//! else's follows by subtraction ([`Spent::session`], [`Spent::model`]).

use std::{
    ops::{Add, Sub},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use burn::tensor::{Device, Tensor, backend::Backend};
use zoomr_core::{
    Error,
    hook::AttentionHook,
    kernels::{
        AttendGroup, AttentionKernels, BlockKernels, HeadForm, LinearKernels, PageShape, RmsNorm, Rotation,
        ScoreGroup, Zoom,
    },
    kv::KvDtype,
    state::AttentionState,
    weight::StoredWeight,
};

use super::heap;

/// A stopwatch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watch {
    /// `Session::step`, as a whole.
    Step,
    /// The forward pass within it.
    Forward,
    /// The session's part of that, called once per layer.
    Hook,
    /// Votes and attention, called from the hook.
    Kernels,
    /// Products with weights and the gates between them, called from the forward pass.
    Products,
}

const WATCHES: usize = 5;

/// What all stopwatches show. It is shared by its clones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock(Arc<[Counters; WATCHES]>);

#[derive(Debug, Default)]
struct Counters {
    nanoseconds: AtomicU64,
    requests: AtomicU64,
}

impl Clock {
    /// Does `work` under a stopwatch.
    pub(crate) fn time<T>(&self, watch: Watch, work: impl FnOnce() -> T) -> T {
        let (requests, begun) = (heap::requests(), Instant::now());
        let done = work();
        let Counters { nanoseconds, requests: sum } = &self.0[watch as usize];
        nanoseconds.fetch_add(begun.elapsed().as_nanos() as u64, Relaxed);
        sum.fetch_add(heap::requests() - requests, Relaxed);
        done
    }

    /// Nanoseconds so far.
    pub(crate) fn nanoseconds(&self) -> Spent {
        Spent(self.0.each_ref().map(|counters| counters.nanoseconds.load(Relaxed)))
    }

    /// Heap requests so far.
    pub(crate) fn requests(&self) -> Spent {
        Spent(self.0.each_ref().map(|counters| counters.requests.load(Relaxed)))
    }
}

/// What each stopwatch shows: nanoseconds, or heap requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent([u64; WATCHES]);

impl Spent {
    /// What a stopwatch shows.
    pub(crate) fn of(&self, watch: Watch) -> u64 {
        self.0[watch as usize]
    }

    /// Session work: everything in a step but the model's part and the kernels.
    pub(crate) fn session(&self) -> u64 {
        self.of(Watch::Step) - self.of(Watch::Forward) + self.of(Watch::Hook) - self.of(Watch::Kernels)
    }

    /// What the model does besides products: norms, rotations, sums.
    pub(crate) fn model(&self) -> u64 {
        self.of(Watch::Forward) - self.of(Watch::Hook) - self.of(Watch::Products)
    }
}

impl Add for Spent {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(std::array::from_fn(|watch| self.0[watch] + other.0[watch]))
    }
}

impl Sub for Spent {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self(std::array::from_fn(|watch| self.0[watch] - earlier.0[watch]))
    }
}

/// A provider under stopwatches.
#[derive(Clone, Debug)]
pub(crate) struct Timed<K> {
    kernels: K,
    clock: Clock,
}

impl<K> Timed<K> {
    /// Puts `kernels` under stopwatches of `clock`.
    pub(crate) fn new(kernels: K, clock: &Clock) -> Self {
        Self { kernels, clock: clock.clone() }
    }
}

impl<B: Backend, K: AttentionKernels<B>> AttentionKernels<B> for Timed<K> {
    type Ballot = K::Ballot;
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
        self.kernels.table(groups)
    }

    fn ballot(&self, candidates: &[usize]) -> Self::Ballot {
        self.kernels.ballot(candidates)
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
        self.clock.time(Watch::Kernels, || self.kernels.vote(q, index, layer, groups, votes, scale, into));
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
        let zoom = zoom.map(Zoom::of_same);
        self.clock.time(Watch::Kernels, || self.kernels.attend(q, kv, layer, table, scale, zoom))
    }
}

impl<B: Backend, K: BlockKernels<B>> BlockKernels<B> for Timed<K> {
    fn rms_norm(&self, x: Tensor<B, 2>, norm: &RmsNorm<B>) -> Tensor<B, 2> {
        self.kernels.rms_norm(x, norm)
    }

    fn rotate(&self, x: Tensor<B, 3>, rotation: &Rotation<B>) -> Tensor<B, 3> {
        self.kernels.rotate(x, rotation)
    }

    fn split_heads(&self, x: Tensor<B, 2>, form: HeadForm<'_, B>) -> Tensor<B, 3> {
        self.kernels.split_heads(x, form)
    }

    fn join_heads(&self, x: Tensor<B, 3>) -> Tensor<B, 2> {
        self.kernels.join_heads(x)
    }

    fn swiglu(&self, gate: Tensor<B, 2>, up: Tensor<B, 2>) -> Tensor<B, 2> {
        self.clock.time(Watch::Products, || self.kernels.swiglu(gate, up))
    }

    fn residual_add(&self, stream: Tensor<B, 2>, update: Tensor<B, 2>, factor: f64) -> Tensor<B, 2> {
        self.kernels.residual_add(stream, update, factor)
    }

    fn add_then_norm(
        &self,
        stream: Tensor<B, 2>,
        update: Tensor<B, 2>,
        factor: f64,
        norm: &RmsNorm<B>,
    ) -> [Tensor<B, 2>; 2] {
        self.kernels.add_then_norm(stream, update, factor, norm)
    }
}

impl<B: Backend, K: LinearKernels<B>> LinearKernels<B> for Timed<K> {
    type Matrix = K::Matrix;

    fn matrix(&self, weight: StoredWeight, device: &Device<B>) -> Self::Matrix {
        self.kernels.matrix(weight, device)
    }

    fn linear(&self, x: Tensor<B, 2>, weight: &Self::Matrix) -> Tensor<B, 2> {
        self.clock.time(Watch::Products, || self.kernels.linear(x, weight))
    }

    fn linear_many<const N: usize>(&self, x: Tensor<B, 2>, weights: [&Self::Matrix; N]) -> [Tensor<B, 2>; N] {
        self.clock.time(Watch::Products, || self.kernels.linear_many(x, weights))
    }

    fn rows(&self, weight: &Self::Matrix, ids: &[u32], device: &Device<B>) -> Tensor<B, 2> {
        self.clock.time(Watch::Products, || self.kernels.rows(weight, ids, device))
    }
}

/// A hook under a stopwatch.
pub(crate) struct TimedHook<'a, H> {
    pub(crate) hook: &'a mut H,
    pub(crate) clock: &'a Clock,
}

impl<B: Backend, H: AttentionHook<B>> AttentionHook<B> for TimedHook<'_, H> {
    fn positions(&self) -> &[usize] {
        self.hook.positions()
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, Error> {
        self.clock.time(Watch::Hook, || self.hook.attend(layer, q, k, v))
    }
}
