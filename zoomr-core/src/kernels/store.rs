//! Where pages lie: a store on the compute device, which the provider owns.
//!
//! A page holds `page_size` tokens of all layers of a band,
//! `[layer][part][kv_head][slot][head_dim]`; its parts are keys and values, or keys alone where it holds index
//! vectors. Each layer's part of a page is contiguous, and a page that moves to a colder tier and back is one
//! copy. What bytes a vector lies in, says the store's [`KvDtype`].
//!
//! The core deals in page numbers ([`cache::Pages`](crate::cache::Pages)); it tells the store how many pages there
//! are, which slots tokens go to, and which pages move.

use std::{fmt::Debug, ops::Range};

use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::{by_kv_head, by_row};
use crate::{Error, kv::KvDtype};

/// The shape of a store's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageShape {
    /// Layers that share the page.
    pub layers: usize,
    /// 2 for keys and values, 1 for keys alone.
    pub parts: usize,
    /// Key-value heads of each layer.
    pub kv_heads: usize,
    /// Tokens per page.
    pub page_size: usize,
    /// Elements per head.
    pub head_dim: usize,
    /// Pages per slab: what a store grows by.
    pub pages_per_slab: usize,
}

impl PageShape {
    /// Elements of one part of one layer of a page: `[kv_heads, page_size, head_dim]`.
    pub fn part_len(&self) -> usize {
        self.kv_heads * self.page_size * self.head_dim
    }

    /// Elements of a page.
    pub fn page_len(&self) -> usize {
        self.layers * self.parts * self.part_len()
    }
}

/// A run of consecutive tokens inside one page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageSpan {
    /// The page's number in its store.
    pub page: usize,
    /// The first slot of the run within the page.
    pub start: usize,
    /// Tokens in the run; `start + len` is at most the page size.
    pub len: usize,
    /// Position in the sequence of the token in slot `start`; the run's other tokens follow on.
    pub position: usize,
}

impl PageSpan {
    /// The positions of the run's tokens.
    pub fn positions(&self) -> Range<usize> {
        self.position..self.position + self.len
    }

    /// The slots of the run's tokens.
    pub fn slots(&self) -> impl Iterator<Item = Slot> + use<> {
        let page = self.page;
        (self.start..self.start + self.len).map(move |slot| Slot { page, slot })
    }
}

/// Where one token lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The page's number.
    pub page: usize,
    /// The slot within the page.
    pub slot: usize,
}

/// A page that is copied to another place in its store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The page's number before.
    pub from: usize,
    /// And after.
    pub to: usize,
}

/// What one KV head has in a slot, copied to another slot; in stores of one layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadMove {
    /// The KV head.
    pub head: usize,
    /// From where.
    pub from: Slot,
    /// Where to.
    pub to: Slot,
}

/// A page's content, as it left its store: all layers of its band, bit for bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageBytes(pub Vec<u8>);

impl PageBytes {
    /// How many bytes there are.
    pub fn len(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Pages on the compute device, whatever lies in them.
///
/// Slots that nothing was written to hold anything, NaN included. Where a page number is out of range, or a
/// tensor does not fit the shape, a store may panic: the core has checked both.
pub trait PageStore: Debug + Send {
    /// The shape of its pages.
    fn shape(&self) -> PageShape;

    /// Bytes of one page.
    fn page_bytes(&self) -> u64;

    /// Holds `slabs` slabs from now on: adds some at the end, without a second copy of what is there, or gives
    /// some up.
    ///
    /// # Errors
    /// [`Error::Memory`] where the device has no room.
    fn resize(&mut self, slabs: usize) -> Result<(), Error>;

    /// Copies pages within the store, in order; no page is the source of a move after it was the target of one.
    fn copy(&mut self, moves: &[Move]);
}

/// One band's keys and values.
pub trait KvStore<B: Backend>: PageStore {
    /// Bytes of memory that the key, or the value, of a token and KV head takes.
    fn vector_bytes(kv: KvDtype, head_dim: usize) -> usize;

    /// Writes the tokens' `parts`, each `[tokens, kv_heads, head_dim]`, of one layer of the band into `slots`, one
    /// for each token, rounded to what the store's dtype holds. NaN and infinities do not become numbers, nor numbers
    /// infinities.
    fn append(&mut self, layer: usize, parts: &[&Tensor<B, 3>], slots: &[Slot]);

    /// Copies single heads' slots within the store, in order.
    fn copy_heads(&mut self, moves: &[HeadMove]);

    /// The content of `pages`, bit for bit.
    fn export(&self, pages: &[usize]) -> Vec<PageBytes>;

    /// Puts back what [`export`](Self::export) gave.
    fn import(&mut self, pages: &[(usize, PageBytes)]);

    /// The keys of the spans' tokens in one layer of the band as they are stored, in the spans' order: `[tokens, kv_heads, head_dim]`.
    fn keys(&self, layer: usize, spans: &[PageSpan]) -> Tensor<B, 3>;

    /// Their mean, `[1, kv_heads, head_dim]`: a thought's index vector.
    fn mean_key(&self, layer: usize, spans: &[PageSpan]) -> Tensor<B, 3> {
        self.keys(layer, spans).mean_dim(0)
    }

    /// The mean key of each of `blocks`, `[blocks, kv_heads, head_dim]`.
    fn block_means(&self, layer: usize, blocks: &[PageSpan]) -> Tensor<B, 3> {
        let means =
            by_length(blocks).map(|blocks| in_blocks(self.keys(layer, blocks), blocks[0].len).mean_dim(1));
        Tensor::cat(means.map(|means| means.squeeze_dim::<3>(1)).collect(), 0)
    }

    /// How the keys of `blocks` spread, `[3, kv_heads, head_dim]`: their mean; their deviation from it, but at least a
    /// thousandth of the head's largest, since it is divided by; the mean variance of keys within a block.
    fn key_spread(&self, layer: usize, blocks: &[PageSpan]) -> Tensor<B, 3> {
        let keys = self.keys(layer, blocks);
        let tokens = keys.dims()[0] as f32;
        let mean = keys.clone().mean_dim(0);
        let deviation = (keys - mean.clone()).square().mean_dim(0).sqrt();
        let least = deviation.clone().max_dim(2) * LEAST_DEVIATION;
        let deviation = deviation.max_pair(least);
        let deviation = deviation.clone().mask_fill(deviation.equal_elem(0.0), 1.0);
        let squares = by_length(blocks).map(|blocks| {
            let keys = in_blocks(self.keys(layer, blocks), blocks[0].len);
            let off = keys.clone() - keys.mean_dim(1);
            off.square().sum_dim(1).squeeze_dim::<3>(1).sum_dim(0)
        });
        let within = Tensor::cat(squares.collect(), 0).sum_dim(0) / tokens;
        Tensor::cat(vec![mean, deviation, within], 0)
    }

    /// The largest and the smallest value of each of their channels, each `[1, kv_heads, head_dim]`.
    fn key_bounds(&self, layer: usize, spans: &[PageSpan]) -> [Tensor<B, 3>; 2] {
        let keys = self.keys(layer, spans);
        [keys.clone().max_dim(0), keys.min_dim(0)]
    }

    /// The products of each of `queries`, `[query_heads, head_dim]`, with the keys that its heads read:
    /// `[queries, query_heads, tokens]`, not scaled.
    fn products(&self, layer: usize, spans: &[PageSpan], queries: &[Vec<f32>]) -> Vec<f32> {
        let keys = self.keys(layer, spans);
        let [_, kv_heads, head_dim] = keys.dims();
        let heads = queries.first().map_or(0, Vec::len) / head_dim;
        let data = TensorData::new(queries.concat(), [queries.len(), heads, head_dim]);
        let q = Tensor::<B, 3>::from_data(data, &keys.device());
        let products = by_row(by_kv_head(q, kv_heads).matmul(keys.permute([1, 2, 0])), queries.len());
        products.into_data().iter().collect()
    }

    /// The products of one KV head's keys with one another, `[tokens, tokens]`.
    fn key_products(&self, layer: usize, spans: &[PageSpan], head: usize) -> Vec<f32> {
        let keys = self.keys(layer, spans);
        let tokens = keys.dims()[0];
        let keys = keys.slice([0..tokens, head..head + 1]).squeeze_dim::<2>(1);
        keys.clone().matmul(keys.transpose()).into_data().iter().collect()
    }

    /// For every query head of the rows `q` `[rows, query_heads, head_dim]`, a bound on its product with any key of
    /// each page of `quest`, `[rows, query_heads, pages]`: `sum_d max(q_d largest_d, q_d smallest_d)`. The spans'
    /// tokens are each page's largest values and its smallest, in turn.
    fn page_bounds(&self, layer: usize, spans: &[PageSpan], q: &Tensor<B, 3>) -> Vec<f32> {
        let vectors = self.keys(layer, spans);
        let ([held, kv_heads, head_dim], rows) = (vectors.dims(), q.dims()[0]);
        let q = by_kv_head(q.clone(), kv_heads);
        // [pages, largest and smallest, kv_heads, head_dim] -> [kv_heads, head_dim, pages]
        let vectors = vectors.reshape([held / 2, 2, kv_heads, head_dim]);
        let bound = |which: usize| vectors.clone().narrow(1, which, 1).squeeze_dim::<3>(1).permute([1, 2, 0]);
        let largest = q.clone().clamp_min(0.0).matmul(bound(0));
        let smallest = q.clamp_max(0.0).matmul(bound(1));
        by_row(largest + smallest, rows).into_data().iter().collect()
    }
}

/// The least deviation of a channel, of the largest of its head.
const LEAST_DEVIATION: f32 = 1e-3;

/// Runs of blocks of one length.
fn by_length(blocks: &[PageSpan]) -> impl Iterator<Item = &[PageSpan]> {
    blocks.chunk_by(|a, b| a.len == b.len)
}

/// The keys of blocks of `len` tokens, block by block: `[blocks, len, kv_heads, head_dim]`.
fn in_blocks<B: Backend>(keys: Tensor<B, 3>, len: usize) -> Tensor<B, 4> {
    let [tokens, kv_heads, head_dim] = keys.dims();
    keys.reshape([tokens / len, len, kv_heads, head_dim])
}
