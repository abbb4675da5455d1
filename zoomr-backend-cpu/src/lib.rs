//! ZoomR's kernels on the CPU, over burn-ndarray's f32 tensors.
//!
//! Two providers of `zoomr_core::kernels`, equal but for rounding:
//! * [`CpuKernels`]: fused kernels for decoding and prefill. Paged attention with an online softmax, weight
//!   matrices multiplied in the bf16, f16 or f32 that their file holds; AVX2 and FMA where the machine has
//!   them, portable loops where not. Weights in blocks are multiplied as whole numbers.
//! * [`PlainKernels`]: plain loops in f64, one number after another. What the other is compared with.
//!
//! Both read Burn's tensors in place, through [`Cpu`]'s own storage, and let go of them before they return: the
//! cache's next append finds its memory unshared and writes in place. What lies between a layer's products, norms and
//! rotation say, [`CpuKernels`] does in place too, where nobody shares a tensor that it is given.
//!
//! Results do not depend on the number of threads. Small operations are shared out by a team of as many threads as rayon
//! has where the first of them is called, the caller among them; large ones, and training, are rayon's.
//!
//! ```
//! use burn::tensor::{Tensor, TensorData};
//! use zoomr_backend_cpu::{Cpu, CpuKernels, DEVICE};
//! use zoomr_core::{kernels::LinearKernels, weight::StoredWeight};
//!
//! let kernels = CpuKernels::new();
//! let weight = StoredWeight::from_f32(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2)?;
//! let matrix = kernels.matrix(weight, &DEVICE);
//! let x = Tensor::<Cpu, 2>::from_data([[1.0, 10.0]], &DEVICE);
//! let y = kernels.linear(x, &matrix);
//! assert_eq!(y.to_data(), TensorData::from([[21.0_f32, 43.0, 65.0]]));
//! # Ok::<(), zoomr_core::weight::WeightError>(())
//! ```

mod alone;
mod bandwidth;
mod block;
mod blocks;
mod fused;
mod owned;
mod plain;
mod provider;
mod quantised;
mod simd;
mod store;
mod stored;
mod team;
#[cfg(test)]
mod testing;
mod view;
mod votes;

pub use alone::on_one_thread;
pub use bandwidth::read_bandwidth;
pub use blocks::CpuBlocks;
pub use fused::table::CpuTable;
pub use provider::{CpuKernels, PlainKernels};
pub use store::CpuStore;

/// The backend that the kernels work on.
pub type Cpu = burn_ndarray::NdArray<f32>;

/// The device of every tensor here.
pub const DEVICE: burn_ndarray::NdArrayDevice = burn_ndarray::NdArrayDevice::Cpu;
