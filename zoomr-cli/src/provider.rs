//! The backends built into this binary, by Cargo feature, and how a command runs on one of them.
//!
//! A command is generic over its [`Provider`]; [`on`] is the one place where a provider is named.

use anyhow::Result;
use burn::tensor::{Device, backend::Backend};
use zoomr_core::kernels::{AttentionKernels, LinearKernels};

#[cfg(not(any(feature = "cpu", feature = "cuda")))]
compile_error!("zoomr computes on a backend: build it with the Cargo feature `cpu` (the default) or `cuda`");

/// A backend and the kernels that compute on it.
pub(crate) trait Provider {
    /// Burn's backend.
    type Backend: Backend;
    /// The kernels.
    type Kernels: AttentionKernels<Self::Backend> + LinearKernels<Self::Backend> + Clone;

    /// Makes sure that this machine can run it.
    ///
    /// # Errors
    /// Where it cannot, with what to do about it.
    fn open() -> Result<(Self::Kernels, Device<Self::Backend>)>;
}

/// Something to do on whichever backend was chosen.
pub(crate) trait Job {
    /// What comes of it.
    type Output;

    /// Does it.
    ///
    /// # Errors
    /// Whatever can go wrong with it.
    fn run<P: Provider>(self) -> Result<Self::Output>;
}

/// The backends that were built in.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Choice {
    /// The processor.
    #[cfg(feature = "cpu")]
    Cpu,
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda,
}

#[cfg(not(all(feature = "cpu", feature = "cuda")))]
impl Choice {
    /// The only one.
    #[cfg(feature = "cpu")]
    pub(crate) const ONLY: Self = Self::Cpu;
    /// The only one.
    #[cfg(feature = "cuda")]
    pub(crate) const ONLY: Self = Self::Cuda;
}

/// Does `job` on a backend.
///
/// # Errors
/// Where the backend cannot run here, and whatever the job says.
pub(crate) fn on<J: Job>(choice: Choice, job: J) -> Result<J::Output> {
    match choice {
        #[cfg(feature = "cpu")]
        Choice::Cpu => job.run::<cpu::Cpu>(),
        #[cfg(feature = "cuda")]
        Choice::Cuda => job.run::<cuda::Cuda>(),
    }
}

#[cfg(feature = "cpu")]
mod cpu {
    use zoomr_backend_cpu::{CpuKernels, DEVICE};

    use super::{Device, Result};

    /// burn-ndarray and the fused CPU kernels.
    pub(crate) struct Cpu;

    impl super::Provider for Cpu {
        type Backend = zoomr_backend_cpu::Cpu;
        type Kernels = CpuKernels;

        fn open() -> Result<(CpuKernels, Device<Self::Backend>)> {
            Ok((CpuKernels::new(), DEVICE))
        }
    }
}

#[cfg(feature = "cuda")]
mod cuda {
    use anyhow::Context;
    use zoomr_backend_cuda::{CudaKernels, probe};

    use super::{Device, Result};

    /// burn-cuda and its kernels.
    pub(crate) struct Cuda;

    impl super::Provider for Cuda {
        type Backend = zoomr_backend_cuda::Cuda;
        type Kernels = CudaKernels;

        fn open() -> Result<(CudaKernels, Device<Self::Backend>)> {
            // Asked first, because CubeCL panics where there is no driver.
            probe().context("backend cuda")?;
            Ok((CudaKernels, Device::<Self::Backend>::default()))
        }
    }
}
