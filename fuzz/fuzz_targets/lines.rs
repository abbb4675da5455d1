//! Fuzzes [`zoomr_fuzz::lines`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::lines(bytes);
});
