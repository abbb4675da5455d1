//! Whether this machine can run CUDA kernels, asked before CubeCL is.
//!
//! CubeCL finds out by panicking, first in its device thread and then in the caller's. The probe looks at
//! the same things in the same places, in the order in which they would fail, and answers in one line. It
//! allocates nothing on the GPU and starts no CUDA context.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use cudarc::{
    driver::{
        result::{DriverError, device, init},
        sys::{self, CUdevice, CUdevice_attribute},
    },
    nvrtc,
};

/// The oldest CUDA that the driver may support: the version of the bindings (cudarc's feature `cuda-13000`).
const OLDEST_DRIVER: CudaVersion = CudaVersion { major: 13, minor: 0 };

/// The GPU that [`Cuda`](crate::Cuda)'s default device stands for: the driver's first.
const FIRST: i32 = 0;

/// A version of CUDA; `13.0` is `{ major: 13, minor: 0 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CudaVersion {
    /// What changes when interfaces break.
    pub major: i32,
    /// What changes when something is added.
    pub minor: i32,
}

/// A GPU that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// As the driver names it.
    pub name: String,
    /// Memory on the device, in bytes, whoever uses it.
    pub memory_bytes: u64,
    /// The compute capability, major and minor: `(9, 0)` for an H100.
    pub capability: (i32, i32),
    /// The newest CUDA that the driver runs.
    pub driver: CudaVersion,
    /// The version of the run-time compiler.
    pub compiler: CudaVersion,
}

/// Why no GPU can be used, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoDevice {
    /// The driver's library is not on this machine.
    #[error(
        "no NVIDIA driver: libcuda.so is nowhere the loader looks; install a driver for CUDA {OLDEST_DRIVER} or newer"
    )]
    NoDriver,
    /// The driver is there and refuses to work, most often because it sees no GPU.
    #[error("the NVIDIA driver reports: {reason}; see what `nvidia-smi` says")]
    Driver {
        /// The driver's own words.
        reason: String,
    },
    /// The driver is there and counts no GPU.
    #[error("the NVIDIA driver sees no GPU; see what `nvidia-smi` and CUDA_VISIBLE_DEVICES say")]
    NoGpu,
    /// The driver is older than the bindings that this program was built with.
    #[error("the NVIDIA driver supports CUDA {found}; install a driver for CUDA {OLDEST_DRIVER} or newer")]
    OldDriver {
        /// The newest CUDA that it runs.
        found: CudaVersion,
    },
    /// The run-time compiler's library is not on this machine.
    #[error(
        "no CUDA run-time compiler: libnvrtc.so is nowhere the loader looks; install the CUDA toolkit and add its lib64 to LD_LIBRARY_PATH"
    )]
    NoCompiler,
    /// The run-time compiler writes code that the driver is too old to load.
    #[error(
        "CUDA's run-time compiler is {compiler} and the driver runs CUDA up to {driver}; use a toolkit no newer than the driver"
    )]
    NewCompiler {
        /// The version of the run-time compiler.
        compiler: CudaVersion,
        /// The newest CUDA that the driver runs.
        driver: CudaVersion,
    },
    /// The headers that kernels include are not where CubeCL looks for them.
    #[error("no CUDA headers at {}; set CUDA_PATH to the CUDA toolkit's folder (often /usr/local/cuda)", .path.display())]
    NoHeaders {
        /// The header that was looked for.
        path: PathBuf,
    },
}

/// Looks for the GPU that [`Cuda`](crate::Cuda)'s default device stands for, and for all that it needs.
///
/// # Errors
///
/// [`NoDevice`] names the first thing that is missing.
pub fn probe() -> Result<DeviceInfo, NoDevice> {
    let driver = driver()?;
    let compiler = compiler(driver)?;
    headers(&cubecl_cuda::install::cuda_path().unwrap_or_default())?;
    let gpu = device::get(FIRST)?;
    Ok(DeviceInfo {
        name: device::get_name(gpu)?,
        memory_bytes: memory_bytes(gpu)?,
        capability: capability(gpu)?,
        driver,
        compiler,
    })
}

/// The driver's version, once it is known to work and to see a GPU.
fn driver() -> Result<CudaVersion, NoDevice> {
    if !driver_is_present() {
        return Err(NoDevice::NoDriver);
    }
    init()?;
    let driver = driver_version()?;
    if driver < OLDEST_DRIVER {
        return Err(NoDevice::OldDriver { found: driver });
    }
    if device::get_count()? == 0 {
        return Err(NoDevice::NoGpu);
    }
    Ok(driver)
}

/// The run-time compiler's version, once it is known that `driver` loads what it writes.
fn compiler(driver: CudaVersion) -> Result<CudaVersion, NoDevice> {
    if !compiler_is_present() {
        return Err(NoDevice::NoCompiler);
    }
    let compiler = compiler_version().ok_or(NoDevice::NoCompiler)?;
    if compiler > driver {
        return Err(NoDevice::NewCompiler { compiler, driver });
    }
    Ok(compiler)
}

/// `toolkit`: the folder that CubeCL takes for the toolkit's; empty if it found none.
fn headers(toolkit: &Path) -> Result<(), NoDevice> {
    let path = toolkit.join("include/cuda_runtime.h");
    if path.is_file() { Ok(()) } else { Err(NoDevice::NoHeaders { path }) }
}

#[expect(unsafe_code, reason = "loading a library runs its initialisers")]
fn driver_is_present() -> bool {
    // SAFETY: the libraries that cudarc looks for are NVIDIA's driver, whose initialisers may run anywhere.
    unsafe { sys::is_culib_present() }
}

#[expect(unsafe_code, reason = "loading a library runs its initialisers")]
fn compiler_is_present() -> bool {
    // SAFETY: the library that cudarc looks for is NVIDIA's compiler, whose initialisers may run anywhere.
    unsafe { nvrtc::sys::is_culib_present() }
}

#[expect(unsafe_code, reason = "a call into the driver")]
fn driver_version() -> Result<CudaVersion, DriverError> {
    let mut version = 0;
    // SAFETY: the library is present, and the pointer is to a live integer of the type it writes.
    unsafe { sys::cuDriverGetVersion(&raw mut version) }.result()?;
    Ok(CudaVersion { major: version / 1000, minor: version % 1000 / 10 })
}

#[expect(unsafe_code, reason = "a call into the compiler's library")]
fn compiler_version() -> Option<CudaVersion> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the library is present, and the pointers are to live integers of the type it writes.
    let status = unsafe { nvrtc::sys::nvrtcVersion(&raw mut major, &raw mut minor) };
    status.result().ok().map(|()| CudaVersion { major, minor })
}

#[expect(unsafe_code, reason = "a call into the driver")]
fn memory_bytes(gpu: CUdevice) -> Result<u64, DriverError> {
    // SAFETY: the driver itself gave out this device.
    unsafe { device::total_mem(gpu) }.map(|bytes| bytes as u64)
}

#[expect(unsafe_code, reason = "calls into the driver")]
fn capability(gpu: CUdevice) -> Result<(i32, i32), DriverError> {
    use CUdevice_attribute::{
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR as MAJOR,
        CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR as MINOR,
    };
    // SAFETY: the driver itself gave out this device.
    unsafe { Ok((device::get_attribute(gpu, MAJOR)?, device::get_attribute(gpu, MINOR)?)) }
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<DriverError> for NoDevice {
    fn from(error: DriverError) -> Self {
        let words = error.error_string().map(|words| words.to_string_lossy().into_owned());
        Self::Driver { reason: words.unwrap_or_else(|_| format!("{:?}", error.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_missing_are_named() {
        let error = headers(Path::new("/no/such/toolkit")).unwrap_err();
        assert!(error.to_string().contains("/no/such/toolkit/include/cuda_runtime.h"), "{error}");
    }

    #[test]
    fn versions_compare_as_numbers() {
        assert!(CudaVersion { major: 13, minor: 10 } > CudaVersion { major: 13, minor: 9 });
        assert!(CudaVersion { major: 12, minor: 9 } < OLDEST_DRIVER);
    }
}
