//! Fuzzes [`zoomr_fuzz::weights`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::weights(bytes);
});
