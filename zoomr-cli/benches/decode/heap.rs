//! What the program asks of its heap: how often, and how much it keeps.
//!
//! A counting allocator stands before the system's. It counts for all threads together, so only one thing is
//! measured at a time.

use std::{alloc::System, ops::Add};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The heap at one moment, or between two.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Heap {
    /// Blocks in use.
    pub(crate) blocks: i64,
    /// Bytes in use.
    pub(crate) bytes: i64,
}

impl Heap {
    /// The heap now.
    pub(crate) fn now() -> Self {
        let stats = HEAP.stats();
        // Blocks that grow or shrink are among the bytes already.
        Self {
            blocks: stats.allocations as i64 - stats.deallocations as i64,
            bytes: stats.bytes_allocated as i64 - stats.bytes_deallocated as i64,
        }
    }

    /// What it has gained since `earlier`.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self { blocks: self.blocks - earlier.blocks, bytes: self.bytes - earlier.bytes }
    }
}

impl Add for Heap {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { blocks: self.blocks + other.blocks, bytes: self.bytes + other.bytes }
    }
}

/// Blocks asked for so far, those that only changed their size included.
pub(crate) fn requests() -> u64 {
    let stats = HEAP.stats();
    (stats.allocations + stats.reallocations) as u64
}
