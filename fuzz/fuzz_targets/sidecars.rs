//! Fuzzes [`zoomr_fuzz::sidecars`].
#![no_main]

// libFuzzer's hook would end the process where zoomr catches a panic of the `tokenizers` crate. One that nobody catches
// ends it all the same.
libfuzzer_sys::fuzz_target!(init: drop(std::panic::take_hook()), |bytes: &[u8]| {
    zoomr_fuzz::sidecars(bytes);
});
