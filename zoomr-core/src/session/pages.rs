//! Quest's part of a step: bounds of the pages that are full, and what each query head then sees.

use burn::tensor::{Tensor, backend::Backend};

use super::{Session, parts::Parts, step::Group};
use crate::{
    Error,
    cache::{KEYS, Moved},
    kernels::AttentionKernels,
    policy::{
        Quest,
        quest::{PAGE, VECTORS},
    },
    portable::{by_kv_head, by_row, gather},
    positions::PositionSet,
};

impl<B: Backend> Parts<'_, B> {
    /// Indexes the pages of tokens that have become full: of each channel the largest key, and the smallest.
    pub(super) fn index_pages(&mut self, moved: &mut Moved) -> Result<(), Error> {
        for page in self.state.index.len() / VECTORS..self.layout.len() / PAGE {
            let positions = (page * PAGE..(page + 1) * PAGE).into();
            self.fetch(&positions, moved)?;
            let keys = gather(self.pool.slabs(KEYS), &self.state.cache.spans(self.layout, &positions));
            for bound in [keys.clone().max_dim(0), keys.min_dim(0)] {
                self.state.index.push(bound, self.index, self.budget)?;
            }
        }
        Ok(())
    }
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// What each query head of each row of the group sees, `[rows, query_heads]`.
    pub(super) fn page_sets(
        &self,
        layer: usize,
        group: &Group,
        quest: Quest,
        q: &Tensor<B, 3>,
    ) -> Result<Vec<PositionSet>, Error> {
        let heads = self.layers[layer].spec.query_heads;
        let bounds = self.bounds(layer, group, q)?;
        let pages = bounds.len() / (group.base.len() * heads);
        let set = |i: usize| quest.seen(&bounds[i * pages..][..pages], group.start + i / heads);
        Ok((0..group.base.len() * heads).map(set).collect())
    }

    /// For every query head of every row, a bound on its product with the keys of each full page,
    /// `[rows, query_heads, pages]`.
    fn bounds(&self, layer: usize, group: &Group, q: &Tensor<B, 3>) -> Result<Vec<f32>, Error> {
        let index = &self.sequence(group.sequence)?.layers[layer].index;
        let Some(vectors) = index.vectors(&self.layers[layer].index) else { return Ok(Vec::new()) };
        let ([vectors_held, kv_heads, head_dim], rows) = (vectors.dims(), group.base.len());
        let q = by_kv_head(q.clone().slice(group.first_row..group.first_row + rows), kv_heads);
        // [pages, largest and smallest, kv_heads, head_dim] -> [kv_heads, head_dim, pages]
        let vectors = vectors.reshape([vectors_held / VECTORS, VECTORS, kv_heads, head_dim]);
        let bound = |which: usize| vectors.clone().narrow(1, which, 1).squeeze_dim::<3>(1).permute([1, 2, 0]);
        let largest = q.clone().clamp_min(0.0).matmul(bound(0));
        let smallest = q.clamp_max(0.0).matmul(bound(1));
        Ok(by_row(largest + smallest, rows).into_data().iter().collect())
    }
}
