//! The two operations that training differentiates by hand: attention to chosen tokens, and the loss.
//!
//! Burn's autodiff could go through either step by step; it would keep every intermediate `[rows, rows]` or
//! `[rows, vocab]` tensor until the backward pass. Here a forward pass keeps its inputs and one number per row.

use std::{fmt, marker::PhantomData, sync::Arc};

use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorPrimitive, backend::Backend};
use burn_autodiff::{
    Autodiff,
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind},
};
use zoomr_core::{
    kernels::{AttentionGradients, Whole},
    positions::PositionSet,
    state::AttentionState,
};

/// Attention of one sequence's rows to what each of them sees; the arguments are those of [`Whole`].
pub(super) fn attend<B: Backend, K: AttentionGradients<B> + Clone + fmt::Debug + 'static>(
    kernels: &K,
    q: Tensor<Autodiff<B>, 3>,
    k: Tensor<Autodiff<B>, 3>,
    v: Tensor<Autodiff<B>, 3>,
    visible: Arc<[PositionSet]>,
    scale: f32,
) -> Tensor<Autodiff<B>, 3> {
    let [inner_q, inner_k, inner_v] = [&q, &k, &v].map(|x| x.clone().inner());
    let whole = Whole { q: inner_q, k: inner_k, v: inner_v, visible: &visible, scale };
    let state = kernels.attend_whole(&whole);
    let output = state.output.clone().into_primitive().tensor();
    let Whole { q: inner_q, k: inner_k, v: inner_v, .. } = whole;
    let kept =
        Attended { kernels: kernels.clone(), inputs: [inner_q, inner_k, inner_v], visible, scale, state };
    let nodes = [q, k, v].map(|x| x.into_primitive().tensor().node);
    let output =
        match AttendStep::<K>(PhantomData).prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, output),
            OpsKind::UnTracked(prep) => prep.finish(output),
        };
    Tensor::from_primitive(TensorPrimitive::Float(output))
}

/// What attention keeps for its backward pass.
#[derive(Clone, Debug)]
struct Attended<B: Backend, K> {
    kernels: K,
    /// Queries, keys, values.
    inputs: [Tensor<B, 3>; 3],
    visible: Arc<[PositionSet]>,
    scale: f32,
    state: AttentionState<B>,
}

#[derive(Debug)]
struct AttendStep<K>(PhantomData<K>);

impl<B: Backend, K: AttentionGradients<B> + Clone + fmt::Debug + 'static> Backward<B, 3> for AttendStep<K> {
    type State = Attended<B, K>;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let gradient = Tensor::from_primitive(TensorPrimitive::Float(grads.consume::<B>(&ops.node)));
        let Attended { kernels, inputs: [q, k, v], visible, scale, state } = ops.state;
        let whole = Whole { q, k, v, visible: &visible, scale };
        let gradients = kernels.attend_backward(&whole, &state, gradient);
        for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
            if let Some(parent) = parent {
                grads.register::<B>(parent.id, gradient.into_primitive().tensor());
            }
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
    let output = loss.into_primitive().tensor();
    let nodes = [logits.into_primitive().tensor().node];
    let output = match LossStep.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prep) => prep.finish(Predicted { scores, lse, targets }, output),
        OpsKind::UnTracked(prep) => prep.finish(output),
    };
    Tensor::from_primitive(TensorPrimitive::Float(output))
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
        let gradient = Tensor::<B, 1>::from_primitive(TensorPrimitive::Float(grads.consume::<B>(&ops.node)));
        let Predicted { scores, lse, targets } = ops.state;
        let minus_one = Tensor::full(lse.shape(), -1.0, &scores.device());
        let softmax = (scores - lse).exp();
        let difference = softmax.scatter(1, targets, minus_one, IndexingUpdateOp::Add);
        if let [Some(parent)] = ops.parents {
            grads.register::<B>(parent.id, (difference * gradient.unsqueeze()).into_primitive().tensor());
        }
    }
}
