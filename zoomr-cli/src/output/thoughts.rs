//! Reasoning for people: thoughts and summaries under headings, and below each thought which older ones it reopened.
//!
//! ```text
//! thought 9    t56 5 + t40 7 =12 -> t69 2 ; ...
//! in short     t69 t70 t71
//! reopened     3, 7 and 2 more; KV memory 61.50 KiB, a full cache 412.00 KiB
//! ...          37 more thoughts; --verbose shows all
//! ```
//!
//! Thoughts beyond the first few are not shown: while they are written, a line says how memory goes.

use std::collections::BTreeMap;

use zoomr_core::{segment::Kind, stats::StepStats};

use super::{bytes, sparkline::Sparkline};

/// Columns of a heading.
const HEADING: usize = 13;
/// The most thoughts that are named.
const NAMED: usize = 4;

/// The thoughts that are shown where not all are.
const SHOWN: usize = 3;

/// Follows a stream from segment to segment.
#[derive(Debug)]
pub(crate) struct Thoughts {
    /// The most thoughts that are shown.
    shown: usize,
    kind: Option<Kind>,
    /// Thoughts begun.
    thoughts: usize,
    /// How often each older thought was zoomed into since the last one closed, over steps and layers.
    reopened: BTreeMap<usize, usize>,
    resident: u64,
    full: u64,
    memory: Sparkline,
}

impl Thoughts {
    /// Nothing has come yet; `all` thoughts are to be shown, or the first few.
    pub(crate) fn new(all: bool) -> Self {
        let shown = if all { usize::MAX } else { SHOWN };
        let (reopened, memory) = (BTreeMap::new(), Sparkline::default());
        Self { shown, kind: None, thoughts: 0, reopened, resident: 0, full: 0, memory }
    }

    /// Whether text of this kind is not shown.
    pub(crate) fn hides(&self, kind: Kind) -> bool {
        matches!(kind, Kind::Thought | Kind::Summary) && self.thoughts > self.shown
    }

    /// What stands for the thoughts that are not shown, while one is written.
    pub(crate) fn line(&self) -> Option<String> {
        let hidden = self.kind.is_some_and(|kind| self.hides(kind));
        hidden.then(|| format!("{}{}", heading(&format!("thought {}", self.thoughts)), self.memory.line()))
    }

    /// Notes a step.
    pub(crate) fn step(&mut self, stats: &StepStats) {
        self.memory.push(stats);
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
        if before.is_some_and(|before| self.hides(before)) && !self.hides(kind) {
            return self.more() + &heading("");
        }
        let mut text = self.end(before);
        self.thoughts += usize::from(kind == Kind::Thought);
        match kind {
            kind if self.hides(kind) => {}
            Kind::Thought => text += &heading(&format!("thought {}", self.thoughts)),
            Kind::Summary => text += &heading("in short"),
            Kind::Prompt | Kind::Answer => text += &heading(""),
        }
        text
    }

    /// What to print after the last token.
    pub(crate) fn finish(&mut self) -> String {
        let before = self.kind.take();
        match before {
            Some(kind) if self.hides(kind) => self.more(),
            before => self.end(before),
        }
    }

    /// `...          37 more thoughts; --verbose shows all`, and how memory went.
    fn more(&self) -> String {
        let count = self.thoughts - self.shown;
        let thoughts = if count == 1 { "thought" } else { "thoughts" };
        let memory = self.memory.line();
        format!("{}{count} more {thoughts}; --verbose shows all\n{}{memory}\n\n", heading("..."), heading(""))
    }

    fn end(&mut self, kind: Option<Kind>) -> String {
        match kind {
            None => String::new(),
            Some(kind) if self.hides(kind) => String::new(),
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
        let mut thoughts = Thoughts::new(true);
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

    #[test]
    fn the_first_thoughts_are_shown_and_the_others_counted() {
        let mut thoughts = Thoughts::new(false);
        let mut seen = String::new();
        for number in 0..5 {
            for kind in [Kind::Thought, Kind::Summary] {
                seen += &thoughts.before(kind);
                assert_eq!((thoughts.hides(kind), thoughts.line().is_some()), (number >= 3, number >= 3));
                thoughts.step(&step(&[&[0]]));
                assert_eq!(thoughts.before(kind), "");
            }
        }
        assert!(seen.contains("thought 3 ") && !seen.contains("thought 4 "), "{seen}");
        assert_eq!(seen.matches("reopened").count(), 3);
        let line = thoughts.line().unwrap();
        assert!(
            line.starts_with("thought 5    KV ▂") && line.ends_with("full ██████████ 4.00 KiB"),
            "{line}"
        );
        let mut ended = Thoughts { memory: Sparkline::default(), ..thoughts };
        let more = ended.before(Kind::Answer);
        assert!(more.starts_with("...          2 more thoughts; --verbose shows all\n"), "{more}");
        assert!(more.ends_with("\n\n             ") && !ended.hides(Kind::Answer));
        assert_eq!(ended.finish(), "\n");
    }
}
