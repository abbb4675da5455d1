//! Reasoning for people: thoughts and summaries under headings, and below each thought which older ones it reopened.
//!
//! ```text
//! thought 9    t56 5 + t40 7 =12 -> t69 2 ; ...
//! in short     t69 t70 t71
//! reopened     3, 7 and 2 more; KV memory 61.50 KiB, a full cache 412.00 KiB
//! ```

use std::collections::BTreeMap;

use zoomr_core::{segment::Kind, stats::StepStats};

use super::bytes;

/// Columns of a heading.
const HEADING: usize = 13;
/// The most thoughts that are named.
const NAMED: usize = 4;

/// Follows a stream from segment to segment.
#[derive(Debug, Default)]
pub(crate) struct Thoughts {
    kind: Option<Kind>,
    /// Thoughts begun.
    thoughts: usize,
    /// How often each older thought was zoomed into since the last one closed, over steps and layers.
    reopened: BTreeMap<usize, usize>,
    resident: u64,
    full: u64,
}

impl Thoughts {
    /// Notes a step.
    pub(crate) fn step(&mut self, stats: &StepStats) {
        let zoomed = stats.last_rows.iter().flat_map(|row| row.zoomed.iter().flatten());
        zoomed.for_each(|&thought| *self.reopened.entry(thought).or_default() += 1);
        (self.resident, self.full) = (stats.bytes.resident(), stats.full_bytes);
    }

    /// What to print before the text of a token of this kind: nothing inside of a segment.
    pub(crate) fn before(&mut self, kind: Kind) -> String {
        let before = self.kind.replace(kind);
        if before == Some(kind) {
            return String::new();
        }
        let mut text = self.end(before);
        match kind {
            Kind::Thought => {
                self.thoughts += 1;
                text += &heading(&format!("thought {}", self.thoughts));
            }
            Kind::Summary => text += &heading("in short"),
            Kind::Prompt | Kind::Answer => text += &heading(""),
        }
        text
    }

    /// What to print after the last token.
    pub(crate) fn finish(&mut self) -> String {
        let before = self.kind.take();
        self.end(before)
    }

    fn end(&mut self, kind: Option<Kind>) -> String {
        match kind {
            None => String::new(),
            Some(Kind::Summary) => format!("\n{}{}\n\n", heading("reopened"), self.reopening()),
            Some(_) => "\n".to_owned(),
        }
    }

    /// `3, 7 and 2 more; KV memory ..., a full cache ...`
    fn reopening(&mut self) -> String {
        let mut thoughts: Vec<(usize, usize)> = std::mem::take(&mut self.reopened).into_iter().collect();
        // Those zoomed into most often first; of equals, the older.
        thoughts.sort_by_key(|&(thought, times)| (std::cmp::Reverse(times), thought));
        let named: Vec<String> = thoughts.iter().take(NAMED).map(|(j, _)| (j + 1).to_string()).collect();
        let which = match thoughts.len() {
            0 => "none".to_owned(),
            count if count > NAMED => format!("{} and {} more", named.join(", "), count - NAMED),
            _ => named.join(", "),
        };
        format!("{which}; KV memory {}, a full cache {}", bytes(self.resident), bytes(self.full))
    }
}

/// A heading, padded to its column.
pub(crate) fn heading(text: &str) -> String {
    format!("{text:<HEADING$}")
}

#[cfg(test)]
mod tests {
    use zoomr_core::stats::{RowStats, TierBytes};

    use super::*;

    fn step(zoomed: &[&[usize]]) -> StepStats {
        let zoomed = zoomed.iter().map(|layer| layer.to_vec()).collect();
        StepStats {
            last_rows: vec![RowStats { zoomed, ..RowStats::default() }],
            bytes: TierBytes { window: 1024, ..TierBytes::default() },
            full_bytes: 4096,
            ..StepStats::default()
        }
    }

    #[test]
    fn segments_get_headings_and_thoughts_what_they_reopened() {
        let mut thoughts = Thoughts::default();
        assert_eq!(thoughts.before(Kind::Thought), "thought 1    ");
        assert_eq!(thoughts.before(Kind::Thought), "");
        assert_eq!(thoughts.before(Kind::Summary), "\nin short     ");
        let none = "\nreopened     none; KV memory 0 bytes, a full cache 0 bytes\n\n";
        assert_eq!(thoughts.before(Kind::Thought), format!("{none}thought 2    "));
        thoughts.step(&step(&[&[0, 5], &[5, 2]]));
        thoughts.step(&step(&[&[7, 5], &[8, 9]]));
        thoughts.before(Kind::Summary);
        let some = "\nreopened     6, 1, 3, 8 and 2 more; KV memory 1.00 KiB, a full cache 4.00 KiB\n\n";
        assert_eq!(thoughts.before(Kind::Answer), format!("{some}             "));
        assert_eq!(thoughts.finish(), "\n");
    }
}
