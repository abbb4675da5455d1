//! Fuzzes [`zoomr_fuzz::gguf`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    zoomr_fuzz::gguf(bytes);
});
