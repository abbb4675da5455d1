//! ZoomR on NVIDIA GPUs: the provider of [`zoomr_core::kernels`] for burn-cuda.
//!
//! [`Cuda`] is the backend, [`CudaKernels`] the provider, and [`probe`] the question to ask before either
//! is used: whether this machine can run them, and if not, what to do about it.
//!
//! For now the provider computes with the portable kernels, Burn tensor ops that run on any backend; fused
//! kernels come one by one and take their place. What has been run on a GPU, and when, is in `DEVICE.md`.
//!
//! No CUDA toolkit is needed to compile this crate. Running it needs a driver, and a toolkit whose run-time
//! compiler (NVRTC) turns the kernels into machine code for the GPU at hand.

mod probe;

pub use probe::{CudaVersion, DeviceInfo, NoDevice, probe};
/// The provider: the portable kernels, until the first fused kernel needs a type of its own here.
pub use zoomr_core::portable::Portable as CudaKernels;

/// The Burn backend: 32-bit floats and integers on one NVIDIA GPU, without operator fusion.
pub type Cuda = burn_cuda::Cuda<f32, i32>;
