//! Layers under a policy that evicts: per sequence the tokens that each KV head still holds, and what decides
//! which of them stay.
//!
//! While a step runs, its tokens only come; once it cannot fail any more, evictors hear of its queries, and what
//! is over the budget goes where that is due. A step that fails so leaves everything as it was.

use std::ops::Range;

use burn::tensor::{Tensor, backend::Backend};

use super::band::Band;
use crate::{
    Error,
    cache::{KvBudget, Slots},
    kernels::{AttentionKernels, KvStore, PageSpan},
    layer::LayerSpec,
    policy::{Evictor, Keys},
};

/// One sequence's tokens in one layer, each KV head's its own.
#[derive(Debug)]
pub(super) struct Evicting {
    pub(super) slots: Slots,
    pub(super) evictor: Box<dyn Evictor>,
}

impl Evicting {
    /// No tokens, in a band that evicts.
    pub(super) fn new<B: Backend, K: AttentionKernels<B>>(band: &Band<B, K>) -> Option<Self> {
        let shape = band.store.shape();
        let evictor = band.policy.eviction()?.evictor();
        Some(Self { slots: Slots::new(shape.kv_heads, shape.page_size), evictor })
    }

    /// The same tokens for another sequence, in pages of its own.
    ///
    /// # Errors
    /// [`Error::OverCap`] and [`Error::Memory`] where these find no room; none is held then.
    pub(super) fn fork<B: Backend, K: AttentionKernels<B>>(
        &self,
        band: &mut Band<B, K>,
        budget: &mut KvBudget,
    ) -> Result<Self, Error> {
        let (mut slots, moves) = self.slots.fork(&mut band.pages, budget)?;
        if let Err(error) = band.fit() {
            slots.clear(&mut band.pages, budget);
            return Err(error);
        }
        band.store.copy(&moves);
        Ok(Self { slots, evictor: self.evictor.fork() })
    }

    /// Ends a step whose rows asked for `asked`: its tokens stay, and, where that is due, what is over the budget goes.
    pub(super) fn commit<B: Backend, K: AttentionKernels<B>>(
        &mut self,
        band: &mut Band<B, K>,
        asked: &Asked,
        due: bool,
        budget: &mut KvBudget,
    ) {
        let Some(eviction) = band.policy.eviction() else { return };
        let Self { slots, evictor } = self;
        evictor.observe(&asked.rows, &HeldKeys { slots, band, spec: asked.spec });
        if due && slots.len() > eviction.budget() {
            let kept = evictor.keep(eviction.budget(), &HeldKeys { slots, band, spec: asked.spec });
            let moves = slots.keep(&kept, &mut band.pages, budget);
            band.store.copy_heads(&moves);
        }
        slots.commit();
    }
}

/// The queries of a step's rows in one layer, until the step is over.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) band: usize,
    spec: LayerSpec,
    /// Each `[query_heads, head_dim]`.
    rows: Vec<Vec<f32>>,
}

impl Asked {
    /// What `rows` of the queries `q` asked a layer, the only one of its band.
    pub(super) fn new<B: Backend>(
        band: usize,
        spec: LayerSpec,
        rows: Range<usize>,
        q: &Tensor<B, 3>,
    ) -> Self {
        let [_, heads, head_dim] = q.dims();
        let rows = q.clone().slice(rows);
        let flat: Vec<f32> = rows.into_data().iter().collect();
        Self { band, spec, rows: flat.chunks_exact(heads * head_dim).map(<[f32]>::to_vec).collect() }
    }
}

/// The keys that a layer of a sequence holds, by their tokens' age.
struct HeldKeys<'a, B: Backend, K: AttentionKernels<B>> {
    slots: &'a Slots,
    band: &'a Band<B, K>,
    spec: LayerSpec,
}

impl<B: Backend, K: AttentionKernels<B>> HeldKeys<'_, B, K> {
    fn spans(&self) -> Vec<PageSpan> {
        self.slots.spans(0..self.slots.len())
    }
}

impl<B: Backend, K: AttentionKernels<B>> Keys for HeldKeys<'_, B, K> {
    fn heads(&self) -> usize {
        self.spec.kv_heads
    }

    fn tokens(&self) -> usize {
        self.slots.len()
    }

    fn scores(&self, queries: &[Vec<f32>]) -> Vec<f64> {
        let LayerSpec { query_heads, kv_heads, scale, .. } = self.spec;
        let products = self.band.store.products(0, &self.spans(), queries);
        let by_age = |(i, products): (usize, &[f32])| {
            let order = &self.slots.order()[i % query_heads / (query_heads / kv_heads)];
            order.iter().map(|&slot| f64::from(scale) * f64::from(products[slot])).collect::<Vec<f64>>()
        };
        products.chunks_exact(self.tokens()).enumerate().flat_map(by_age).collect()
    }

    fn products(&self, head: usize) -> Vec<f32> {
        let tokens = self.tokens();
        let products = self.band.store.key_products(0, &self.spans(), head);
        let order = &self.slots.order()[head];
        let by_age = |&slot: &usize| {
            let products = &products[slot * tokens..][..tokens];
            order.iter().map(|&other| products[other])
        };
        order.iter().flat_map(by_age).collect()
    }
}
