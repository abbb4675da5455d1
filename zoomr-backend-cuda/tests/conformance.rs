//! The conformance suite and METHOD.md's laws on a GPU. On a machine without one, each says why it is skipped.

use zoomr_backend_cuda::{Cuda, CudaKernels, probe};

/// The provider; leaves the test that asks for it where there is no GPU.
macro_rules! kernels {
    () => {
        match probe() {
            Ok(_) => CudaKernels,
            Err(why) => {
                println!("SKIPPED: {why}");
                return;
            }
        }
    };
}

zoomr_core::conformance_tests!(Cuda, kernels!());
zoomr_core::gradient_tests!(Cuda, kernels!());
