//! Sequences scattered over the pages of one pool, beside the same vectors in order.

use burn::tensor::Tensor;
use zoomr_core::{
    kernels::{KvStore, PageShape, PageSpan, PageStore, Slot},
    kv::KvDtype,
};

use super::noise;
use crate::{Cpu, CpuStore, owned::tensor};

/// A pool of keys and values whose unused slots are NaN.
pub(super) struct Pool {
    pub(super) kv_heads: usize,
    pub(super) head_dim: usize,
    page_size: usize,
    pages_per_slab: usize,
    /// Pages not yet used, in no order.
    free: Vec<usize>,
    keys: Vec<f32>,
    values: Vec<f32>,
    /// What keys are a multiple of, so that sums of their products may be exact; 0 for any.
    grid: f32,
}

/// One sequence of a pool.
pub(super) struct Sequence {
    /// `[tokens, kv_heads, head_dim]`, in the order of positions.
    pub(super) keys: Vec<f32>,
    /// As `keys`.
    pub(super) values: Vec<f32>,
    /// Where they lie, in no order.
    pub(super) spans: Vec<PageSpan>,
}

impl Pool {
    pub(super) fn new(kv_heads: usize, head_dim: usize, page_size: usize, pages: usize) -> Self {
        let pages_per_slab = 3;
        let pages = pages.next_multiple_of(pages_per_slab);
        let unused = vec![f32::NAN; pages * kv_heads * page_size * head_dim];
        let mut free: Vec<usize> = (0..pages).collect();
        shuffle(&mut free, 11);
        Self {
            kv_heads,
            head_dim,
            page_size,
            pages_per_slab,
            free,
            keys: unused.clone(),
            values: unused,
            grid: 0.0,
        }
    }

    /// A pool whose keys are multiples of a quarter: with whole queries, scores are exact.
    pub(super) fn rounded(kv_heads: usize, head_dim: usize, page_size: usize, pages: usize) -> Self {
        Self { grid: 0.25, ..Self::new(kv_heads, head_dim, page_size, pages) }
    }

    /// Writes a sequence of `tokens` random tokens, in runs of random lengths that start at random slots.
    pub(super) fn write(&mut self, tokens: usize, seed: u64) -> Sequence {
        let width = self.kv_heads * self.head_dim;
        let mut keys: Vec<f32> = noise(tokens * width, seed).iter().map(|k| 4.0 * k).collect();
        if self.grid > 0.0 {
            keys.iter_mut().for_each(|k| *k = (*k / self.grid).round() * self.grid);
        }
        let values = noise(tokens * width, seed + 1);
        let mut spans = Vec::new();
        let mut lengths = noise(2 * tokens, seed + 2).into_iter().map(|v| (v.abs() * 1e6) as usize);
        let mut position = 0;
        while position < tokens {
            let start = lengths.next().unwrap() % self.page_size;
            let len = 1 + lengths.next().unwrap() % (self.page_size - start);
            let len = len.min(tokens - position);
            let span = PageSpan { page: self.free.pop().unwrap(), start, len, position };
            self.place(&span, &keys, &values);
            spans.push(span);
            position += len;
        }
        shuffle(&mut spans, seed + 3);
        Sequence { keys, values, spans }
    }

    fn place(&mut self, span: &PageSpan, keys: &[f32], values: &[f32]) {
        for i in 0..span.len {
            for head in 0..self.kv_heads {
                let slot = (span.page * self.kv_heads + head) * self.page_size + span.start + i;
                let token = (span.position + i) * self.kv_heads + head;
                let (to, from) = (slot * self.head_dim, token * self.head_dim);
                self.keys[to..to + self.head_dim].copy_from_slice(&keys[from..from + self.head_dim]);
                self.values[to..to + self.head_dim].copy_from_slice(&values[from..from + self.head_dim]);
            }
        }
    }

    /// The pages in a store, as the second of three layers.
    pub(super) fn store(&self) -> CpuStore {
        let Self { kv_heads, head_dim, page_size, pages_per_slab, .. } = *self;
        let shape = PageShape { layers: 3, parts: 2, kv_heads, page_size, head_dim, pages_per_slab };
        let mut store = CpuStore::new(shape, KvDtype::F32);
        let pages = self.keys.len() / shape.part_len();
        store.resize(pages / pages_per_slab).unwrap();
        // A page of the pool is `[kv_heads, page_size, head_dim]`, tokens go in as `[page_size, kv_heads, head_dim]`.
        let tokens = |plane: &[f32], page: usize| -> Tensor<Cpu, 3> {
            let part = plane[page * shape.part_len()..][..shape.part_len()].to_vec();
            tensor(part, [kv_heads, page_size, head_dim]).swap_dims(0, 1)
        };
        for page in 0..pages {
            let slots: Vec<Slot> = (0..page_size).map(|slot| Slot { page, slot }).collect();
            store.append(LAYER, &[&tokens(&self.keys, page), &tokens(&self.values, page)], &slots);
        }
        store
    }
}

/// The layer of a pool's store that has its keys and values.
pub(super) const LAYER: usize = 1;

/// `q` `[rows, heads, head_dim]` as the permuted view of a tensor `[heads, rows, head_dim]`.
pub(super) fn permuted(q: &[f32], [rows, heads, head_dim]: [usize; 3]) -> Tensor<Cpu, 3> {
    let straight: Tensor<Cpu, 3> = tensor(q.to_vec(), [rows, heads, head_dim]);
    let swapped: Vec<f32> = straight.swap_dims(0, 1).to_data().to_vec().unwrap();
    tensor(swapped, [heads, rows, head_dim]).swap_dims(0, 1)
}

fn shuffle<T>(items: &mut [T], seed: u64) {
    let picks = noise(items.len(), seed);
    for i in (1..items.len()).rev() {
        items.swap(i, (picks[i].abs() * 1e6) as usize % (i + 1));
    }
}
