//! Under construction: the method's core. The provider boundary ([`kernels`], [`weight`], [`state`]) and the
//! hook are settled.

mod error;
pub mod hook;
pub mod kernels;
pub mod layer;
pub mod positions;
pub mod select;
pub mod state;
pub mod weight;

pub use error::Error;
