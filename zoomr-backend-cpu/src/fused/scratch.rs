//! Buffers that a thread's kernels work in, kept from call to call: after the first few, nothing is allocated.

use std::cell::RefCell;

thread_local! {
    static PARTIALS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
    static SCORES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `len` numbers for the partial results of a call; they hold anything.
pub(super) fn partials<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    lend(&PARTIALS, len, work)
}

/// Lends `len` numbers for scores; they hold anything.
pub(super) fn scores<T>(len: usize, work: impl FnOnce(&mut [f32]) -> T) -> T {
    lend(&SCORES, len, work)
}

fn lend<T>(
    buffer: &'static std::thread::LocalKey<RefCell<Vec<f32>>>,
    len: usize,
    work: impl FnOnce(&mut [f32]) -> T,
) -> T {
    // Taken out while it is lent: a task that this thread takes on meanwhile finds an empty one, and makes its own.
    let mut own = buffer.take();
    if own.len() < len {
        own.resize(len, 0.0);
    }
    let result = work(&mut own[..len]);
    buffer.replace(own);
    result
}
