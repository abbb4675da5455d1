//! Resident memory beside a full cache, over a run, in a few characters each.
//!
//! ```text
//! KV ▁▂▂▂▂▂▂▂ 61.50 KiB, full ▁▂▃▄▅▆▇█ 412.00 KiB
//! ```

use zoomr_core::stats::StepStats;

use super::bytes;

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Bars of each of the two lines, at most; from half as many on, each stands for twice as many steps.
const MOST: usize = 16;

/// The two lines, over the steps so far.
#[derive(Debug, Default)]
pub(crate) struct Sparkline {
    /// Resident bytes, and a full cache's: the most of some steps.
    samples: Vec<(u64, u64)>,
    /// Steps that a sample stands for.
    every: usize,
    /// Steps of the last sample.
    filled: usize,
}

impl Sparkline {
    /// Adds a step.
    pub(crate) fn push(&mut self, stats: &StepStats) {
        let step = (stats.bytes.resident(), stats.full_bytes);
        self.every = self.every.max(1);
        match self.samples.last_mut() {
            Some(last) if self.filled < self.every => *last = most(*last, step),
            _ => {
                self.samples.push(step);
                self.filled = 0;
            }
        }
        self.filled += 1;
        if self.samples.len() > MOST {
            let pair = |pair: &[(u64, u64)]| pair.iter().copied().fold((0, 0), most);
            self.samples = self.samples.chunks(2).map(pair).collect();
            // The last of an odd number stands for one step yet.
            self.every *= 2;
        }
    }

    /// Both lines, on one scale; nothing before the first step.
    pub(crate) fn line(&self) -> String {
        let Some(&(resident, full)) = self.samples.last() else { return String::new() };
        let top = self.samples.iter().map(|&(resident, full)| resident.max(full)).max().unwrap_or(1).max(1);
        let bar =
            |value: u64| BARS[((value * BARS.len() as u64).div_ceil(top) as usize).clamp(1, BARS.len()) - 1];
        let line =
            |of: fn(&(u64, u64)) -> u64| -> String { self.samples.iter().map(|s| bar(of(s))).collect() };
        let (held, whole) = (line(|sample| sample.0), line(|sample| sample.1));
        format!("KV {held} {}, full {whole} {}", bytes(resident), bytes(full))
    }
}

fn most(a: (u64, u64), b: (u64, u64)) -> (u64, u64) {
    (a.0.max(b.0), a.1.max(b.1))
}

#[cfg(test)]
mod tests {
    use zoomr_core::stats::TierBytes;

    use super::*;

    fn after(steps: u64) -> Sparkline {
        let mut sparkline = Sparkline::default();
        for step in 1..=steps {
            let bytes = TierBytes { window: (1024 * step).min(8 * 1024), ..TierBytes::default() };
            sparkline.push(&StepStats { bytes, full_bytes: 1024 * step, ..StepStats::default() });
        }
        sparkline
    }

    #[test]
    fn both_lines_are_on_one_scale() {
        assert_eq!(Sparkline::default().line(), "");
        assert_eq!(after(8).line(), "KV ▁▂▃▄▅▆▇█ 8.00 KiB, full ▁▂▃▄▅▆▇█ 8.00 KiB");
        assert_eq!(after(16).line(), "KV ▁▁▂▂▃▃▄▄▄▄▄▄▄▄▄▄ 8.00 KiB, full ▁▁▂▂▃▃▄▄▅▅▆▆▇▇██ 16.00 KiB");
    }

    #[test]
    fn a_long_run_takes_no_more_room_and_its_ends_stay() {
        for steps in [16, 17, 49, 1000, 12_345] {
            let sparkline = after(steps);
            let bars = sparkline.samples.len();
            assert!((MOST / 2..=MOST).contains(&bars), "{steps}: {bars}");
            assert_eq!(*sparkline.samples.last().unwrap(), (8 * 1024, 1024 * steps), "{steps}");
            assert!(sparkline.line().contains('█'), "{}", sparkline.line());
        }
    }
}
