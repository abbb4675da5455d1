//! The two providers: `zoomr_core::kernels` in terms of this crate's kernels.
//!
//! Here tensors become slices and results become tensors; no arithmetic.

use std::borrow::Cow;

use burn::tensor::{Device, Tensor};
use zoomr_core::{
    kernels::{AttendGroup, AttentionKernels, LinearKernels, PagedKv, ScoreGroup, TrainingKernels, Whole},
    select::Tally,
    state::AttentionState,
    weight::StoredWeight,
};

use crate::{
    Cpu,
    fused::{self, blocks::Blocks},
    plain,
    simd::Simd,
    view::{Held, Queries, Slabs, hold, tensor},
    votes::tally,
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
    fn tally(
        &self,
        q: &Tensor<Cpu, 3>,
        index: &[Tensor<Cpu, 4>],
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
    ) -> Vec<Tally> {
        score(q, index, groups, |q, index| {
            let scores = |group: &ScoreGroup<'_>, r| plain::scores::scores(q, index, group, r, scale);
            tally(groups, votes, usize::MAX, scores)
        })
    }

    fn attend(
        &self,
        q: &Tensor<Cpu, 3>,
        kv: PagedKv<'_, Cpu>,
        groups: &[AttendGroup<'_>],
        scale: f32,
    ) -> AttentionState<Cpu> {
        attend(q, kv, |q, keys, values| plain::attend::attend(&q, &keys, &values, groups, scale))
    }
}

impl AttentionKernels<Cpu> for CpuKernels {
    fn tally(
        &self,
        q: &Tensor<Cpu, 3>,
        index: &[Tensor<Cpu, 4>],
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
    ) -> Vec<Tally> {
        score(q, index, groups, |q, index| {
            let scores =
                |group: &ScoreGroup<'_>, r| fused::scores::scores(self.simd, q, index, group, r, scale);
            tally(groups, votes, fused::scores::SERIAL_ROWS, scores)
        })
    }

    fn attend(
        &self,
        q: &Tensor<Cpu, 3>,
        kv: PagedKv<'_, Cpu>,
        groups: &[AttendGroup<'_>],
        scale: f32,
    ) -> AttentionState<Cpu> {
        attend(q, kv, |q, keys, values| {
            fused::attend::Attend { simd: self.simd, q, keys, values, scale }.run(groups)
        })
    }
}

impl TrainingKernels<Cpu> for CpuKernels {
    fn attend_whole(&self, whole: &Whole<'_, Cpu>) -> AttentionState<Cpu> {
        let held = [&whole.q, &whole.k, &whole.v].map(Held::new);
        let elements = held.each_ref().map(Held::elements);
        let (output, lse) = fused::forward::run(self.blocks(whole, &elements), whole.visible);
        let [rows, heads, head_dim] = whole.q.dims();
        AttentionState { output: tensor(output, [rows, heads, head_dim]), lse: tensor(lse, [rows, heads]) }
    }

    fn attend_backward(
        &self,
        whole: &Whole<'_, Cpu>,
        state: &AttentionState<Cpu>,
        gradient: Tensor<Cpu, 3>,
    ) -> [Tensor<Cpu, 3>; 3] {
        let held = [&whole.q, &whole.k, &whole.v].map(Held::new);
        let elements = held.each_ref().map(Held::elements);
        let given = [&state.output, &gradient].map(Held::new);
        let [output, gradient] = given.each_ref().map(Held::elements);
        let inputs = self.blocks(whole, &elements);
        let backward = fused::backward::Backward { inputs, output: &output, gradient: &gradient };
        let [q, k, v] = backward.run(whole.visible);
        let (q_shape, kv_shape) = (whole.q.dims(), whole.k.dims());
        [tensor(q, q_shape), tensor(k, kv_shape), tensor(v, kv_shape)]
    }

    fn product(&self, a: Tensor<Cpu, 2>, b: Tensor<Cpu, 2>) -> Tensor<Cpu, 2> {
        let ([m, k], [inner, n]) = (a.dims(), b.dims());
        assert_eq!(k, inner, "[{m}, {k}] by [{inner}, {n}]");
        let (a, b) = (Held::new(&a), Held::new(&b));
        tensor(fused::product::product(&a.matrix(), &b.matrix(), [m, k, n]), [m, n])
    }

    fn swiglu_backward(
        &self,
        gate: Tensor<Cpu, 2>,
        up: Tensor<Cpu, 2>,
        gradient: Tensor<Cpu, 2>,
    ) -> [Tensor<Cpu, 2>; 2] {
        let shape = gate.dims();
        let held = [&gate, &up, &gradient].map(Held::new);
        let [gate, up, gradient] = held.each_ref().map(Held::elements);
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
        multiply(&x, weight, |x, rows| fused::linear::linear(self.simd, x, rows, weight))
    }

    fn linear_many<const N: usize>(
        &self,
        x: Tensor<Cpu, 2>,
        weights: [&StoredWeight; N],
    ) -> [Tensor<Cpu, 2>; N] {
        let held = Held::new(&x);
        let [rows, columns] = held.dims();
        for weight in weights {
            assert_eq!(columns, weight.columns(), "an input of {columns} features for {weight:?}");
        }
        let mut products = fused::linear::linear_many(self.simd, &held.elements(), rows, weights);
        std::array::from_fn(|i| tensor(std::mem::take(&mut products[i]), [rows, weights[i].rows()]))
    }

    fn rows(&self, weight: &StoredWeight, ids: &[u32], _device: &Device<Cpu>) -> Tensor<Cpu, 2> {
        gather(weight, ids)
    }
}

/// Runs a scoring kernel on the tensors' elements; without an index, no row has a candidate.
fn score(
    q: &Tensor<Cpu, 3>,
    index: &[Tensor<Cpu, 4>],
    groups: &[ScoreGroup<'_>],
    kernel: impl FnOnce(&Queries<'_>, &Slabs<'_>) -> Vec<Tally>,
) -> Vec<Tally> {
    let Some(slab) = index.first() else {
        let rows = groups.iter().map(|group| group.candidates.len()).sum();
        return vec![Tally::default(); rows];
    };
    let (held_q, held_index) = (Held::new(q), hold(index));
    kernel(&Queries::new(&held_q, q.dims()), &Slabs::new(&held_index, slab.dims()))
}

/// Runs an attention kernel on the tensors' elements; without a slab, no row sees anything.
fn attend(
    q: &Tensor<Cpu, 3>,
    kv: PagedKv<'_, Cpu>,
    kernel: impl FnOnce(Queries<'_>, Slabs<'_>, Slabs<'_>) -> (Vec<f32>, Vec<f32>),
) -> AttentionState<Cpu> {
    let [rows, heads, head_dim] = q.dims();
    let (output, lse) = match kv.keys.first() {
        None => (vec![0.0; rows * heads * head_dim], vec![f32::NEG_INFINITY; rows * heads]),
        Some(slab) => {
            let (held_q, keys, values) = (Held::new(q), hold(kv.keys), hold(kv.values));
            kernel(
                Queries::new(&held_q, q.dims()),
                Slabs::new(&keys, slab.dims()),
                Slabs::new(&values, slab.dims()),
            )
        }
    };
    AttentionState { output: tensor(output, [rows, heads, head_dim]), lse: tensor(lse, [rows, heads]) }
}

/// Runs a kernel on the elements of `x` `[rows, in]` and its rows; the result is `[rows, out]`.
fn multiply(
    x: &Tensor<Cpu, 2>,
    weight: &StoredWeight,
    kernel: impl FnOnce(&[f32], usize) -> Vec<f32>,
) -> Tensor<Cpu, 2> {
    let held = Held::new(x);
    let [rows, columns] = held.dims();
    assert_eq!(columns, weight.columns(), "an input of {columns} features for {weight:?}");
    tensor(kernel(&held.elements(), rows), [rows, weight.rows()])
}

/// The matrix's rows `ids`, `[ids.len(), in]`.
fn gather(weight: &StoredWeight, ids: &[u32]) -> Tensor<Cpu, 2> {
    let row = |id: &u32| weight.to_f32(*id as usize..*id as usize + 1);
    tensor(ids.iter().flat_map(row).collect(), [ids.len(), weight.columns()])
}
