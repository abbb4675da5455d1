//! One catalogue of kernel inputs, shared by tests and benchmarks: odd sizes, GQA groups, empty and huge
//! thoughts, ties, permuted views, rows that see nothing, several sequences of different lengths.

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::oracle::{self, DenseKv};
use crate::{
    kernels::{AttentionKernels, KvStore, PageShape, PageSpan, PageStore, Slot},
    kv::KvDtype,
    positions::PositionSet,
};

/// Sizes of one case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What the case is about.
    pub name: &'static str,
    /// Rows of each sequence.
    pub rows: &'static [usize],
    /// Tokens of each sequence.
    pub tokens: &'static [usize],
    /// Query heads per KV head.
    pub group: usize,
    /// Key-value heads.
    pub kv_heads: usize,
    /// Elements per head.
    pub head_dim: usize,
    /// Tokens per page.
    pub page_size: usize,
    /// Queries and keys lie in `-range..range`.
    pub range: f32,
    /// Which tokens rows see.
    pub seen: Pattern,
    /// Whether the query tensor is a permuted view rather than contiguous.
    pub permuted: bool,
}

/// Which tokens rows see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Everything up to the row, rows being the last tokens.
    Causal,
    /// A random set of runs, another for each row.
    Runs,
    /// As `Runs`, but every other row sees nothing.
    SomeNothing,
}

const PLAIN: Case = Case {
    name: "plain",
    rows: &[1],
    tokens: &[97],
    group: 3,
    kv_heads: 3,
    head_dim: 64,
    page_size: 16,
    range: 2.0,
    seen: Pattern::Causal,
    permuted: false,
};

/// The catalogue.
pub const CATALOGUE: &[Case] = &[
    PLAIN,
    Case { name: "one token", tokens: &[1], ..PLAIN },
    Case { name: "odd sizes", tokens: &[59], head_dim: 59, page_size: 7, group: 1, kv_heads: 1, ..PLAIN },
    Case { name: "many tokens", tokens: &[1025], head_dim: 32, ..PLAIN },
    Case { name: "decode, runs", tokens: &[397], seen: Pattern::Runs, ..PLAIN },
    Case { name: "wide group", group: 8, kv_heads: 1, head_dim: 16, seen: Pattern::Runs, ..PLAIN },
    Case { name: "no group", group: 1, kv_heads: 5, head_dim: 8, seen: Pattern::Runs, ..PLAIN },
    Case { name: "large inputs", range: 8.0, ..PLAIN },
    Case { name: "pages of one", page_size: 1, tokens: &[33], head_dim: 16, ..PLAIN },
    Case { name: "prefill", rows: &[59], tokens: &[97], head_dim: 16, ..PLAIN },
    Case { name: "prefill, runs", rows: &[17], tokens: &[130], head_dim: 24, seen: Pattern::Runs, ..PLAIN },
    Case { name: "rows that see nothing", rows: &[5], tokens: &[64], seen: Pattern::SomeNothing, ..PLAIN },
    Case { name: "permuted queries", rows: &[9], tokens: &[40], head_dim: 16, permuted: true, ..PLAIN },
    Case {
        name: "a batch",
        rows: &[1, 3, 1],
        tokens: &[5, 70, 33],
        head_dim: 16,
        seen: Pattern::Runs,
        ..PLAIN
    },
    Case { name: "gemma's head", head_dim: 256, kv_heads: 1, group: 4, tokens: &[31], ..PLAIN },
];

/// A case's inputs.
#[derive(Debug)]
pub struct Inputs<B: Backend> {
    /// Queries `[rows, query_heads, head_dim]`.
    pub q: Tensor<B, 3>,
    /// The same, as the oracle takes them, row by row.
    pub queries: Vec<Vec<f64>>,
    /// Pages of keys, `[page_size, kv_heads, head_dim]` each; slots that no span names hold NaN.
    pub keys: Vec<Tensor<B, 3>>,
    /// Pages of values, likewise.
    pub values: Vec<Tensor<B, 3>>,
    /// The shape of the store that they lie in.
    pub shape: PageShape,
    /// What they are stored as, which holds them exactly.
    pub kv: KvDtype,
    /// One per sequence.
    pub sequences: Vec<SequenceInputs>,
    /// What scores are scaled by.
    pub scale: f32,
}

/// One sequence's share of a case.
#[derive(Debug)]
pub struct SequenceInputs {
    /// The first of its rows.
    pub first_row: usize,
    /// Where the tokens that its rows see lie.
    pub spans: Vec<PageSpan>,
    /// What each row sees.
    pub visible: Vec<PositionSet>,
    /// The tokens, as the oracle takes them.
    pub dense: DenseKv,
}

impl Case {
    /// The case's inputs from a seed, keys and values rounded to what `kv` holds.
    pub fn inputs<B: Backend>(&self, seed: u64, kv: KvDtype, device: &Device<B>) -> Inputs<B> {
        let mut rng = StdRng::seed_from_u64(seed);
        let heads = self.group * self.kv_heads;
        let rows: usize = self.rows.iter().sum();
        let mut pages = Pages::new(self, &mut rng);
        let (mut sequences, mut first_row) = (Vec::new(), 0);
        for (&rows, &tokens) in self.rows.iter().zip(self.tokens) {
            let dense = self.dense(tokens, kv, &mut rng);
            let visible: Vec<_> = (0..rows).map(|row| self.seen(row, rows, tokens, &mut rng)).collect();
            let spans = pages.place(&dense, &visible, &mut rng);
            sequences.push(SequenceInputs { first_row, spans, visible, dense });
            first_row += rows;
        }
        let flat = random(rows * heads * self.head_dim, self.range, &mut rng);
        let q = match self.permuted {
            false => Tensor::from_data(TensorData::new(flat.clone(), [rows, heads, self.head_dim]), device),
            true => {
                let swapped: Vec<f32> = (0..heads)
                    .flat_map(|h| (0..rows).map(move |r| (r * heads + h) * self.head_dim))
                    .flat_map(|at| flat[at..at + self.head_dim].iter().copied())
                    .collect();
                let data = TensorData::new(swapped, [heads, rows, self.head_dim]);
                Tensor::<B, 3>::from_data(data, device).swap_dims(0, 1)
            }
        };
        let queries = flat.chunks(heads * self.head_dim).map(widen).collect();
        let (keys, values) = pages.tensors(device);
        let scale = (self.head_dim as f32).sqrt().recip();
        Inputs { q, queries, keys, values, shape: self.shape(), kv, sequences, scale }
    }

    /// Pages of a band of several layers, so that a stray read or write finds NaN.
    fn shape(&self) -> PageShape {
        let Self { kv_heads, page_size, head_dim, .. } = *self;
        PageShape { layers: 3, parts: 2, kv_heads, page_size, head_dim, pages_per_slab: PAGES_PER_SLAB }
    }

    fn dense(&self, tokens: usize, kv: KvDtype, rng: &mut StdRng) -> DenseKv {
        let size = tokens * self.kv_heads * self.head_dim;
        DenseKv {
            kv_heads: self.kv_heads,
            head_dim: self.head_dim,
            keys: oracle::stored(widen(&random(size, self.range, rng)), kv, self.head_dim),
            values: oracle::stored(widen(&random(size, 1.0, rng)), kv, self.head_dim),
        }
    }

    fn seen(&self, row: usize, rows: usize, tokens: usize, rng: &mut StdRng) -> PositionSet {
        match self.seen {
            Pattern::Causal => PositionSet::from(0..(tokens + row + 1).saturating_sub(rows)),
            Pattern::SomeNothing if row.is_multiple_of(2) => PositionSet::default(),
            Pattern::Runs | Pattern::SomeNothing => {
                let run = |_| {
                    let start = rng.random_range(0..tokens);
                    start..rng.random_range(start..tokens) + 1
                };
                (0..3).map(run).collect()
            }
        }
    }
}

/// Slabs under construction: pages in random order, NaN wherever nothing is written.
struct Pages<'a> {
    case: &'a Case,
    order: Vec<usize>,
    keys: Vec<f32>,
    values: Vec<f32>,
}

/// Pages per slab; small, so that cases span several slabs.
const PAGES_PER_SLAB: usize = 3;

impl<'a> Pages<'a> {
    fn new(case: &'a Case, rng: &mut StdRng) -> Self {
        let used: usize = case.tokens.iter().map(|tokens| tokens.div_ceil(case.page_size)).sum();
        let count = (used + 2).next_multiple_of(PAGES_PER_SLAB);
        let mut order: Vec<usize> = (0..count).collect();
        order.shuffle(rng);
        let size = count * case.shape().part_len();
        Self { case, order, keys: vec![f32::NAN; size], values: vec![f32::NAN; size] }
    }

    /// Writes the tokens that some row sees, and says where, in random order.
    fn place(&mut self, dense: &DenseKv, visible: &[PositionSet], rng: &mut StdRng) -> Vec<PageSpan> {
        let mut union = PositionSet::default();
        visible.iter().for_each(|set| union.extend(set));
        let (size, mut spans) = (self.case.page_size, Vec::new());
        for first in (0..dense.len()).step_by(size) {
            let Some(page) = self.order.pop() else { break };
            for run in union.clipped(first..(first + size).min(dense.len())) {
                run.clone().for_each(|position| self.write(dense, position, page, position - first));
                spans.push(PageSpan { page, start: run.start - first, len: run.len(), position: run.start });
            }
        }
        spans.shuffle(rng);
        spans
    }

    fn write(&mut self, dense: &DenseKv, position: usize, page: usize, slot: usize) {
        let Case { kv_heads, page_size, head_dim, .. } = *self.case;
        for head in 0..kv_heads {
            let at = ((page * page_size + slot) * kv_heads + head) * head_dim;
            for i in 0..head_dim {
                self.keys[at + i] = dense.key(position, head)[i] as f32;
                self.values[at + i] = dense.value(position, head)[i] as f32;
            }
        }
    }

    fn tensors<B: Backend>(self, device: &Device<B>) -> (Vec<Tensor<B, 3>>, Vec<Tensor<B, 3>>) {
        let Case { kv_heads, page_size, head_dim, .. } = *self.case;
        let shape = [page_size, kv_heads, head_dim];
        let page = |page: &[f32]| Tensor::from_data(TensorData::new(page.to_vec(), shape), device);
        let cut = |plane: &[f32]| plane.chunks(shape.iter().product()).map(page).collect();
        (cut(&self.keys), cut(&self.values))
    }
}

impl<B: Backend> Inputs<B> {
    /// The layer of the band that the case is about; the others hold NaN.
    pub const LAYER: usize = 1;

    /// The pages in a provider's store.
    pub fn store<K: AttentionKernels<B>>(&self, kernels: &K) -> K::Store {
        let mut store = kernels.store(self.shape, self.kv, &self.q.device());
        store.resize(self.keys.len() / self.shape.pages_per_slab).expect("memory for a small case");
        for (page, (keys, values)) in self.keys.iter().zip(&self.values).enumerate() {
            let slots: Vec<Slot> = (0..self.shape.page_size).map(|slot| Slot { page, slot }).collect();
            let nothing = keys.zeros_like() + f32::NAN;
            for layer in 0..self.shape.layers {
                let parts = if layer == Self::LAYER { [keys, values] } else { [&nothing; 2] };
                store.append(layer, &parts, &slots);
            }
        }
        store
    }
}

pub(super) fn random(count: usize, range: f32, rng: &mut StdRng) -> Vec<f32> {
    (0..count).map(|_| rng.random_range(-range..range)).collect()
}

pub(super) fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}
