//! A recording of a run: its tokens, and each layer's queries and keys.
//!
//! Votes, selections, evictions and attention weights depend on nothing else, so that any policy can be applied to a
//! recording without the model (`eval::Replay`, with feature `train`). Values are not in it, so nothing can be
//! computed from it that depends on what a policy makes of a text: no output, no loss, no accuracy.
//!
//! | file | what is in it |
//! |---|---|
//! | `hook` | keeps queries and keys on their way to another hook |
//! | `file` | a recording as safetensors, and back |
//! | `error` | what can be wrong with such a file |
//!
//! The queries and keys are those of the run: under a policy that hides tokens, the layers after the first have seen
//! what it showed. A token takes `4 * head_dim * (query_heads + kv_heads)` bytes per layer, in memory and in the file.

mod error;
mod file;
mod hook;

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use zoomr_core::{layer::LayerSpec, segment::Role};

pub use self::error::RecordingError;
pub(crate) use self::hook::Recorder;

/// The tokens of a run, and each layer's queries and keys.
#[derive(Clone, Debug)]
pub struct Recording {
    layers: Vec<Layer>,
    tokens: Vec<u32>,
    /// How many of the tokens are the prompt.
    prompt: usize,
}

/// One layer's part. Rows of a step that failed may stand behind those of the tokens, until others replace them.
#[derive(Clone, Debug)]
struct Layer {
    spec: LayerSpec,
    /// After RoPE, `[tokens, query_heads, head_dim]`.
    queries: Vec<f32>,
    /// After RoPE, `[tokens, kv_heads, head_dim]`.
    keys: Vec<f32>,
}

impl Recording {
    /// A recording without tokens, of a model with such layers.
    pub(crate) fn begin(layers: &[LayerSpec]) -> Self {
        let layer = |&spec: &LayerSpec| Layer { spec, queries: Vec::new(), keys: Vec::new() };
        Self { layers: layers.iter().map(layer).collect(), tokens: Vec::new(), prompt: 0 }
    }

    /// A step of these tokens has gone well; its queries and keys are here already.
    pub(crate) fn took(&mut self, ids: &[u32], role: Role) {
        self.tokens.extend_from_slice(ids);
        if role == Role::Prompt {
            self.prompt += ids.len();
        }
    }

    /// The tokens.
    pub fn tokens(&self) -> &[u32] {
        &self.tokens
    }

    /// How many of the tokens, the first ones, are the prompt.
    pub fn prompt(&self) -> usize {
        self.prompt
    }

    /// The layers of the model that was recorded.
    pub fn layers(&self) -> Vec<LayerSpec> {
        self.layers.iter().map(|layer| layer.spec).collect()
    }

    /// A layer's queries `[rows, query_heads, head_dim]` and keys `[rows, kv_heads, head_dim]` of the tokens `rows`.
    pub fn rows<B: Backend>(
        &self,
        layer: usize,
        rows: Range<usize>,
        device: &Device<B>,
    ) -> (Tensor<B, 3>, Tensor<B, 3>) {
        let Layer { spec, queries, keys } = &self.layers[layer];
        let tensor = |all: &[f32], heads: usize| {
            let width = heads * spec.head_dim;
            let values = all[rows.start * width..rows.end * width].to_vec();
            Tensor::from_data(TensorData::new(values, [rows.len(), heads, spec.head_dim]), device)
        };
        (tensor(queries, spec.query_heads), tensor(keys, spec.kv_heads))
    }
}
