//! What is counted: per step and per run (METHOD.md, "What is counted").

use serde::{Deserialize, Serialize};

use crate::cache::Moved;

/// KV bytes by tier. What is resident is counted in whole pages, as allocated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TierBytes {
    /// Resident: pages of prompts.
    pub prompt: u64,
    /// Resident: pages that are attended whatever the query asks for (window, open segments, answer).
    pub window: u64,
    /// Resident: pages of index vectors.
    pub index: u64,
    /// Resident: pages of summaries.
    pub summaries: u64,
    /// Resident: detail of thoughts outside of the window, zoomed now or still held from before.
    pub zoomed: u64,
    /// Resident: pages allocated that nobody uses.
    pub free: u64,
    /// Held in the cold tier.
    pub cold: u64,
}

impl TierBytes {
    /// Bytes of KV memory on the compute device, free pages included.
    pub fn resident(&self) -> u64 {
        self.prompt + self.window + self.index + self.summaries + self.zoomed + self.free
    }

    /// Bytes of all tiers.
    pub fn total(&self) -> u64 {
        self.resident() + self.cold
    }
}

/// What one sequence's last row of a step did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct RowStats {
    /// The sequence's number.
    pub sequence: usize,
    /// The row's position.
    pub position: usize,
    /// Tokens attended, averaged over the layers that the policy acts in, and over heads that see different ones.
    pub attended: f64,
    /// Votes for each candidate thought, summed over the heads of all layers that voted. With blocks, for each thought the
    /// tokens of it that were attended, summed over the KV heads of those layers.
    pub votes: Vec<u32>,
    /// The thoughts zoomed into, per layer that the policy acts in. With blocks, in each of them those of which half or
    /// more was attended, on average over all KV heads.
    pub zoomed: Vec<Vec<usize>>,
    /// Zoomed thoughts, or passages taken to hand, whose tokens were resident already, over all layers.
    pub hits: u64,
    /// Those whose tokens had to be brought back, over all layers.
    pub misses: u64,
}

/// What one step did.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct StepStats {
    /// Rows (tokens) of all sequences.
    pub rows: usize,
    /// The last row of each sequence that took part.
    pub last_rows: Vec<RowStats>,
    /// Tokens in resident pages, averaged over the layers that the policy acts in.
    pub tokens_resident: f64,
    /// KV bytes by tier at the end of the step.
    pub bytes: TierBytes,
    /// The most resident bytes at any moment of the step.
    pub resident_peak: u64,
    /// What a full cache of the same tokens takes, in bytes, without waste.
    pub full_bytes: u64,
    /// Bytes moved between tiers.
    pub moved: Moved,
}

/// What a run adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunStats {
    /// Steps taken.
    pub steps: u64,
    /// The most resident KV bytes at any moment.
    pub resident_peak: u64,
    /// Resident bytes summed over steps.
    pub resident_area: u64,
    /// Full-cache bytes summed over steps.
    pub full_area: u64,
    /// Tokens attended by the steps' last rows, summed.
    pub attended: f64,
    /// What full attention would have attended, summed likewise.
    pub attended_full: f64,
    /// Zoomed thoughts, or passages taken to hand, that were resident already.
    pub hits: u64,
    /// Those that had to be brought back.
    pub misses: u64,
    /// Bytes moved between tiers.
    pub moved: Moved,
}

impl RunStats {
    /// Adds one step.
    pub fn add(&mut self, step: &StepStats) {
        self.steps += 1;
        self.resident_peak = self.resident_peak.max(step.resident_peak);
        self.resident_area += step.bytes.resident();
        self.full_area += step.full_bytes;
        self.moved += step.moved;
        for row in &step.last_rows {
            self.attended += row.attended;
            self.attended_full += (row.position + 1) as f64;
            self.hits += row.hits;
            self.misses += row.misses;
        }
    }
}
