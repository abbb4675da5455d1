//! The probe on the machine at hand, whatever it has.

use zoomr_backend_cuda::probe;

#[test]
fn a_gpu_is_named_or_its_lack_explained_in_one_line() {
    match probe() {
        Ok(gpu) => {
            println!("{gpu:?}");
            assert!(!gpu.name.is_empty() && gpu.memory_bytes > 0);
            assert!(gpu.driver >= gpu.compiler);
        }
        Err(why) => {
            let why = why.to_string();
            assert_eq!(why.lines().count(), 1, "{why}");
            println!("SKIPPED: {why}");
        }
    }
}
