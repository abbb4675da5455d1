//! What several test files need.

use std::{env, path::PathBuf};

/// The directory of SmolLM2-135M-Instruct below `ZOOMR_MODELS`; without the variable, `None`, and a line that
/// says which test was skipped.
pub(crate) fn real_model() -> Option<PathBuf> {
    let Some(models) = env::var_os("ZOOMR_MODELS") else {
        let thread = std::thread::current();
        eprintln!("SKIPPED: {} (set ZOOMR_MODELS)", thread.name().unwrap_or("test"));
        return None;
    };
    Some(PathBuf::from(models).join("smollm2-135m-instruct"))
}
