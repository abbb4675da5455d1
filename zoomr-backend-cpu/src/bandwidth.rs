//! What memory delivers: the yardstick of a decode step, which does little but read weights.

use std::{hint::black_box, time::Instant};

use rayon::prelude::*;

/// Words per task: 1 MiB, long enough for the prefetchers, short enough for threads to finish together.
const TASK_WORDS: usize = 1 << 17;

/// Read bandwidth in bytes per second: a buffer of `bytes` summed by all rayon threads, the best of `passes`.
///
/// Ask for several times the last-level cache, or for as much as what is to be compared with it reads.
///
/// ```
/// let rate = zoomr_backend_cpu::read_bandwidth(1 << 22, 3);
/// assert!(rate > 0.0);
/// ```
pub fn read_bandwidth(bytes: usize, passes: usize) -> f64 {
    // Written, not merely allocated: pages never written all map to one page of zeros.
    let buffer: Vec<u64> = (0..bytes.div_ceil(size_of::<u64>()) as u64).collect();
    let best = (0..passes.max(1)).map(|_| pass(black_box(&buffer))).fold(f64::INFINITY, f64::min);
    size_of_val(&buffer[..]) as f64 / best
}

/// The seconds that one pass takes.
fn pass(buffer: &[u64]) -> f64 {
    let start = Instant::now();
    let sum = buffer
        .par_chunks(TASK_WORDS)
        .map(|words| words.iter().copied().fold(0, u64::wrapping_add))
        .reduce(|| 0, u64::wrapping_add);
    black_box(sum);
    start.elapsed().as_secs_f64()
}
