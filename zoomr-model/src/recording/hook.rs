//! A hook around another one, that keeps queries and keys on their way.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::hook::AttentionHook;

use super::Recording;

/// Writes into recordings what goes to a hook.
pub(crate) struct Recorder<'a, H: ?Sized> {
    /// For each sequence that is recorded its rows in the step, and where they go.
    pub(crate) recordings: Vec<(Range<usize>, &'a mut Recording)>,
    pub(crate) hook: &'a mut H,
}

impl<B: Backend, H: AttentionHook<B> + ?Sized> AttentionHook<B> for Recorder<'_, H> {
    fn positions(&self) -> &[usize] {
        self.hook.positions()
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let output = self.hook.attend(layer, q.clone(), k.clone(), v)?;
        for (rows, recording) in &mut self.recordings {
            // A sequence that was refused has no rows.
            let Some(&start) = self.hook.positions()[rows.clone()].first() else { continue };
            let layer = &mut recording.layers[layer];
            keep(&mut layer.queries, start, &q, rows);
            keep(&mut layer.keys, start, &k, rows);
        }
        Ok(output)
    }
}

/// Puts `rows` of `tensor`, `[all rows, heads, head_dim]`, at the position `start`, in place of all from there on: a
/// step that runs twice, or again after it has failed, leaves the last.
fn keep<B: Backend>(kept: &mut Vec<f32>, start: usize, tensor: &Tensor<B, 3>, rows: &Range<usize>) {
    let [_, heads, head_dim] = tensor.dims();
    kept.truncate(start * heads * head_dim);
    let rows = tensor.clone().slice([rows.clone(), 0..heads, 0..head_dim]);
    kept.extend(rows.into_data().iter::<f32>());
}
