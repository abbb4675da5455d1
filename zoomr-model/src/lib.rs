//! Decoders of the Llama family on Burn, which attend through `zoomr-core`.
//!
//! Three types do the work: [`ModelConfig`](config::ModelConfig) parses a `config.json` into an architecture,
//! [`Weights`](weights::Weights) maps and checks the safetensors files beside it, and [`Model`] computes with
//! both. The model knows nothing of thoughts or caches: it hands each layer's queries, keys and values to an
//! [`AttentionHook`](zoomr_core::hook::AttentionHook), and multiplies by its weights through
//! [`LinearKernels`](zoomr_core::kernels::LinearKernels).
//!
//! One definition serves all architectures ([`Family`](config::Family)); they differ in the configuration
//! alone.

pub mod config;
pub mod weights;

mod attention;
mod block;
mod error;
mod linear;
mod load;
mod mlp;
mod model;
mod norm;
mod rope;

pub use self::{error::Error, model::Model};
