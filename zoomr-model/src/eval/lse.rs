//! Hooks around forward passes that look at log-sum-exps: one that collects them, and one that compares them.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{hook::AttentionHook, kernels::AttentionKernels, session::ForwardPass};

/// The log-sum-exps of all tokens' attention to everything before them: for each layer, `[tokens, heads]`.
pub(super) struct Everything {
    pub(super) layers: Vec<Vec<f32>>,
}

/// Collects the log-sum-exps of a forward pass, layer by layer.
pub(super) struct Collecting<'a, B: Backend, K: AttentionKernels<B>> {
    pub(super) pass: ForwardPass<'a, B, K>,
    pub(super) layers: &'a mut [Vec<f32>],
}

impl<B: Backend, K: AttentionKernels<B>> AttentionHook<B> for Collecting<'_, B, K> {
    fn positions(&self) -> &[usize] {
        self.pass.positions()
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let state = self.pass.attend_state(layer, &q, &k, &v)?;
        self.layers[layer].extend(state.lse.into_data().iter::<f32>());
        Ok(state.output)
    }
}

/// What a step is measured against.
pub(super) enum Against<'a, B: Backend, K: AttentionKernels<B>> {
    /// What is known of everything; the step begins at this position.
    Known(&'a Everything, usize),
    /// A forward pass of a session that shows everything.
    Pass(ForwardPass<'a, B, K>),
}

/// Gives every layer's queries, keys and values to a forward pass, and measures what it misses.
pub(super) struct Both<'a, B: Backend, K: AttentionKernels<B>> {
    pub(super) shown: ForwardPass<'a, B, K>,
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
        let state = self.shown.attend_state(layer, &q, &k, &v)?;
        let all = match &mut self.against {
            Against::Known(everything, start) => {
                everything.layers[layer][*start * heads..(*start + rows) * heads].to_vec()
            }
            Against::Pass(pass) => pass.attend_state(layer, &q, &k, &v)?.lse.into_data().iter().collect(),
        };
        let shown: Vec<f32> = state.lse.into_data().iter().collect();
        self.missed.push(shares(&shown, &all));
        Ok(state.output)
    }
}

/// The shares that were missed, from log-sum-exps of what was shown and of everything.
fn shares(shown: &[f32], all: &[f32]) -> Vec<f64> {
    let share =
        |(&shown, &all): (&f32, &f32)| (1.0 - (f64::from(shown) - f64::from(all)).exp()).clamp(0.0, 1.0);
    shown.iter().zip(all).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_what_is_left_of_everything() {
        let all = [4f32.ln(), 8f32.ln()];
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        near(shares(&[3f32.ln(), 2f32.ln()], &all), [0.25, 0.75]);
        near(shares(&[f32::NEG_INFINITY, 8.1f32.ln()], &all), [1.0, 0.0]);
    }
}
