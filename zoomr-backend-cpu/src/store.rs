//! Pages in host memory, in any of the dtypes.

use std::ops::Range;

use burn::tensor::Tensor;
use zoomr_core::{
    Error,
    kernels::{HeadMove, KvStore, Move, PageBytes, PageShape, PageSpan, PageStore, Slot},
    kv::KvDtype,
};

use crate::{Cpu, owned::tensor, stored::Stored, view::Pinned};

/// Pages `[layer][part][kv_head][slot]` of vectors, in slabs.
#[derive(Debug)]
pub struct CpuStore {
    shape: PageShape,
    kv: KvDtype,
    /// Each a whole number of words, so that vectors of f32 are aligned.
    slabs: Vec<Vec<u32>>,
}

/// The part of a page that holds keys.
const KEYS: usize = 0;
/// The part of a page that holds values.
const VALUES: usize = 1;

impl CpuStore {
    /// A store without slabs.
    pub(crate) fn new(shape: PageShape, kv: KvDtype) -> Self {
        Self { shape, kv, slabs: Vec::new() }
    }

    /// The keys of one layer.
    pub(crate) fn layer_keys(&self, layer: usize) -> Part<'_> {
        Part { store: self, layer, part: KEYS }
    }

    /// The values of one layer.
    pub(crate) fn layer_values(&self, layer: usize) -> Part<'_> {
        Part { store: self, layer, part: VALUES }
    }

    /// Bytes of a vector.
    fn vector_len(&self) -> usize {
        self.kv.bytes(self.shape.head_dim)
    }

    /// Bytes of a page.
    fn page_len(&self) -> usize {
        let PageShape { layers, parts, kv_heads, page_size, .. } = self.shape;
        layers * parts * kv_heads * page_size * self.vector_len()
    }

    /// The bytes of a page that hold vectors of one head, in `slots`.
    fn within_page(&self, layer: usize, part: usize, head: usize, slots: Range<usize>) -> Range<usize> {
        let PageShape { parts, kv_heads, page_size, .. } = self.shape;
        debug_assert!(slots.end <= page_size, "slots {slots:?} of {page_size}");
        let first = ((layer * parts + part) * kv_heads + head) * page_size;
        let bytes = |slot: usize| (first + slot) * self.vector_len();
        bytes(slots.start)..bytes(slots.end)
    }

    /// The slab that holds a page, and where the page lies in it.
    fn locate(&self, page: usize) -> (usize, Range<usize>) {
        let (slab, page) = (page / self.shape.pages_per_slab, page % self.shape.pages_per_slab);
        (slab, page * self.page_len()..(page + 1) * self.page_len())
    }

    fn page(&self, page: usize) -> &[u8] {
        let (slab, range) = self.locate(page);
        &bytemuck::cast_slice(&self.slabs[slab])[range]
    }

    fn page_mut(&mut self, page: usize) -> &mut [u8] {
        let (slab, range) = self.locate(page);
        &mut bytemuck::cast_slice_mut(&mut self.slabs[slab])[range]
    }
}

impl PageStore for CpuStore {
    fn shape(&self) -> PageShape {
        self.shape
    }

    fn page_bytes(&self) -> u64 {
        self.page_len() as u64
    }

    fn resize(&mut self, slabs: usize) -> Result<(), Error> {
        let bytes = self.shape.pages_per_slab * self.page_len();
        let words = bytes.div_ceil(size_of::<u32>());
        self.slabs.truncate(slabs);
        while self.slabs.len() < slabs {
            let mut slab = Vec::new();
            slab.try_reserve_exact(words).map_err(|_| Error::Memory { bytes: bytes as u64 })?;
            slab.resize(words, 0);
            self.slabs.push(slab);
        }
        Ok(())
    }

    fn copy(&mut self, moves: &[Move]) {
        for &Move { from, to } in moves {
            let ((from_slab, from), (to_slab, to)) = (self.locate(from), self.locate(to));
            if from_slab == to_slab {
                let slab: &mut [u8] = bytemuck::cast_slice_mut(&mut self.slabs[to_slab]);
                slab.copy_within(from, to.start);
            } else if let Ok([source, target]) = self.slabs.get_disjoint_mut([from_slab, to_slab]) {
                let (source, target): (&[u8], &mut [u8]) =
                    (bytemuck::cast_slice(source), bytemuck::cast_slice_mut(target));
                target[to].copy_from_slice(&source[from]);
            }
        }
    }
}

impl KvStore<Cpu> for CpuStore {
    fn vector_bytes(kv: KvDtype, head_dim: usize) -> usize {
        kv.bytes(head_dim)
    }

    fn append(&mut self, layer: usize, parts: &[&Tensor<Cpu, 3>], slots: &[Slot]) {
        let (kv, PageShape { kv_heads, head_dim, .. }) = (self.kv, self.shape);
        for (part, tokens) in parts.iter().enumerate() {
            let pinned = Pinned::new(tokens);
            let elements = pinned.elements();
            for (token, &Slot { page, slot }) in elements.chunks_exact(kv_heads * head_dim).zip(slots) {
                for (head, vector) in token.chunks_exact(head_dim).enumerate() {
                    let at = self.within_page(layer, part, head, slot..slot + 1);
                    kv.encode(vector, &mut self.page_mut(page)[at]);
                }
            }
        }
    }

    fn copy_heads(&mut self, moves: &[HeadMove]) {
        for &HeadMove { head, from, to } in moves {
            for part in 0..self.shape.parts {
                let source = self.within_page(0, part, head, from.slot..from.slot + 1);
                let vector = self.page(from.page)[source].to_vec();
                let target = self.within_page(0, part, head, to.slot..to.slot + 1);
                self.page_mut(to.page)[target].copy_from_slice(&vector);
            }
        }
    }

    fn export(&self, pages: &[usize]) -> Vec<PageBytes> {
        pages.iter().map(|&page| PageBytes(self.page(page).to_vec())).collect()
    }

    fn import(&mut self, pages: &[(usize, PageBytes)]) {
        pages.iter().for_each(|(page, bytes)| self.page_mut(*page).copy_from_slice(&bytes.0));
    }

    fn keys(&self, layer: usize, spans: &[PageSpan]) -> Tensor<Cpu, 3> {
        let (keys, PageShape { kv_heads, head_dim, .. }) = (self.layer_keys(layer), self.shape);
        let tokens: usize = spans.iter().map(|span| span.len).sum();
        let mut gathered = vec![0.0; tokens * kv_heads * head_dim];
        let slots = spans.iter().flat_map(PageSpan::slots);
        for (token, Slot { page, slot }) in gathered.chunks_exact_mut(kv_heads * head_dim).zip(slots) {
            for (head, key) in token.chunks_exact_mut(head_dim).enumerate() {
                keys.run(page, head, slot..slot + 1).widen(head_dim, key);
            }
        }
        tensor(gathered, [tokens, kv_heads, head_dim])
    }
}

/// The keys, or the values, of one layer of a store.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    store: &'a CpuStore,
    layer: usize,
    part: usize,
}

impl<'a> Part<'a> {
    /// Key-value heads.
    pub(crate) fn kv_heads(&self) -> usize {
        self.store.shape.kv_heads
    }

    /// The vectors in `slots` of `page` for one KV head.
    pub(crate) fn run(&self, page: usize, kv_head: usize, slots: Range<usize>) -> Stored<'a> {
        let at = self.store.within_page(self.layer, self.part, kv_head, slots);
        Stored::new(self.store.kv, &self.store.page(page)[at])
    }
}
