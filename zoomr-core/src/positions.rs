//! Sets of token positions, as sorted disjoint ranges.
//!
//! What a row attends to is a set of positions in its sequence: a handful of runs (the prompt, a few
//! thoughts, the window), so runs are what is stored. Plain integers: nothing here knows a device.

use std::ops::Range;

/// A set of token positions within one sequence.
///
/// Invariant: ranges are non-empty, sorted, disjoint and not adjacent, so equal sets compare equal.
///
/// ```
/// use zoomr_core::positions::PositionSet;
/// let set: PositionSet = [8..10, 0..4, 4..6].into_iter().collect();
/// assert_eq!(set.ranges(), [0..6, 8..10]);
/// assert_eq!(set.len(), 8);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PositionSet {
    ranges: Vec<Range<usize>>,
}

impl PositionSet {
    /// The runs of the set, in order.
    pub fn ranges(&self) -> &[Range<usize>] {
        &self.ranges
    }

    /// How many positions the set holds.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// Whether the set holds no position.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Whether `position` is in the set.
    pub fn contains(&self, position: usize) -> bool {
        let after = self.ranges.partition_point(|r| r.end <= position);
        self.ranges.get(after).is_some_and(|r| r.start <= position)
    }

    /// Adds every position of `range`.
    pub fn insert(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|r| r.end < range.start);
        let last = self.ranges.partition_point(|r| r.start <= range.end);
        let merged =
            self.ranges[first..last].iter().fold(range, |m, r| m.start.min(r.start)..m.end.max(r.end));
        self.ranges.splice(first..last, [merged]);
    }

    /// Adds every position of `other`.
    pub fn extend(&mut self, other: &Self) {
        for range in &other.ranges {
            self.insert(range.clone());
        }
    }

    /// The runs of the set that fall inside `within`, clipped to it.
    pub fn clipped(&self, within: Range<usize>) -> impl Iterator<Item = Range<usize>> + '_ {
        let first = self.ranges.partition_point(|r| r.end <= within.start);
        self.ranges[first..]
            .iter()
            .map(move |r| r.start.max(within.start)..r.end.min(within.end))
            .take_while(|r| !r.is_empty())
    }

    /// Whether the set and `range` share a position.
    pub fn overlaps(&self, range: Range<usize>) -> bool {
        self.clipped(range).next().is_some()
    }
}

impl From<Range<usize>> for PositionSet {
    fn from(range: Range<usize>) -> Self {
        std::iter::once(range).collect()
    }
}

impl FromIterator<Range<usize>> for PositionSet {
    fn from_iter<I: IntoIterator<Item = Range<usize>>>(ranges: I) -> Self {
        let mut set = Self::default();
        ranges.into_iter().for_each(|range| set.insert(range));
        set
    }
}
