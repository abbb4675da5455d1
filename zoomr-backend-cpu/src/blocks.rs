//! Vectors of blocks in host memory: whole numbers of eight bits, and a step for each vector.

use std::ops::Range;

use burn::tensor::Tensor;
use zoomr_core::{
    Error,
    kernels::{BlockStore, Move, PageShape, PageStore, Slot},
};

use crate::{Cpu, view::Pinned};

/// The largest whole number that a vector holds; its negative is the smallest.
pub(crate) const LARGEST: f32 = 127.0;

/// Pages `[layer][kv_head][slot]` of vectors `[head_dim]` and their steps, in slabs.
#[derive(Debug)]
pub struct CpuBlocks {
    shape: PageShape,
    slabs: Vec<Slab>,
}

#[derive(Debug)]
struct Slab {
    vectors: Vec<i8>,
    /// What a vector's numbers are multiplied by.
    steps: Vec<f32>,
}

impl CpuBlocks {
    /// A store without slabs.
    pub(crate) fn new(shape: PageShape) -> Self {
        Self { shape, slabs: Vec::new() }
    }

    /// The vectors of one layer.
    pub(crate) fn layer(&self, layer: usize) -> Vectors<'_> {
        Vectors { store: self, layer }
    }

    /// Vectors of a page.
    fn page_vectors(&self) -> usize {
        self.shape.layers * self.shape.kv_heads * self.shape.page_size
    }

    /// The slab of a page, and the number of its first vector there.
    fn locate(&self, page: usize) -> (usize, usize) {
        let (slab, page) = (page / self.shape.pages_per_slab, page % self.shape.pages_per_slab);
        (slab, page * self.page_vectors())
    }

    /// The number of a vector among those of its page.
    fn place(&self, layer: usize, kv_head: usize, slot: usize) -> usize {
        (layer * self.shape.kv_heads + kv_head) * self.shape.page_size + slot
    }
}

impl PageStore for CpuBlocks {
    fn shape(&self) -> PageShape {
        self.shape
    }

    fn page_bytes(&self) -> u64 {
        (self.page_vectors() * Self::vector_bytes(self.shape.head_dim)) as u64
    }

    fn resize(&mut self, slabs: usize) -> Result<(), Error> {
        let vectors = self.shape.pages_per_slab * self.page_vectors();
        let numbers = vectors * self.shape.head_dim;
        self.slabs.truncate(slabs);
        while self.slabs.len() < slabs {
            let mut slab = Slab { vectors: Vec::new(), steps: Vec::new() };
            let no_room =
                |_| Error::Memory { bytes: (vectors * Self::vector_bytes(self.shape.head_dim)) as u64 };
            slab.vectors.try_reserve_exact(numbers).map_err(no_room)?;
            slab.steps.try_reserve_exact(vectors).map_err(no_room)?;
            slab.vectors.resize(numbers, 0);
            slab.steps.resize(vectors, 0.0);
            self.slabs.push(slab);
        }
        Ok(())
    }

    fn copy(&mut self, moves: &[Move]) {
        let (count, head_dim) = (self.page_vectors(), self.shape.head_dim);
        for &Move { from, to } in moves {
            let ((from_slab, from), (to_slab, to)) = (self.locate(from), self.locate(to));
            let numbers = from * head_dim..(from + count) * head_dim;
            if from_slab == to_slab {
                let slab = &mut self.slabs[to_slab];
                slab.vectors.copy_within(numbers, to * head_dim);
                slab.steps.copy_within(from..from + count, to);
            } else if let Ok([source, target]) = self.slabs.get_disjoint_mut([from_slab, to_slab]) {
                target.vectors[to * head_dim..][..count * head_dim].copy_from_slice(&source.vectors[numbers]);
                target.steps[to..to + count].copy_from_slice(&source.steps[from..from + count]);
            }
        }
    }
}

impl BlockStore<Cpu> for CpuBlocks {
    fn vector_bytes(head_dim: usize) -> usize {
        head_dim * size_of::<i8>() + size_of::<f32>()
    }

    fn write(&mut self, layer: usize, means: &Tensor<Cpu, 3>, spread: &Tensor<Cpu, 3>, slots: &[Slot]) {
        let PageShape { kv_heads, head_dim, .. } = self.shape;
        let (means, spread) = (Pinned::new(means), Pinned::new(spread));
        let (means, spread) = (means.elements(), spread.elements());
        let (mean, rest) = spread.split_at(kv_heads * head_dim);
        let mut centred = vec![0.0; head_dim];
        for (means, slot) in means.chunks_exact(kv_heads * head_dim).zip(slots) {
            let (slab, first) = self.locate(slot.page);
            for head in 0..kv_heads {
                let own = head * head_dim..(head + 1) * head_dim;
                let channels = means[own.clone()].iter().zip(&mean[own.clone()]).zip(&rest[own]);
                centred.iter_mut().zip(channels).for_each(|(z, ((x, mean), s))| *z = (x - mean) / s);
                let at = first + self.place(layer, head, slot.slot);
                let slab = &mut self.slabs[slab];
                slab.steps[at] = quantise(&centred, &mut slab.vectors[at * head_dim..][..head_dim]);
            }
        }
    }
}

/// Writes `vector` as whole numbers, and returns what they are to be multiplied by.
pub(crate) fn quantise(vector: &[f32], numbers: &mut [i8]) -> f32 {
    let largest = vector.iter().fold(0.0, |a: f32, x| a.max(x.abs()));
    let step = if largest > 0.0 { largest / LARGEST } else { 1.0 };
    numbers.iter_mut().zip(vector).for_each(|(number, x)| *number = (x / step).round() as i8);
    step
}

/// The vectors of one layer of a store.
#[derive(Clone, Copy)]
pub(crate) struct Vectors<'a> {
    store: &'a CpuBlocks,
    layer: usize,
}

impl<'a> Vectors<'a> {
    /// The vectors in `slots` of `page` for one KV head, `[slots.len(), head_dim]`, and their steps.
    pub(crate) fn run(&self, page: usize, kv_head: usize, slots: Range<usize>) -> (&'a [i8], &'a [f32]) {
        let head_dim = self.store.shape.head_dim;
        let (slab, first) = self.store.locate(page);
        let at = first + self.store.place(self.layer, kv_head, slots.start);
        let slab = &self.store.slabs[slab];
        (&slab.vectors[at * head_dim..][..slots.len() * head_dim], &slab.steps[at..][..slots.len()])
    }
}
