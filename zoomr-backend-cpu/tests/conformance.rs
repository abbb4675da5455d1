//! The conformance suite and METHOD.md's laws, for both providers and for the fused one's portable loops.

mod fused {
    zoomr_core::conformance_tests!(zoomr_backend_cpu::Cpu, zoomr_backend_cpu::CpuKernels::new());
    zoomr_core::gradient_tests!(zoomr_backend_cpu::Cpu, zoomr_backend_cpu::CpuKernels::new());
}

mod fused_portable {
    zoomr_core::conformance_tests!(zoomr_backend_cpu::Cpu, zoomr_backend_cpu::CpuKernels::portable());
    zoomr_core::gradient_tests!(zoomr_backend_cpu::Cpu, zoomr_backend_cpu::CpuKernels::portable());
}

mod plain {
    zoomr_core::conformance_tests!(zoomr_backend_cpu::Cpu, zoomr_backend_cpu::PlainKernels);
}
