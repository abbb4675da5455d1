//! Fuzzes [`zoomr_fuzz::grade`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::grade(bytes);
});
