//! Logits that say nothing, because a model's numbers have left the range of what they are computed in.
//!
//! An infinite number makes infinities and NaN of what comes after it, and so does one whose square is infinite, at the
//! next norm ([`RmsNorm`](zoomr_core::kernels::RmsNorm)). Where every token is as likely as any other, the hidden state
//! has gone to zero. Weights are finite, or they would not have been loaded; but products of sound ones may not be.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{hook::AttentionHook, kernels::LinearKernels};

use crate::Model;

/// What is wrong with logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// One at least is NaN or infinite.
    NotFinite,
    /// All are the same number.
    Uniform,
}

impl std::fmt::Display for Overflow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotFinite => "are not finite",
            Self::Uniform => "are all the same",
        })
    }
}

/// What is wrong with rows of `vocab` logits each, if anything is.
pub(super) fn of(logits: &[f32], vocab: usize) -> Option<Overflow> {
    if !logits.iter().all(|logit| logit.is_finite()) {
        return Some(Overflow::NotFinite);
    }
    let uniform = |row: &[f32]| vocab > 1 && row.iter().all(|logit| *logit == row[0]);
    logits.chunks_exact(vocab.max(1)).any(uniform).then_some(Overflow::Uniform)
}

/// The first layer that the numbers of these tokens reach zero or infinite, each token seeing itself alone: what other
/// tokens bring does not show, so that there may be none.
pub(super) fn first_layer<B: Backend, L: LinearKernels<B>>(
    model: &Model<B, L>,
    ids: &[u32],
) -> Option<usize> {
    let mut probe = Probe { positions: (0..ids.len()).collect(), first: None };
    // What it finds until an error, it has found.
    let _ = model.hidden(ids, &mut probe);
    probe.first
}

/// Attention of each row to itself, that looks at what goes in and what comes out.
struct Probe {
    positions: Vec<usize>,
    first: Option<usize>,
}

impl<B: Backend> AttentionHook<B> for Probe {
    fn positions(&self) -> &[usize] {
        &self.positions
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let [rows, query_heads, head_dim] = q.dims();
        let [_, kv_heads, _] = v.dims();
        if self.first.is_none() && [&q, &k, &v].into_iter().any(is_lost) {
            self.first = Some(layer);
        }
        let seen = v.unsqueeze_dim::<4>(2).repeat_dim(2, query_heads / kv_heads);
        Ok(seen.reshape([rows, query_heads, head_dim]))
    }
}

/// Whether a row `[heads, head_dim]` is zero, or has a number that is not finite.
fn is_lost<B: Backend>(tensor: &Tensor<B, 3>) -> bool {
    let [_, heads, head_dim] = tensor.dims();
    let numbers: Vec<f32> = tensor.clone().into_data().iter::<f32>().collect();
    numbers
        .chunks(heads * head_dim)
        .any(|row| row.iter().all(|x| *x == 0.0) || !row.iter().all(|x| x.is_finite()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_that_say_nothing() {
        assert_eq!(of(&[0.0, 1.0, 2.0, 2.0, -1.0, 2.0], 3), None);
        assert_eq!(of(&[0.0, 1.0, 2.0, 2.0, 2.0, 2.0], 3), Some(Overflow::Uniform));
        for lost in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(of(&[0.0, 1.0, lost], 3), Some(Overflow::NotFinite));
        }
        // A vocabulary of one token, and no logits.
        assert_eq!([of(&[1.0, 1.0], 1), of(&[], 0)], [None, None]);
    }
}
