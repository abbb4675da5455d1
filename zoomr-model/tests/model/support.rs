//! What the tests share: a dense cache as hook, and fixtures.

use std::path::{Path, PathBuf};

use burn::tensor::{Bool, Device, Tensor, TensorData, activation::softmax, backend::Backend};
use burn_ndarray::NdArray;
use zoomr_core::{hook::AttentionHook, layer::LayerSpec, portable::Portable};
use zoomr_model::{Model, config::ModelConfig, weights::Weights};

/// The backend of the tests; f32.
pub(crate) type Cpu = NdArray;

/// A folder of `tests/golden`.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A JSON fixture.
pub(crate) fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).expect("a fixture of this repository");
    serde_json::from_str(&text).expect("a fixture's fields are known")
}

/// The model with the weights in `dir`.
pub(crate) fn load(dir: &Path, config: ModelConfig) -> Model<Cpu, Portable> {
    let weights = Weights::open(dir, &config.tensors()).expect("sound weights");
    Model::load(config, &weights, Portable, &Default::default()).expect("weights opened for this config")
}

/// A full cache of one sequence: what a model without zoomr does.
pub(crate) struct DenseCache<B: Backend> {
    layers: Vec<LayerSpec>,
    /// Keys and values `[tokens, kv_heads, head_dim]` of each layer.
    kv: Vec<Option<[Tensor<B, 3>; 2]>>,
    positions: Vec<usize>,
}

impl<B: Backend> DenseCache<B> {
    pub(crate) fn new(layers: Vec<LayerSpec>) -> Self {
        Self { kv: vec![None; layers.len()], layers, positions: Vec::new() }
    }

    /// Begins a step of `rows` more tokens.
    pub(crate) fn step(&mut self, rows: usize) -> &mut Self {
        let start = self.positions.last().map_or(0, |last| last + 1);
        self.positions = (start..start + rows).collect();
        self
    }
}

impl<B: Backend> AttentionHook<B> for DenseCache<B> {
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
        let [k, v] = match self.kv[layer].take() {
            Some([keys, values]) => [Tensor::cat(vec![keys, k], 0), Tensor::cat(vec![values, v], 0)],
            None => [k, v],
        };
        self.kv[layer] = Some([k.clone(), v.clone()]);
        let spec = &self.layers[layer];
        let scores = q.swap_dims(0, 1).matmul(per_query_head(k, spec).swap_dims(1, 2)) * spec.scale;
        let hidden = self.hidden(spec, &scores.device()).expand(scores.dims()); // [query_heads, rows, tokens]
        let weights = softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 2);
        Ok(weights.matmul(per_query_head(v, spec)).swap_dims(0, 1)) // [rows, query_heads, head_dim]
    }
}

impl<B: Backend> DenseCache<B> {
    /// What no row may see, `[1, rows, tokens]`: the future, and what lies before the layer's window.
    fn hidden(&self, spec: &LayerSpec, device: &Device<B>) -> Tensor<B, 3, Bool> {
        let tokens = self.positions.last().map_or(0, |last| last + 1);
        let window = spec.sliding_window.map_or(usize::MAX, usize::from);
        let row = |row: &usize| {
            let row = *row;
            (0..tokens).map(move |token| token > row || row - token >= window)
        };
        let mask: Vec<bool> = self.positions.iter().flat_map(row).collect();
        Tensor::from_data(TensorData::new(mask, [1, self.positions.len(), tokens]), device)
    }
}

/// `[tokens, kv_heads, head_dim] -> [query_heads, tokens, head_dim]`, each KV head once per query head.
fn per_query_head<B: Backend>(x: Tensor<B, 3>, spec: &LayerSpec) -> Tensor<B, 3> {
    let [tokens, kv_heads, head_dim] = x.dims();
    let shared = spec.query_heads / kv_heads;
    let x: Tensor<B, 4> = x.swap_dims(0, 1).unsqueeze_dim(1);
    x.repeat_dim(1, shared).reshape([spec.query_heads, tokens, head_dim])
}
