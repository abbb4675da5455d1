//! How attention is cut into tasks: by rows and, where those are few, by runs of tokens.
//!
//! The cut depends on shapes alone. Tasks over the same rows are neighbours, and their results merge in order. A
//! task takes all heads, so that it reads whole pages and two tasks never share one.

use std::ops::Range;

use zoomr_core::{
    kernels::{AttendGroup, PageSpan},
    positions::PositionSet,
};

/// Rows that one task takes through each page together: the page's keys and values come from memory once and
/// from the first-level cache for the other rows. More rows gain little and make fewer tasks.
const TILE_ROWS: usize = 8;

/// With this many tasks, cutting by tokens as well would only add merging: it keeps some ten cores busy evenly.
const ENOUGH_TASKS: usize = 32;

/// Tokens per task where tokens are cut: with three KV heads of 64 elements, 192 KiB of keys and values, some
/// 15 us; starting a task and merging its result cost about one.
const CHUNK_TOKENS: usize = 128;

/// Some rows of one group and some of the group's tokens.
pub(super) struct Task<'a> {
    /// The rows in the query tensor.
    pub(super) rows: Range<usize>,
    /// What each of them sees.
    pub(super) visible: &'a [PositionSet],
    /// The tokens at hand.
    pub(super) spans: &'a [PageSpan],
}

/// Cuts `groups` into tasks.
pub(super) fn tasks<'a>(groups: &[AttendGroup<'a>]) -> Vec<Task<'a>> {
    let tiles: usize = groups.iter().map(|group| group.visible.len().div_ceil(TILE_ROWS)).sum();
    let limit = if tiles >= ENOUGH_TASKS { usize::MAX } else { CHUNK_TOKENS };
    let mut tasks = Vec::new();
    for group in groups {
        for (tile, visible) in group.visible.chunks(TILE_ROWS).enumerate() {
            let first = group.first_row + tile * TILE_ROWS;
            let rows = first..first + visible.len();
            tasks.extend(chunks(group.spans, limit).map(|spans| Task { rows: rows.clone(), visible, spans }));
        }
    }
    tasks
}

/// `spans` in runs of at most `limit` tokens, or of one span where that has more; one empty run where there is
/// none.
pub(super) fn chunks(spans: &[PageSpan], limit: usize) -> impl Iterator<Item = &[PageSpan]> {
    let mut rest = Some(spans);
    std::iter::from_fn(move || {
        let spans = rest?;
        let mut tokens = 0;
        let fits = |span: &&PageSpan| {
            tokens += span.len;
            tokens <= limit
        };
        let count = spans.iter().take_while(fits).count().max(1).min(spans.len());
        let (chunk, after) = spans.split_at(count);
        rest = Some(after).filter(|after| !after.is_empty());
        Some(chunk)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(len: usize) -> PageSpan {
        PageSpan { page: 0, start: 0, len, position: 0 }
    }

    #[test]
    fn chunks_keep_every_span_in_order_and_stay_small() {
        let spans: Vec<PageSpan> = [100, 100, 56, 1, 300, 255, 2].map(span).into();
        let lengths: Vec<Vec<usize>> =
            chunks(&spans, 256).map(|chunk| chunk.iter().map(|span| span.len).collect()).collect();
        assert_eq!(lengths, [vec![100, 100, 56], vec![1], vec![300], vec![255], vec![2]]);
        assert!(chunks(&[], 256).eq([&[] as &[PageSpan]]));
    }

    #[test]
    fn many_rows_are_not_cut_by_tokens() {
        let spans = vec![span(64); 64];
        let visible = vec![PositionSet::default(); 512];
        let group = AttendGroup::new(0, &spans, &visible);
        assert_eq!(tasks(&[group]).len(), 512 / TILE_ROWS);
        let one = AttendGroup::new(5, &spans, &visible[..1]);
        let tasks = tasks(&[one]);
        assert_eq!(tasks.len(), 64 * 64 / CHUNK_TOKENS);
        assert!(tasks.iter().all(|task| task.rows == (5..6)));
    }
}
