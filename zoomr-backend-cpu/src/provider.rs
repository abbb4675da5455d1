//! The two providers: `zoomr_core::kernels` in terms of this crate's kernels.
//!
//! Here tensors become slices and results become tensors; no arithmetic.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use zoomr_core::{
    kernels::{
        AttendGroup, AttentionKernels, Candidates, GroupTable, LinearKernels, PageShape, ScoreGroup,
        TrainingKernels, Whole, Zoom,
    },
    kv::KvDtype,
    positions::PositionSet,
    select::HostBallot,
    state::AttentionState,
    weight::StoredWeight,
};

use crate::{
    Cpu,
    blocks::CpuBlocks,
    fused::{self, blocks::Blocks, choose::Choosing, table::CpuTable},
    owned::tensor,
    plain,
    simd::Simd,
    store::CpuStore,
    view::{Pinned, Queries},
    votes,
};

/// Plain loops in f64, without threads or intrinsics: slow, and obviously right.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlainKernels;

/// The fused kernels.
#[derive(Clone, Copy, Debug)]
pub struct CpuKernels {
    pub(crate) simd: Simd,
}

impl CpuKernels {
    /// The kernels in the best instructions that this machine has.
    pub fn new() -> Self {
        Self { simd: Simd::detect() }
    }

    /// The kernels without instructions found at run time, as on a machine that has none: for comparison.
    pub fn portable() -> Self {
        Self { simd: Simd::Portable }
    }
}

impl Default for CpuKernels {
    fn default() -> Self {
        Self::new()
    }
}

impl CpuKernels {
    /// A whole sequence, given its queries, keys and values as slices.
    fn blocks<'a>(&self, whole: &Whole<'_, Cpu>, [q, k, v]: &'a [Cow<'_, [f32]>; 3]) -> Blocks<'a> {
        let ([_, heads, head_dim], [_, kv_heads, _]) = (whole.q.dims(), whole.k.dims());
        Blocks { simd: self.simd, q, k, v, sizes: [heads, kv_heads, head_dim], scale: whole.scale }
    }
}

impl AttentionKernels<Cpu> for PlainKernels {
    type Ballot = HostBallot;
    type Blocks = CpuBlocks;
    type Store = CpuStore;
    type Table = GroupTable;

    fn store(&self, shape: PageShape, kv: KvDtype, _device: &Device<Cpu>) -> CpuStore {
        CpuStore::new(shape, kv)
    }

    fn blocks(&self, shape: PageShape, _device: &Device<Cpu>) -> CpuBlocks {
        CpuBlocks::new(shape)
    }

    fn table(&self, groups: &[AttendGroup<'_>]) -> GroupTable {
        GroupTable::new(groups)
    }

    fn ballot(&self, candidates: &[usize]) -> HostBallot {
        HostBallot::new(candidates)
    }

    fn vote(
        &self,
        q: &Tensor<Cpu, 3>,
        index: &CpuStore,
        layer: usize,
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
        into: &mut HostBallot,
    ) {
        let pinned = Pinned::new(q);
        let (q, index) = (Queries::new(&pinned, q.dims()), index.layer_keys(layer));
        votes::vote(groups, votes, usize::MAX, into, |group, r, take| {
            take(&plain::scores::scores(&q, &index, group, r, scale));
        });
    }

    fn attend(
        &self,
        q: &Tensor<Cpu, 3>,
        kv: &CpuStore,
        layer: usize,
        table: &GroupTable,
        scale: f32,
        zoom: Option<Zoom<'_, Cpu, Self>>,
    ) -> AttentionState<Cpu> {
        let (keys, values) = (kv.layer_keys(layer), kv.layer_values(layer));
        attend(q, |q| {
            let (mut output, mut lse) = plain::attend::attend(&q, &keys, &values, table, scale);
            if let Some(zoom) = zoom {
                let (vectors, spreads) = (zoom.vectors.layer(layer), zoom.spreads.layer_keys(layer));
                let zooming =
                    plain::zoom::Zooming { q, keys, values, scale, vectors, spreads, rule: zoom.rule };
                zooming.run(table, (&mut output, &mut lse), zoom.ballot);
            }
            (output, lse)
        })
    }
}

impl AttentionKernels<Cpu> for CpuKernels {
    type Ballot = HostBallot;
    type Blocks = CpuBlocks;
    type Store = CpuStore;
    type Table = CpuTable;

    fn store(&self, shape: PageShape, kv: KvDtype, _device: &Device<Cpu>) -> CpuStore {
        CpuStore::new(shape, kv)
    }

    fn blocks(&self, shape: PageShape, _device: &Device<Cpu>) -> CpuBlocks {
        CpuBlocks::new(shape)
    }

    fn table(&self, groups: &[AttendGroup<'_>]) -> CpuTable {
        CpuTable::new(groups)
    }

    fn ballot(&self, candidates: &[usize]) -> HostBallot {
        HostBallot::new(candidates)
    }

    fn vote(
        &self,
        q: &Tensor<Cpu, 3>,
        index: &CpuStore,
        layer: usize,
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
        into: &mut HostBallot,
    ) {
        let pinned = Pinned::new(q);
        let (q, index) = (Queries::new(&pinned, q.dims()), index.layer_keys(layer));
        votes::vote(groups, votes, fused::scores::SERIAL_ROWS, into, |group, r, take| {
            fused::scores::scores(self.simd, &q, &index, group, r, scale, take);
        });
    }

    fn attend(
        &self,
        q: &Tensor<Cpu, 3>,
        kv: &CpuStore,
        layer: usize,
        table: &CpuTable,
        scale: f32,
        zoom: Option<Zoom<'_, Cpu, Self>>,
    ) -> AttentionState<Cpu> {
        let (simd, keys, values) = (self.simd, kv.layer_keys(layer), kv.layer_values(layer));
        attend(q, |q| {
            let attend = fused::attend::Attend { simd, q, keys, values, scale };
            let (mut output, mut lse) = attend.run(table);
            if let Some(zoom) = zoom {
                let (vectors, spreads) = (zoom.vectors.layer(layer), zoom.spreads.layer_keys(layer));
                let choosing = Choosing { simd, q: &attend.q, scale, vectors, spreads, rule: zoom.rule };
                let zooming = fused::zoom::Zooming { attend: &attend, choosing };
                zooming.run(table, &mut output, &mut lse, zoom.ballot);
            }
            (output, lse)
        })
    }
}

impl TrainingKernels<Cpu> for CpuKernels {
    fn attend_whole(&self, whole: &Whole<'_, Cpu>) -> AttentionState<Cpu> {
        let pinned = [&whole.q, &whole.k, &whole.v].map(Pinned::new);
        let elements = pinned.each_ref().map(Pinned::elements);
        let (output, lse) = fused::forward::run(self.blocks(whole, &elements), &visible(whole));
        let [rows, heads, head_dim] = whole.q.dims();
        AttentionState { output: tensor(output, [rows, heads, head_dim]), lse: tensor(lse, [rows, heads]) }
    }

    fn choose(
        &self,
        q: &Tensor<Cpu, 3>,
        base: &Tensor<Cpu, 2>,
        layer: usize,
        candidates: &Candidates<'_>,
        scale: f32,
        zoom: &Zoom<'_, Cpu, Self>,
    ) -> Vec<Vec<usize>> {
        let (pinned, base) = (Pinned::new(q), Pinned::new(base));
        let q = &Queries::new(&pinned, q.dims());
        let (vectors, spreads) = (zoom.vectors.layer(layer), zoom.spreads.layer_keys(layer));
        let choosing = Choosing { simd: self.simd, q, scale, vectors, spreads, rule: zoom.rule };
        choosing.run(candidates, &base.elements())
    }

    fn attend_backward(
        &self,
        whole: &Whole<'_, Cpu>,
        state: &AttentionState<Cpu>,
        gradient: Tensor<Cpu, 3>,
    ) -> [Tensor<Cpu, 3>; 3] {
        let pinned = [&whole.q, &whole.k, &whole.v].map(Pinned::new);
        let elements = pinned.each_ref().map(Pinned::elements);
        let given = [&state.output, &gradient].map(Pinned::new);
        let [output, gradient] = given.each_ref().map(Pinned::elements);
        let inputs = self.blocks(whole, &elements);
        let backward = fused::backward::Backward { inputs, output: &output, gradient: &gradient };
        let [q, k, v] = backward.run(&visible(whole));
        let (q_shape, kv_shape) = (whole.q.dims(), whole.k.dims());
        [tensor(q, q_shape), tensor(k, kv_shape), tensor(v, kv_shape)]
    }

    fn product(&self, a: Tensor<Cpu, 2>, b: Tensor<Cpu, 2>) -> Tensor<Cpu, 2> {
        let ([m, k], [inner, n]) = (a.dims(), b.dims());
        assert_eq!(k, inner, "[{m}, {k}] by [{inner}, {n}]");
        let (a, b) = (Pinned::new(&a), Pinned::new(&b));
        tensor(fused::product::product(&a.matrix(), &b.matrix(), [m, k, n]), [m, n])
    }

    fn swiglu_backward(
        &self,
        gate: Tensor<Cpu, 2>,
        up: Tensor<Cpu, 2>,
        gradient: Tensor<Cpu, 2>,
    ) -> [Tensor<Cpu, 2>; 2] {
        let shape = gate.dims();
        let pinned = [&gate, &up, &gradient].map(Pinned::new);
        let [gate, up, gradient] = pinned.each_ref().map(Pinned::elements);
        fused::gate::backward(self.simd, &gate, &up, &gradient).map(|values| tensor(values, shape))
    }
}

impl LinearKernels<Cpu> for PlainKernels {
    type Matrix = StoredWeight;

    fn matrix(&self, weight: StoredWeight, _device: &Device<Cpu>) -> StoredWeight {
        weight
    }

    fn linear(&self, x: Tensor<Cpu, 2>, weight: &StoredWeight) -> Tensor<Cpu, 2> {
        multiply(&x, weight, |x, rows| plain::linear::linear(x, rows, weight))
    }

    fn rows(&self, weight: &StoredWeight, ids: &[u32], _device: &Device<Cpu>) -> Tensor<Cpu, 2> {
        gather(weight, ids)
    }
}

impl LinearKernels<Cpu> for CpuKernels {
    type Matrix = StoredWeight;

    fn matrix(&self, weight: StoredWeight, _device: &Device<Cpu>) -> StoredWeight {
        weight
    }

    fn linear(&self, x: Tensor<Cpu, 2>, weight: &StoredWeight) -> Tensor<Cpu, 2> {
        let [product] = self.linear_many(x, [weight]);
        product
    }

    fn linear_many<const N: usize>(
        &self,
        x: Tensor<Cpu, 2>,
        weights: [&StoredWeight; N],
    ) -> [Tensor<Cpu, 2>; N] {
        let pinned = Pinned::new(&x);
        let [rows, columns] = pinned.dims();
        for weight in weights {
            assert_eq!(columns, weight.columns(), "an input of {columns} features for {weight:?}");
        }
        let mut products = fused::linear::linear(self.simd, &pinned.elements(), rows, weights);
        std::array::from_fn(|i| tensor(std::mem::take(&mut products[i]), [rows, weights[i].rows()]))
    }

    fn gated(&self, x: Tensor<Cpu, 2>, gate: &StoredWeight, up: &StoredWeight) -> Tensor<Cpu, 2> {
        multiply(&x, gate, |x, rows| fused::linear::gated(self.simd, x, rows, gate, up))
    }

    fn rows(&self, weight: &StoredWeight, ids: &[u32], _device: &Device<Cpu>) -> Tensor<Cpu, 2> {
        gather(weight, ids)
    }
}

/// What each row of a sequence sees of each KV head.
fn visible<'a>(whole: &Whole<'a, Cpu>) -> Vec<&'a [PositionSet]> {
    (0..whole.k.dims()[1]).map(|kv_head| whole.visible_to(kv_head)).collect()
}

/// Runs an attention kernel on the queries' elements.
fn attend(
    q: &Tensor<Cpu, 3>,
    kernel: impl FnOnce(Queries<'_>) -> (Vec<f32>, Vec<f32>),
) -> AttentionState<Cpu> {
    let [rows, heads, head_dim] = q.dims();
    let pinned = Pinned::new(q);
    let (output, lse) = kernel(Queries::new(&pinned, q.dims()));
    AttentionState { output: tensor(output, [rows, heads, head_dim]), lse: tensor(lse, [rows, heads]) }
}

/// Runs a kernel on the elements of `x` `[rows, in]` and its rows; the result is `[rows, out]`.
fn multiply(
    x: &Tensor<Cpu, 2>,
    weight: &StoredWeight,
    kernel: impl FnOnce(&[f32], usize) -> Vec<f32>,
) -> Tensor<Cpu, 2> {
    let pinned = Pinned::new(x);
    let [rows, columns] = pinned.dims();
    assert_eq!(columns, weight.columns(), "an input of {columns} features for {weight:?}");
    tensor(kernel(&pinned.elements(), rows), [rows, weight.rows()])
}

/// The matrix's rows `ids`, `[ids.len(), in]`.
fn gather(weight: &StoredWeight, ids: &[u32]) -> Tensor<Cpu, 2> {
    let row = |id: &u32| weight.to_f32(*id as usize..*id as usize + 1);
    tensor(ids.iter().flat_map(row).collect(), [ids.len(), weight.columns()])
}
