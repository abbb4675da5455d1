#![doc = include_str!("../README.md")]

#[macro_use]
mod named;

pub mod cache;
pub mod config;
mod error;
pub mod forecast;
pub mod hook;
pub mod kernels;
pub mod kv;
pub mod layer;
pub mod policy;
pub mod portable;
pub mod positions;
pub mod segment;
pub mod select;
pub mod session;
pub mod state;
pub mod stats;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token;
pub mod trigger;
pub mod usage;
pub mod weight;

pub use error::Error;
