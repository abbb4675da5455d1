//! Pages in slabs of Burn tensors.
//!
//! Whatever the dtype, numbers lie in the backend's floats, and take their room: what is appended is rounded to what the
//! dtype holds, on the host, so that results are those of a store that saves memory by it.

use burn::tensor::{Device, Element, Tensor, TensorData, backend::Backend};

use crate::{
    Error,
    kernels::{BlockStore, HeadMove, KvStore, Move, PageBytes, PageShape, PageSpan, PageStore, Slot},
    kv::KvDtype,
};

/// A store of Burn tensors, in the backend's float type.
#[derive(Debug)]
pub struct PortableStore<B: Backend> {
    shape: PageShape,
    kv: KvDtype,
    device: Device<B>,
    /// Each `[pages_per_slab, layers * parts, kv_heads, page_size, head_dim]`.
    slabs: Vec<Tensor<B, 5>>,
}

impl<B: Backend> PortableStore<B> {
    /// A store without slabs.
    pub fn new(shape: PageShape, kv: KvDtype, device: Device<B>) -> Self {
        Self { shape, kv, device, slabs: Vec::new() }
    }

    /// The tokens of `spans`, in their order, of one part of a layer: `[tokens, kv_heads, head_dim]`.
    ///
    /// # Panics
    /// Where `spans` is empty.
    pub(super) fn gather(&self, layer: usize, part: usize, spans: &[PageSpan]) -> Tensor<B, 3> {
        let s = self.shape;
        let run = |span: &PageSpan| {
            let (slab, page) = self.locate(span.page);
            let plane = layer * s.parts + part;
            let region = [
                page..page + 1,
                plane..plane + 1,
                0..s.kv_heads,
                span.start..span.start + span.len,
                0..s.head_dim,
            ];
            self.slabs[slab].clone().slice(region).reshape([s.kv_heads, span.len, s.head_dim])
        };
        Tensor::cat(spans.iter().map(run).collect(), 1).swap_dims(0, 1)
    }

    fn locate(&self, page: usize) -> (usize, usize) {
        (page / self.shape.pages_per_slab, page % self.shape.pages_per_slab)
    }

    /// Writes `values` `[planes, heads, slots, head_dim]` into a page, from a plane, a head and a slot on.
    fn assign(&mut self, page: usize, [plane, head, slot]: [usize; 3], values: Tensor<B, 4>) {
        let [planes, heads, slots, head_dim] = values.dims();
        let (slab, page) = self.locate(page);
        // Taken out of the list, the slab has one owner and is written in place.
        let taken = self.slabs.swap_remove(slab);
        let region =
            [page..page + 1, plane..plane + planes, head..head + heads, slot..slot + slots, 0..head_dim];
        self.slabs.push(taken.slice_assign(region, values.unsqueeze_dim(0)));
        let last = self.slabs.len() - 1;
        self.slabs.swap(slab, last);
    }

    /// What the store's dtype holds of `tokens`.
    fn rounded(&self, tokens: &Tensor<B, 3>) -> Tensor<B, 3> {
        if self.kv == KvDtype::F32 {
            return tokens.clone();
        }
        let mut data = tokens.to_data().convert::<f32>();
        if let Ok(numbers) = data.as_mut_slice() {
            self.kv.round(numbers, self.shape.head_dim);
        }
        Tensor::from_data(data, &self.device)
    }

    /// A page, `[layers * parts, kv_heads, page_size, head_dim]`.
    fn page(&self, page: usize) -> Tensor<B, 4> {
        let (slab, page) = self.locate(page);
        self.slabs[slab].clone().narrow(0, page, 1).squeeze_dim(0)
    }
}

impl<B: Backend> PageStore for PortableStore<B> {
    fn shape(&self) -> PageShape {
        self.shape
    }

    fn page_bytes(&self) -> u64 {
        (self.shape.page_len() * B::FloatElem::dtype().size()) as u64
    }

    fn resize(&mut self, slabs: usize) -> Result<(), Error> {
        let s = self.shape;
        let shape = [s.pages_per_slab, s.layers * s.parts, s.kv_heads, s.page_size, s.head_dim];
        self.slabs.truncate(slabs);
        while self.slabs.len() < slabs {
            self.slabs.push(Tensor::zeros(shape, &self.device));
        }
        Ok(())
    }

    fn copy(&mut self, moves: &[Move]) {
        for &Move { from, to } in moves {
            let page = self.page(from);
            self.assign(to, [0; 3], page);
        }
    }
}

impl<B: Backend> KvStore<B> for PortableStore<B> {
    fn vector_bytes(_: KvDtype, head_dim: usize) -> usize {
        head_dim * B::FloatElem::dtype().size()
    }

    fn append(&mut self, layer: usize, parts: &[&Tensor<B, 3>], slots: &[Slot]) {
        let parts: Vec<Tensor<B, 3>> = parts.iter().map(|part| self.rounded(part)).collect();
        let together = |a: &Slot, b: &Slot| a.page == b.page && a.slot + 1 == b.slot;
        let mut row = 0;
        for run in slots.chunk_by(together) {
            for (part, tokens) in parts.iter().enumerate() {
                let tokens = tokens.clone().narrow(0, row, run.len()).swap_dims(0, 1).unsqueeze_dim(0);
                self.assign(run[0].page, [layer * self.shape.parts + part, 0, run[0].slot], tokens);
            }
            row += run.len();
        }
    }

    fn copy_heads(&mut self, moves: &[HeadMove]) {
        for &HeadMove { head, from, to } in moves {
            let token = self.page(from.page).narrow(1, head, 1).narrow(2, from.slot, 1);
            self.assign(to.page, [0, head, to.slot], token);
        }
    }

    fn export(&self, pages: &[usize]) -> Vec<PageBytes> {
        let bytes = |&page: &usize| PageBytes(self.page(page).into_data().as_bytes().to_vec());
        pages.iter().map(bytes).collect()
    }

    fn import(&mut self, pages: &[(usize, PageBytes)]) {
        let s = self.shape;
        for (page, bytes) in pages {
            let shape = vec![s.layers * s.parts, s.kv_heads, s.page_size, s.head_dim];
            let data = TensorData::from_bytes_vec(bytes.0.clone(), shape, B::FloatElem::dtype());
            self.assign(*page, [0; 3], Tensor::from_data(data, &self.device));
        }
    }

    fn keys(&self, layer: usize, spans: &[PageSpan]) -> Tensor<B, 3> {
        self.gather(layer, 0, spans)
    }
}

/// The largest whole number of eight bits and a sign.
const LARGEST: f32 = 127.0;

impl<B: Backend> BlockStore<B> for PortableStore<B> {
    fn vector_bytes(head_dim: usize) -> usize {
        head_dim * B::FloatElem::dtype().size()
    }

    /// Keeps what eight bits would, as the backend's floats.
    fn write(&mut self, layer: usize, means: &Tensor<B, 3>, spread: &Tensor<B, 3>, slots: &[Slot]) {
        let [mean, deviation] = [0, 1].map(|row| spread.clone().narrow(0, row, 1));
        let centred = (means.clone() - mean) / deviation;
        let step = centred.clone().abs().max_dim(2) / LARGEST;
        let step = step.clone().mask_fill(step.equal_elem(0.0), 1.0);
        self.append(layer, &[&((centred / step.clone()).round() * step)], slots);
    }
}
