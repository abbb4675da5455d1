//! Pages in host memory, in f32.

use std::ops::Range;

use burn::tensor::Tensor;
use zoomr_core::{
    Error,
    kernels::{HeadMove, KvStore, Move, PageBytes, PageShape, PageSpan, PageStore, Slot},
};

use crate::{Cpu, owned::tensor, view::Pinned};

/// Pages `[layer][part][kv_head][slot][head_dim]` of f32, in slabs.
#[derive(Debug)]
pub struct CpuStore {
    shape: PageShape,
    slabs: Vec<Vec<f32>>,
}

/// The part of a page that holds keys.
const KEYS: usize = 0;
/// The part of a page that holds values.
const VALUES: usize = 1;

impl CpuStore {
    /// A store without slabs.
    pub(crate) fn new(shape: PageShape) -> Self {
        Self { shape, slabs: Vec::new() }
    }

    /// The keys of one layer.
    pub(crate) fn layer_keys(&self, layer: usize) -> Part<'_> {
        self.part(layer, KEYS)
    }

    /// The values of one layer.
    pub(crate) fn layer_values(&self, layer: usize) -> Part<'_> {
        self.part(layer, VALUES)
    }

    fn part(&self, layer: usize, part: usize) -> Part<'_> {
        Part { slabs: &self.slabs, shape: self.shape, first: self.first(layer, part) }
    }

    /// Where a layer's part begins within a page.
    fn first(&self, layer: usize, part: usize) -> usize {
        (layer * self.shape.parts + part) * self.shape.part_len()
    }

    /// The slab that holds a page, and where the page lies in it.
    fn locate(&self, page: usize) -> (usize, Range<usize>) {
        let (slab, page) = (page / self.shape.pages_per_slab, page % self.shape.pages_per_slab);
        (slab, page * self.shape.page_len()..(page + 1) * self.shape.page_len())
    }

    fn page(&self, page: usize) -> &[f32] {
        let (slab, range) = self.locate(page);
        &self.slabs[slab][range]
    }

    fn page_mut(&mut self, page: usize) -> &mut [f32] {
        let (slab, range) = self.locate(page);
        &mut self.slabs[slab][range]
    }
}

impl PageStore for CpuStore {
    fn shape(&self) -> PageShape {
        self.shape
    }

    fn page_bytes(&self) -> u64 {
        (self.shape.page_len() * size_of::<f32>()) as u64
    }

    fn resize(&mut self, slabs: usize) -> Result<(), Error> {
        let len = self.shape.pages_per_slab * self.shape.page_len();
        self.slabs.truncate(slabs);
        while self.slabs.len() < slabs {
            let mut slab = Vec::new();
            let bytes = (len * size_of::<f32>()) as u64;
            slab.try_reserve_exact(len).map_err(|_| Error::Memory { bytes })?;
            slab.resize(len, 0.0);
            self.slabs.push(slab);
        }
        Ok(())
    }

    fn copy(&mut self, moves: &[Move]) {
        for &Move { from, to } in moves {
            let ((from_slab, from), (to_slab, to)) = (self.locate(from), self.locate(to));
            if from_slab == to_slab {
                self.slabs[to_slab].copy_within(from, to.start);
            } else if let Ok([source, target]) = self.slabs.get_disjoint_mut([from_slab, to_slab]) {
                target[to].copy_from_slice(&source[from]);
            }
        }
    }
}

impl KvStore<Cpu> for CpuStore {
    fn append(&mut self, layer: usize, parts: &[&Tensor<Cpu, 3>], slots: &[Slot]) {
        let PageShape { kv_heads, page_size, head_dim, .. } = self.shape;
        for (part, tokens) in parts.iter().enumerate() {
            let first = self.first(layer, part);
            let pinned = Pinned::new(tokens);
            let elements = pinned.elements();
            for (token, slot) in elements.chunks_exact(kv_heads * head_dim).zip(slots) {
                let page = self.page_mut(slot.page);
                for (head, vector) in token.chunks_exact(head_dim).enumerate() {
                    let at = first + (head * page_size + slot.slot) * head_dim;
                    page[at..at + head_dim].copy_from_slice(vector);
                }
            }
        }
    }

    fn copy_heads(&mut self, moves: &[HeadMove]) {
        let PageShape { page_size, head_dim, parts, .. } = self.shape;
        for &HeadMove { head, from, to } in moves {
            for part in 0..parts {
                let first = self.first(0, part) + head * page_size * head_dim;
                let source = first + from.slot * head_dim;
                let vector = self.page(from.page)[source..source + head_dim].to_vec();
                let target = first + to.slot * head_dim;
                self.page_mut(to.page)[target..target + head_dim].copy_from_slice(&vector);
            }
        }
    }

    fn export(&self, pages: &[usize]) -> Vec<PageBytes> {
        pages.iter().map(|&page| PageBytes(bytemuck::cast_slice(self.page(page)).to_vec())).collect()
    }

    fn import(&mut self, pages: &[(usize, PageBytes)]) {
        for (page, bytes) in pages {
            bytemuck::cast_slice_mut::<f32, u8>(self.page_mut(*page)).copy_from_slice(&bytes.0);
        }
    }

    fn keys(&self, layer: usize, spans: &[PageSpan]) -> Tensor<Cpu, 3> {
        let (keys, PageShape { kv_heads, head_dim, .. }) = (self.layer_keys(layer), self.shape);
        let tokens: usize = spans.iter().map(|span| span.len).sum();
        let mut gathered = Vec::with_capacity(tokens * kv_heads * head_dim);
        for slot in spans.iter().flat_map(PageSpan::slots) {
            for head in 0..kv_heads {
                gathered.extend_from_slice(keys.run(slot.page, head, slot.slot..slot.slot + 1));
            }
        }
        tensor(gathered, [tokens, kv_heads, head_dim])
    }
}

/// The keys, or the values, of one layer of a store.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    slabs: &'a [Vec<f32>],
    shape: PageShape,
    first: usize,
}

impl<'a> Part<'a> {
    /// Key-value heads.
    pub(crate) fn kv_heads(&self) -> usize {
        self.shape.kv_heads
    }

    /// The vectors in `slots` of `page` for one KV head, `[slots.len(), head_dim]`.
    pub(crate) fn run(&self, page: usize, kv_head: usize, slots: Range<usize>) -> &'a [f32] {
        let PageShape { page_size, head_dim, pages_per_slab, .. } = self.shape;
        debug_assert!(slots.end <= page_size, "slots {slots:?} of {page_size}");
        let slab = &self.slabs[page / pages_per_slab];
        let page = page % pages_per_slab * self.shape.page_len();
        let first = page + self.first + (kv_head * page_size + slots.start) * head_dim;
        &slab[first..][..slots.len() * head_dim]
    }
}
