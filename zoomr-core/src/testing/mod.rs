//! What every provider is tested with (feature `testing`).
//!
//! * [`oracle`]: the kernels in f64 and plain loops.
//! * [`cases`]: one catalogue of kernel inputs, hostile ones included, that tests and benchmarks share.
//! * [`tolerance`]: how much error is too much.
//! * [`block`]: norms, heads, gates and sums, and products of one input with several matrices.
//! * [`blocks`]: level 2; [`at_hand`]: what it may choose from.
//! * [`host`], [`scenario`]: a host model and random sequences for it.
//! * [`forecast`]: forecasts made by walking over the whole run.
//! * [`watched`]: a provider whose calls are written down.
//! * [`method`]: the whole method in f64, and the policies of other papers; [`laws`],
//!   [`batches`], [`forks`]: METHOD.md's laws as properties.
//! * [`gradients`], [`layers`], [`masks`]: attention over whole sequences, products, gates, and the gradients of each, for
//!   providers that train ([`gradient_tests!`](crate::gradient_tests)).
//! * [`conformance_tests!`](crate::conformance_tests): all of it as `#[test]`s for a provider crate.

pub mod at_hand;
mod baselines;
pub mod batches;
pub mod block;
pub mod blocks;
pub mod cases;
pub mod conformance;
pub mod forecast;
pub mod forks;
pub mod gradients;
pub mod host;
pub mod laws;
pub mod layers;
pub mod masks;
pub mod method;
pub mod oracle;
pub mod scenario;
pub mod tolerance;
pub mod watched;
