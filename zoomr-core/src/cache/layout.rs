//! Which positions of a sequence share a page.
//!
//! Every segment starts on a page of its own, so a thought's detail is whole pages and selecting thoughts is
//! selecting pages. Pages are numbered as they open; the layout is the same in every layer.

use std::ops::Range;

/// The positions on one logical page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The position in slot 0.
    pub start: usize,
    /// Slots in use.
    pub len: usize,
}

impl Extent {
    /// The positions on the page.
    pub fn positions(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// The logical pages of one sequence.
///
/// Invariant: extents tile `0..len()`, none is empty and none holds more than a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    page_size: usize,
    pages: Vec<Extent>,
}

impl Layout {
    /// No pages yet; each will hold `page_size` tokens.
    pub fn new(page_size: usize) -> Self {
        Self { page_size, pages: Vec::new() }
    }

    /// Tokens on all pages.
    pub fn len(&self) -> usize {
        self.pages.last().map_or(0, |page| page.start + page.len)
    }

    /// Whether there is no page.
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The pages' extents.
    pub fn pages(&self) -> &[Extent] {
        &self.pages
    }

    /// Adds one token; `begins` where it starts a segment and so a page.
    pub fn push(&mut self, begins: bool) {
        let len = self.len();
        match self.pages.last_mut() {
            Some(page) if !begins && page.len < self.page_size => page.len += 1,
            _ => self.pages.push(Extent { start: len, len: 1 }),
        }
    }

    /// Cuts back to the first `len` tokens.
    pub fn truncate(&mut self, len: usize) {
        self.pages.truncate(self.pages.partition_point(|page| page.start < len));
        if let Some(page) = self.pages.last_mut() {
            page.len = page.len.min(len - page.start);
        }
    }

    /// The numbers of the pages that hold any of `positions`.
    pub fn overlapping(&self, positions: Range<usize>) -> Range<usize> {
        if positions.is_empty() {
            return 0..0;
        }
        let first = self.pages.partition_point(|page| page.start + page.len <= positions.start);
        let last = self.pages.partition_point(|page| page.start < positions.end);
        first..last
    }
}
