//! Operations that training differentiates by hand: how they are recorded, and the two that are no layer's own:
//! attention to chosen tokens, and the loss.
//!
//! Burn's autodiff could go through either step by step; it would keep every intermediate `[rows, rows]` or
//! `[rows, vocab]` tensor until the backward pass. Here a forward pass keeps its inputs and one number per row.

use std::{fmt, marker::PhantomData, ops::Range, sync::Arc};

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorPrimitive, backend::Backend};
use burn_autodiff::{
    Autodiff, NodeId,
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use zoomr_core::{
    kernels::{TrainingKernels, Whole},
    positions::PositionSet,
    state::AttentionState,
};

/// `output`, as a tensor whose gradient `step` takes on to `parents`, with what it has `kept` for that.
pub(super) fn record<B, S, const N: usize, const I: usize, const O: usize>(
    step: S,
    parents: [Tensor<Autodiff<B>, I>; N],
    kept: S::State,
    output: Tensor<B, O>,
) -> Tensor<Autodiff<B>, O>
where
    B: Backend,
    S: Backward<B, N>,
{
    let nodes = parents.map(|parent| parent.into_primitive().tensor().node);
    let output = output.into_primitive().tensor();
    let output = match step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(kept, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive(TensorPrimitive::Float(output))
}

/// The gradient of an operation's output.
pub(super) fn gradient<B: Backend, S, const N: usize, const D: usize>(
    ops: &Ops<S, N>,
    grads: &mut Gradients,
) -> Tensor<B, D> {
    Tensor::from_primitive(TensorPrimitive::Float(grads.consume::<B>(&ops.node)))
}

/// Adds to a parent's gradient, where it has one: for one that is not trained, nothing is computed.
pub(super) fn register<B: Backend, const D: usize>(
    grads: &mut Gradients,
    parent: Option<NodeId>,
    more: impl FnOnce() -> Tensor<B, D>,
) {
    if let Some(parent) = parent {
        grads.register::<B>(parent, more().into_primitive().tensor());
    }
}

/// Rows of one sequence in a pass over several.
#[derive(Clone, Debug)]
pub(super) struct Attending {
    /// Where its rows lie.
    pub(super) rows: Range<usize>,
    /// What each of them sees, its first row being at position 0: once for all KV heads, or for each of them.
    pub(super) visible: Vec<Arc<[PositionSet]>>,
}

/// Attention of each sequence's rows to what each of them sees; `sequences` cover all rows, in order. `q` is
/// `[rows, query_heads, head_dim]`, `k` and `v` are `[rows, kv_heads, head_dim]`, after RoPE.
pub(super) fn attend<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static>(
    kernels: &K,
    [q, k, v]: [Tensor<Autodiff<B>, 3>; 3],
    sequences: Vec<Attending>,
    scale: f32,
) -> Tensor<Autodiff<B>, 3> {
    let inputs = [&q, &k, &v].map(|x| x.clone().inner());
    let attended = Attended { kernels: kernels.clone(), inputs, sequences, states: Vec::new(), scale };
    let state = |(whole, _): (Whole<'_, B>, _)| kernels.attend_whole(&whole);
    let states: Vec<_> = attended.sequences().map(state).collect();
    let output = Tensor::cat(states.iter().map(|state| state.output.clone()).collect(), 0);
    record(AttendStep(PhantomData), [q, k, v], Attended { states, ..attended }, output)
}

/// What attention keeps for its backward pass.
#[derive(Clone, Debug)]
struct Attended<B: Backend, K> {
    kernels: K,
    /// Queries, keys, values.
    inputs: [Tensor<B, 3>; 3],
    sequences: Vec<Attending>,
    /// What each sequence's forward pass came to.
    states: Vec<AttentionState<B>>,
    scale: f32,
}

impl<B: Backend, K> Attended<B, K> {
    /// Each sequence by itself, and its rows.
    fn sequences(&self) -> impl Iterator<Item = (Whole<'_, B>, Range<usize>)> {
        self.sequences.iter().map(|Attending { rows, visible }| {
            let [q, k, v] = self.inputs.each_ref().map(|x| x.clone().slice(rows.clone()));
            (Whole { q, k, v, visible, scale: self.scale }, rows.clone())
        })
    }
}

#[derive(Debug)]
struct AttendStep<K>(PhantomData<K>);

impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> Backward<B, 3> for AttendStep<K> {
    type State = Attended<B, K>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient: Tensor<B, 3> = gradient(&ops, grads);
        let attended = ops.state;
        let mut gradients = [const { Vec::new() }; 3];
        for ((whole, rows), state) in attended.sequences().zip(&attended.states) {
            let own = attended.kernels.attend_backward(&whole, state, gradient.clone().slice(rows));
            gradients.iter_mut().zip(own).for_each(|(gradients, own)| gradients.push(own));
        }
        for (parent, gradients) in ops.parents.into_iter().zip(gradients) {
            register(grads, parent.map(|node| node.id), || Tensor::cat(gradients, 0));
        }
    }
}

/// The sum of the negative log-likelihoods, in nats, of `targets` `[rows]` under `logits` `[rows, vocab]`; one
/// element.
pub(super) fn cross_entropy<B: Backend>(
    logits: Tensor<Autodiff<B>, 2>,
    targets: Tensor<B, 1, Int>,
) -> Tensor<Autodiff<B>, 1> {
    let scores = logits.clone().inner();
    let max = scores.clone().max_dim(1); // [rows, 1]
    let lse = (scores.clone() - max.clone()).exp().sum_dim(1).log() + max; // [rows, 1]
    let targets = targets.unsqueeze_dim::<2>(1); // [rows, 1]
    let loss = (lse.clone() - scores.clone().gather(1, targets.clone())).sum();
    record(LossStep, [logits], Predicted { scores, lse, targets }, loss)
}

/// What the loss keeps for its backward pass.
#[derive(Clone, Debug)]
struct Predicted<B: Backend> {
    /// `[rows, vocab]`.
    scores: Tensor<B, 2>,
    /// `[rows, 1]`.
    lse: Tensor<B, 2>,
    /// `[rows, 1]`.
    targets: Tensor<B, 2, Int>,
}

#[derive(Debug)]
struct LossStep;

impl<B: Backend> Backward<B, 1> for LossStep {
    type State = Predicted<B>;

    /// Softmax, minus one at the target.
    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient: Tensor<B, 1> = gradient(&ops, grads);
        let Predicted { scores, lse, targets } = ops.state;
        let minus_one = Tensor::full(lse.shape(), -1.0, &scores.device());
        let softmax = (scores - lse).exp();
        let difference = softmax.scatter(1, targets, minus_one, IndexingUpdateOp::Add);
        let [parent] = ops.parents;
        register(grads, parent.map(|node| node.id), || difference * gradient.unsqueeze());
    }
}
