//! One layer's pages on the compute device.
//!
//! Pages live in slabs, tensors of a few pages each, so that growing allocates and never copies. Where pages go,
//! the last ones move into the gaps ([`Pool::compact`]), and slabs that are empty then are given up. A pool has one or
//! two planes (keys and values; index vectors need keys alone) whose pages share their numbers.

use std::{collections::BTreeSet, ops::Range};

use burn::tensor::{Device, Element, Tensor, TensorData, backend::Backend};

use crate::Error;

/// The shape of a pool's slabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Pages per slab: what the pool grows by.
    pub pages_per_slab: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Tokens per page.
    pub page_size: usize,
    /// Elements per head.
    pub head_dim: usize,
}

/// How much KV memory the pools of a session hold, and how much they may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    cap: Option<u64>,
    used: u64,
}

impl Budget {
    /// At most `cap` bytes; `None` for no limit.
    pub fn new(cap: Option<u64>) -> Self {
        Self { cap, used: 0 }
    }

    /// Bytes that the pools hold.
    pub fn used(&self) -> u64 {
        self.used
    }

    fn take(&mut self, bytes: u64) -> Result<(), Error> {
        let needed = self.used + bytes;
        match self.cap {
            Some(cap) if needed > cap => Err(Error::OverCap { needed, cap }),
            _ => {
                self.used = needed;
                Ok(())
            }
        }
    }

    fn give_back(&mut self, bytes: u64) {
        self.used -= bytes;
    }
}

/// Pages shared by the sequences of a session. `PLANES` is 2 for keys and values, 1 for index vectors.
#[derive(Debug)]
pub struct Pool<B: Backend, const PLANES: usize> {
    geometry: Geometry,
    /// Per plane: slabs `[pages_per_slab, kv_heads, page_size, head_dim]`.
    planes: [Vec<Tensor<B, 4>>; PLANES],
    free: BTreeSet<usize>,
    device: Device<B>,
}

impl<B: Backend, const PLANES: usize> Pool<B, PLANES> {
    /// A pool without slabs.
    pub fn new(geometry: Geometry, device: Device<B>) -> Self {
        Self { geometry, planes: std::array::from_fn(|_| Vec::new()), free: BTreeSet::new(), device }
    }

    /// The slabs' shape.
    pub fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// A plane's slabs, as kernels take them.
    pub fn slabs(&self, plane: usize) -> &[Tensor<B, 4>] {
        &self.planes[plane]
    }

    /// Bytes of one page over all planes.
    pub fn page_bytes(&self) -> u64 {
        let g = self.geometry;
        (PLANES * g.kv_heads * g.page_size * g.head_dim * B::FloatElem::dtype().size()) as u64
    }

    /// Bytes of one slab over all planes.
    pub fn slab_bytes(&self) -> u64 {
        self.page_bytes() * self.geometry.pages_per_slab as u64
    }

    /// Bytes allocated, used or free.
    pub fn bytes(&self) -> u64 {
        self.slab_bytes() * self.planes[0].len() as u64
    }

    /// Bytes allocated in pages that nobody uses.
    pub fn free_bytes(&self) -> u64 {
        self.page_bytes() * self.free.len() as u64
    }

    /// Hands out the lowest free page, growing by a slab if there is none. Its slots hold anything.
    ///
    /// # Errors
    /// [`Error::OverCap`] where the budget has no room for another slab.
    pub fn allocate(&mut self, budget: &mut Budget) -> Result<usize, Error> {
        if let Some(page) = self.free.pop_first() {
            return Ok(page);
        }
        budget.take(self.slab_bytes())?;
        let g = self.geometry;
        let first = self.planes[0].len() * g.pages_per_slab;
        for plane in &mut self.planes {
            let shape = [g.pages_per_slab, g.kv_heads, g.page_size, g.head_dim];
            plane.push(Tensor::zeros(shape, &self.device));
        }
        self.free.extend(first + 1..first + g.pages_per_slab);
        Ok(first)
    }

    /// Takes a page back; slabs at the end that hold no used page are given up.
    pub fn release(&mut self, page: usize, budget: &mut Budget) {
        self.free.insert(page);
        let per_slab = self.geometry.pages_per_slab;
        while let Some(last) = self.planes[0].len().checked_sub(1) {
            let pages = last * per_slab..(last + 1) * per_slab;
            if self.free.range(pages.clone()).count() < per_slab {
                break;
            }
            self.free.retain(|page| !pages.contains(page));
            self.planes.iter_mut().for_each(|plane| plane.truncate(last));
            budget.give_back(self.slab_bytes());
        }
    }

    /// Moves `page` down to the lowest free one where it lies beyond the slabs that all pages in use would fit
    /// into; returns where it is now. Once every page in use has been asked, less than a slab is free.
    pub fn compact(&mut self, page: usize, budget: &mut Budget) -> usize {
        let per_slab = self.geometry.pages_per_slab;
        let used = self.planes[0].len() * per_slab - self.free.len();
        if page < used.next_multiple_of(per_slab) {
            return page;
        }
        let Some(lower) = self.free.pop_first() else { return page };
        for plane in 0..PLANES {
            let tokens = self.tokens(plane, page, 0..self.geometry.page_size);
            self.write(plane, lower, 0, tokens);
        }
        self.release(page, budget);
        lower
    }

    /// Writes `tokens` `[kv_heads, n, head_dim]` into slots `slot..slot + n` of a page.
    pub fn write(&mut self, plane: usize, page: usize, slot: usize, tokens: Tensor<B, 3>) {
        self.assign(plane, 0, (page, slot), tokens);
    }

    /// Copies what one head has in a slot, on every plane, to another slot; a slot is a page and the slot
    /// within it.
    pub fn copy(&mut self, head: usize, from: (usize, usize), to: (usize, usize)) {
        for plane in 0..PLANES {
            let token = self.tokens(plane, from.0, from.1..from.1 + 1).slice(head..head + 1);
            self.assign(plane, head, to, token);
        }
    }

    /// A page's content `[kv_heads, page_size, head_dim]`, bit for bit.
    pub fn read(&self, plane: usize, page: usize) -> TensorData {
        let size = self.geometry.page_size;
        self.tokens(plane, page, 0..size).into_data()
    }

    /// Puts back what [`read`](Self::read) gave.
    pub fn restore(&mut self, plane: usize, page: usize, data: TensorData) {
        let tokens = Tensor::from_data(data, &self.device);
        self.write(plane, page, 0, tokens);
    }

    /// Writes `tokens` `[heads, n, head_dim]`, those of the heads from `head` on, into the slots from `slot` of
    /// `page` on.
    fn assign(&mut self, plane: usize, head: usize, (page, slot): (usize, usize), tokens: Tensor<B, 3>) {
        let [heads, n, head_dim] = tokens.dims();
        let (slab, page) = self.locate(page);
        let slabs = &mut self.planes[plane];
        // Taken out of the list, the slab has one owner and is written in place.
        let taken = slabs.swap_remove(slab);
        let region = [page..page + 1, head..head + heads, slot..slot + n, 0..head_dim];
        slabs.push(taken.slice_assign(region, tokens.unsqueeze_dim(0)));
        let last = slabs.len() - 1;
        slabs.swap(slab, last);
    }

    fn tokens(&self, plane: usize, page: usize, slots: Range<usize>) -> Tensor<B, 3> {
        let (slab, page) = self.locate(page);
        let g = self.geometry;
        let region = [page..page + 1, 0..g.kv_heads, slots, 0..g.head_dim];
        self.planes[plane][slab].clone().slice(region).squeeze_dim(0)
    }

    fn locate(&self, page: usize) -> (usize, usize) {
        (page / self.geometry.pages_per_slab, page % self.geometry.pages_per_slab)
    }
}
