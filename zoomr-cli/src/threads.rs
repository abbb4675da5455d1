//! The threads that kernels run on: as many as asked for, and no panic where there can be none.

use std::{num::NonZeroUsize, thread::available_parallelism};

use anyhow::{Context, Result};
use rayon::{ThreadPoolBuildError, ThreadPoolBuilder};

use crate::output::note;

/// More would only wait for each other.
pub(crate) const MOST: usize = 1024;

/// Starts `asked` threads; else as many as `RAYON_NUM_THREADS` says; else one for each processor. Where the system
/// allows of no more, the thread that calls does all the work.
///
/// # Errors
/// Where not even that is to be had.
pub(crate) fn start(asked: Option<NonZeroUsize>) -> Result<()> {
    let named = || std::env::var("RAYON_NUM_THREADS").ok()?.trim().parse().ok();
    let wanted = asked.or_else(named).or_else(|| available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    if build(ThreadPoolBuilder::new().num_threads(wanted.min(MOST))).is_err() {
        note(&format!("the system allows of no {} threads: going on with one", wanted.min(MOST)));
        build(ThreadPoolBuilder::new().num_threads(1).use_current_thread())
            .context("cannot start a thread")?;
    }
    Ok(())
}

fn build(builder: ThreadPoolBuilder) -> Result<(), ThreadPoolBuildError> {
    builder.thread_name(|number| format!("kernels {number}")).build_global()
}
