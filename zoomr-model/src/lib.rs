#![doc = include_str!("../README.md")]

pub mod adapter;
pub mod atomic_file;
pub mod config;
#[cfg(feature = "train")]
pub mod data;
pub mod engine;
#[cfg(feature = "train")]
pub mod eval;
pub mod gguf;
#[cfg(feature = "train")]
pub mod grade;
#[cfg(feature = "hub")]
pub mod hub;
pub mod pretrained;
pub mod reasoning_format;
pub mod recording;
pub mod setting;
pub mod text;
pub mod text_file;
#[cfg(feature = "train")]
pub mod train;
pub mod weights;

#[cfg(any(feature = "hub", feature = "train"))]
mod address;
mod attention;
mod block;
mod digest;
mod entries;
mod error;
mod linear;
mod load;
mod mlp;
mod model;
#[cfg(feature = "train")]
mod picture;
#[cfg(feature = "train")]
mod pool;
mod rope;

pub use self::{error::Error, model::Model};
