//! Fuzzes [`zoomr_fuzz::recording`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::recording(bytes);
});
