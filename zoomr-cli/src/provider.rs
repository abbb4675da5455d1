//! The backends built into this binary, by Cargo feature, and how a command runs on one of them.
//!
//! A command is generic over its [`Provider`]; [`on`] is the one place where a provider is named.

use std::fmt::Debug;

use anyhow::Result;
use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    config::AtHand,
    kernels::{LinearKernels, TrainingKernels},
    kv::KvDtype,
};
use zoomr_model::pretrained::Usual;

#[cfg(not(any(feature = "cpu", feature = "cuda")))]
compile_error!("zoomr computes on a backend: build it with the Cargo feature `cpu` (the default) or `cuda`");

/// A backend and the kernels that compute on it.
pub(crate) trait Provider {
    /// Burn's backend.
    type Backend: Backend;
    /// The kernels.
    type Kernels: TrainingKernels<Self::Backend> + LinearKernels<Self::Backend> + Clone + Debug + 'static;

    /// Whether it computes in the host's memory: weights stay there as their files have them, and so does what is put
    /// away from the device.
    const ON_HOST: bool;

    /// What keys and values are stored as where nothing is said of it.
    const KV: KvDtype;

    /// What is usual here. Everything is at hand, unless there is another memory that costs less.
    const USUAL: Usual =
        Usual { at_hand: if Self::ON_HOST { AtHand::All } else { AtHand::Quarter }, kv: Self::KV };

    /// Makes sure that this machine can run it.
    ///
    /// # Errors
    /// Where it cannot, with what to do about it.
    fn open() -> Result<(Self::Kernels, Device<Self::Backend>)>;

    /// Runs `work` so that its kernels take no other threads, which are at work on something else.
    #[cfg(feature = "train")]
    fn alone(work: &mut (dyn FnMut() + Send));
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
pub(crate) enum BackendName {
    /// The processor.
    #[cfg(feature = "cpu")]
    Cpu,
    /// An NVIDIA GPU.
    #[cfg(feature = "cuda")]
    Cuda,
}

#[cfg(not(all(feature = "cpu", feature = "cuda")))]
impl BackendName {
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
pub(crate) fn on<J: Job>(choice: BackendName, job: J) -> Result<J::Output> {
    match choice {
        #[cfg(feature = "cpu")]
        BackendName::Cpu => job.run::<zoomr_backend_cpu::CpuKernels>(),
        #[cfg(feature = "cuda")]
        BackendName::Cuda => job.run::<zoomr_backend_cuda::CudaKernels>(),
    }
}

/// burn-ndarray and the fused CPU kernels.
#[cfg(feature = "cpu")]
impl Provider for zoomr_backend_cpu::CpuKernels {
    type Backend = zoomr_backend_cpu::Cpu;
    type Kernels = Self;

    const ON_HOST: bool = true;
    const KV: KvDtype = KvDtype::F16;

    fn open() -> Result<(Self, Device<Self::Backend>)> {
        Ok((Self::new(), zoomr_backend_cpu::DEVICE))
    }

    #[cfg(feature = "train")]
    fn alone(work: &mut (dyn FnMut() + Send)) {
        zoomr_backend_cpu::on_one_thread(work);
    }
}

/// burn-cuda and its kernels.
#[cfg(feature = "cuda")]
impl Provider for zoomr_backend_cuda::CudaKernels {
    type Backend = zoomr_backend_cuda::Cuda;
    type Kernels = Self;

    const ON_HOST: bool = false;
    /// Its stores hold the backend's floats, whatever these are rounded to.
    const KV: KvDtype = KvDtype::F32;

    fn open() -> Result<(Self, Device<Self::Backend>)> {
        // Asked first, because CubeCL panics where there is no driver.
        anyhow::Context::context(zoomr_backend_cuda::probe(), "backend cuda")?;
        Ok((Self, Device::<Self::Backend>::default()))
    }

    #[cfg(feature = "train")]
    fn alone(work: &mut (dyn FnMut() + Send)) {
        // The device is shared by all threads in any case.
        work();
    }
}
