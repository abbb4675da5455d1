//! A hook around another one, that keeps queries and keys on their way.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::hook::AttentionHook;

use super::Recording;

/// Writes into a recording what goes to a hook, of a session with one sequence.
pub(crate) struct Recorder<'a, H: ?Sized> {
    pub(crate) recording: &'a mut Recording,
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
        let start = self.hook.positions().first().copied().unwrap_or(0);
        let layer = &mut self.recording.layers[layer];
        keep(&mut layer.queries, start, &q);
        keep(&mut layer.keys, start, &k);
        Ok(output)
    }
}

/// Puts the rows of `tensor`, `[rows, heads, head_dim]`, at the position `start`, in place of all from there on: a step
/// that runs twice, or again after it has failed, leaves the last.
fn keep<B: Backend>(rows: &mut Vec<f32>, start: usize, tensor: &Tensor<B, 3>) {
    let [_, heads, head_dim] = tensor.dims();
    rows.truncate(start * heads * head_dim);
    rows.extend(tensor.to_data().iter::<f32>());
}
