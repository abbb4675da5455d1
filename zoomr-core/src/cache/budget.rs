//! How much KV memory a session holds, and how much it may.

use crate::Error;

/// Bytes in use, and their limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KvBudget {
    cap: Option<u64>,
    used: u64,
    peak: u64,
}

impl KvBudget {
    /// At most `cap` bytes; `None` for no limit.
    pub fn new(cap: Option<u64>) -> Self {
        Self { cap, used: 0, peak: 0 }
    }

    /// Bytes that stores hold.
    pub fn used(&self) -> u64 {
        self.used
    }

    /// The most bytes held since the last [`start_peak`](Self::start_peak).
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Counts the peak from what is held now.
    pub fn start_peak(&mut self) {
        self.peak = self.used;
    }

    pub(super) fn take(&mut self, bytes: u64) -> Result<(), Error> {
        let needed = self.used + bytes;
        match self.cap {
            Some(cap) if needed > cap => Err(Error::OverCap { needed, cap }),
            _ => {
                self.used = needed;
                self.peak = self.peak.max(needed);
                Ok(())
            }
        }
    }

    pub(super) fn give_back(&mut self, bytes: u64) {
        self.used -= bytes;
    }
}
