//! Hooks around sessions whose kernels note log-sum-exps: one that collects them, and one that compares them.

use std::sync::{Arc, Mutex, PoisonError};

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    hook::AttentionHook,
    kernels::{AttendGroup, AttentionKernels, PagedKv, ScoreGroup},
    select::Tally,
    session::Session,
    state::AttentionState,
};

/// The log-sum-exps of all tokens' attention to everything before them: for each layer, `[tokens, heads]`.
pub(super) struct Everything {
    pub(super) layers: Vec<Vec<f32>>,
}

/// The log-sum-exps of the last attention, row by row and head by head.
pub(super) type Noted = Arc<Mutex<Vec<f32>>>;

/// Kernels that note the log-sum-exps of each attention.
pub(super) struct Noting<K> {
    pub(super) kernels: K,
    pub(super) lse: Noted,
}

impl<B: Backend, K: AttentionKernels<B>> AttentionKernels<B> for Noting<K> {
    fn tally(
        &self,
        q: &Tensor<B, 3>,
        index: &[Tensor<B, 4>],
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
    ) -> Vec<Tally> {
        self.kernels.tally(q, index, groups, votes, scale)
    }

    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: PagedKv<'_, B>,
        groups: &[AttendGroup<'_>],
        scale: f32,
    ) -> AttentionState<B> {
        let state = self.kernels.attend(q, kv, groups, scale);
        let lse: Vec<f32> = state.lse.clone().into_data().iter().collect();
        *self.lse.lock().unwrap_or_else(PoisonError::into_inner) = lse;
        state
    }
}

/// What was noted last.
fn noted(lse: &Noted) -> Vec<f32> {
    lse.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Collects the log-sum-exps of a session, layer by layer.
pub(super) struct Collecting<'a, B: Backend, K> {
    pub(super) session: &'a mut Session<B, Noting<K>>,
    pub(super) lse: &'a Noted,
    pub(super) layers: &'a mut [Vec<f32>],
}

impl<B: Backend, K: AttentionKernels<B>> AttentionHook<B> for Collecting<'_, B, K> {
    fn positions(&self) -> &[usize] {
        self.session.positions()
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let output = self.session.attend(layer, q, k, v)?;
        self.layers[layer].extend(noted(self.lse));
        Ok(output)
    }
}

/// What a step is measured against.
pub(super) enum Against<'a, B: Backend, K> {
    /// What is known of everything; the step begins at this position.
    Known(&'a Everything, usize),
    /// A session in a step of its own, and what its kernels note.
    Session(&'a mut Session<B, Noting<K>>, &'a Noted),
}

/// Gives every layer's queries, keys and values to a session, and measures what it misses.
pub(super) struct Both<'a, B: Backend, K> {
    pub(super) shown: &'a mut Session<B, Noting<K>>,
    pub(super) lse: &'a Noted,
    pub(super) against: Against<'a, B, K>,
    pub(super) missed: Vec<Vec<f64>>,
}

impl<B: Backend, K: AttentionKernels<B>> AttentionHook<B> for Both<'_, B, K> {
    fn positions(&self) -> &[usize] {
        self.shown.positions()
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let [rows, heads, _] = q.dims();
        let output = self.shown.attend(layer, q.clone(), k.clone(), v.clone())?;
        let all = match &mut self.against {
            Against::Known(everything, start) => {
                everything.layers[layer][*start * heads..(*start + rows) * heads].to_vec()
            }
            Against::Session(session, lse) => {
                session.attend(layer, q, k, v)?;
                noted(lse)
            }
        };
        self.missed.push(shares(&noted(self.lse), &all, rows, heads));
        Ok(output)
    }
}

/// The shares that were missed, from log-sum-exps `[rows, heads]` of everything and those of what was shown:
/// `[rows, heads]`, or, where each head was shown a set of its own, `[rows * heads, heads]`, a copy of the row for each
/// head.
fn shares(shown: &[f32], all: &[f32], rows: usize, heads: usize) -> Vec<f64> {
    let own = |i: usize| if shown.len() == rows * heads { i } else { i * heads + i % heads };
    let share = |i: usize| (1.0 - (f64::from(shown[own(i)]) - f64::from(all[i])).exp()).clamp(0.0, 1.0);
    (0..rows * heads).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_each_heads_own_row() {
        let all = [4f32.ln(), 8f32.ln()];
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        near(shares(&[3f32.ln(), 2f32.ln()], &all, 1, 2), [0.25, 0.75]);
        near(shares(&[1f32.ln(), 0.0, 0.0, 6f32.ln()], &all, 1, 2), [0.75, 0.25]);
        near(shares(&[f32::NEG_INFINITY, 8.1f32.ln()], &all, 1, 2), [1.0, 0.0]);
    }
}
