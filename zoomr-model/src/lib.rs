#![doc = include_str!("../README.md")]

pub mod adapter;
pub mod atomic_file;
pub mod config;
pub mod data;
pub mod engine;
pub mod eval;
pub mod grade;
pub mod habits;
pub mod hub;
pub mod recording;
pub mod text;
pub mod train;
pub mod weights;

mod attention;
mod block;
mod digest;
mod error;
mod linear;
mod load;
mod mlp;
mod model;
mod pool;
mod rope;

pub use self::{error::Error, model::Model};
