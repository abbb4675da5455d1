//! Fuzzes [`zoomr_fuzz::checkpoint`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::checkpoint(bytes);
});
