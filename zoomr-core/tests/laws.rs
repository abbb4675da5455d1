//! The conformance suite and METHOD.md's laws, for the portable kernels.

zoomr_core::conformance_tests!(burn_ndarray::NdArray<f32>, zoomr_core::portable::Portable);
zoomr_core::gradient_tests!(burn_ndarray::NdArray<f32>, zoomr_core::portable::Portable);
