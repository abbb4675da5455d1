//! Layers under a policy that evicts: per sequence the tokens that each KV head still holds, and what decides
//! which of them stay.
//!
//! While a step runs, its tokens only come; once it cannot fail any more, evictors hear of its queries, and what
//! is over the budget goes where that is due. A step that fails so leaves everything as it was.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::{Session, parts::Parts, step::Group};
use crate::{
    Error,
    cache::{KEYS, Pool, Slots},
    kernels::AttentionKernels,
    layer::LayerSpec,
    policy::{Eviction, Evictor, Keys},
    portable::{by_kv_head, by_row, gather},
};

/// One sequence's tokens in one layer, each KV head's its own.
#[derive(Debug)]
pub(super) struct Evicting {
    pub(super) slots: Slots,
    evictor: Box<dyn Evictor>,
}

impl Evicting {
    pub(super) fn new(eviction: &dyn Eviction) -> Self {
        Self { slots: Slots::default(), evictor: eviction.evictor() }
    }
}

/// The queries of a step's rows in one layer, until the step is over.
#[derive(Debug)]
pub(super) struct Asked {
    layer: usize,
    /// Each `[query_heads, head_dim]`.
    rows: Vec<Vec<f32>>,
}

impl Asked {
    pub(super) fn new<B: Backend>(layer: usize, group: &Group, q: &Tensor<B, 3>) -> Self {
        let [_, heads, head_dim] = q.dims();
        let rows = q.clone().slice(group.first_row..group.first_row + group.base.len());
        let flat: Vec<f32> = rows.into_data().iter().collect();
        Self { layer, rows: flat.chunks_exact(heads * head_dim).map(<[f32]>::to_vec).collect() }
    }
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Ends a step for one sequence: its tokens stay, and what is due for eviction goes.
    pub(super) fn settle(&mut self, group: &mut Group) -> Result<(), Error> {
        for Asked { layer, rows } in std::mem::take(&mut group.asked) {
            let spec = self.layers[layer].spec;
            let Parts { state, pool, policy, budget, .. } = self.parts(layer, group.sequence)?;
            let (Some(Evicting { slots, evictor }), Some(eviction)) =
                (&mut state.evicting, policy.eviction())
            else {
                continue;
            };
            evictor.observe(&rows, &Held { slots, pool, spec });
            if group.evicts && slots.len() > eviction.budget() {
                let kept = evictor.keep(eviction.budget(), &Held { slots, pool, spec });
                slots.keep(&kept, pool, budget);
            }
            slots.settle();
            self.compact(layer);
        }
        Ok(())
    }
}

/// The keys that a layer of a sequence holds, by their tokens' age.
struct Held<'a, B: Backend> {
    slots: &'a Slots,
    pool: &'a Pool<B, 2>,
    spec: LayerSpec,
}

impl<B: Backend> Held<'_, B> {
    /// `[slots, kv_heads, head_dim]`
    fn keys(&self) -> Tensor<B, 3> {
        let spans = self.slots.spans(0..self.slots.len(), self.pool.geometry().page_size);
        gather(self.pool.slabs(KEYS), &spans)
    }
}

impl<B: Backend> Keys for Held<'_, B> {
    fn heads(&self) -> usize {
        self.spec.kv_heads
    }

    fn tokens(&self) -> usize {
        self.slots.len()
    }

    fn scores(&self, queries: &[Vec<f32>]) -> Vec<f64> {
        let LayerSpec { query_heads, kv_heads, head_dim, scale, .. } = self.spec;
        let (keys, tokens) = (self.keys(), self.tokens());
        let data = TensorData::new(queries.concat(), [queries.len(), query_heads, head_dim]);
        let q = Tensor::<B, 3>::from_data(data, &keys.device());
        let products = by_row(by_kv_head(q, kv_heads).matmul(keys.permute([1, 2, 0])), queries.len());
        let products: Vec<f32> = products.into_data().iter().collect();
        let by_age = |(i, products): (usize, &[f32])| {
            let order = &self.slots.order()[i % query_heads / (query_heads / kv_heads)];
            order.iter().map(|&slot| f64::from(scale) * f64::from(products[slot])).collect::<Vec<f64>>()
        };
        products.chunks_exact(tokens).enumerate().flat_map(by_age).collect()
    }

    fn products(&self, head: usize) -> Vec<f32> {
        let tokens = self.tokens();
        let keys = self.keys().slice([0..tokens, head..head + 1]).squeeze_dim::<2>(1);
        let products: Vec<f32> = keys.clone().matmul(keys.transpose()).into_data().iter().collect();
        let order = &self.slots.order()[head];
        let by_age = |&slot: &usize| {
            let products = &products[slot * tokens..][..tokens];
            order.iter().map(|&other| products[other])
        };
        order.iter().flat_map(by_age).collect()
    }
}
