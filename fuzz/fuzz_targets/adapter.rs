//! Fuzzes [`zoomr_fuzz::adapter`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::adapter(bytes);
});
