//! A host model without weights: queries, keys and values are small integers that follow from layer,
//! position and token alone.
//!
//! Integers make dot products exact in every dtype and order of summation, so that votes agree everywhere
//! and ties are common; that no layer's output feeds the next keeps rounding out of them.

use burn::tensor::{Tensor, TensorData, backend::Backend};

use crate::{Error, hook::AttentionHook, layer::LayerSpec};

/// The host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its layers.
    pub layers: Vec<LayerSpec>,
    /// What tells one host from another.
    pub seed: u64,
}

/// What the projections of a token are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projection {
    /// `[query_heads, head_dim]`
    Query,
    /// `[kv_heads, head_dim]`
    Key,
    /// `[kv_heads, head_dim]`
    Value,
}

impl Host {
    /// One token's projection in one layer, row-major: integers from -2 to 2.
    pub fn project(&self, what: Projection, layer: usize, position: usize, token: u32) -> Vec<f32> {
        let spec = &self.layers[layer];
        let heads = if what == Projection::Query { spec.query_heads } else { spec.kv_heads };
        let mut state = self.seed ^ mix((layer as u64) << 40 ^ (position as u64) << 20 ^ u64::from(token));
        state ^= mix(what as u64 + 1);
        let mut next = || {
            state = mix(state);
            (state % 5) as f32 - 2.0
        };
        (0..heads * spec.head_dim).map(|_| next()).collect()
    }

    /// Runs every layer over `tokens`; returns, for each row, the outputs of all layers one after another.
    ///
    /// # Errors
    /// What the hook says.
    pub fn forward<B: Backend>(
        &self,
        hook: &mut impl AttentionHook<B>,
        tokens: &[u32],
        device: &burn::tensor::Device<B>,
    ) -> Result<Vec<Vec<f64>>, Error> {
        let positions = hook.positions().to_vec();
        let mut outputs = vec![Vec::new(); tokens.len()];
        for (layer, spec) in self.layers.iter().enumerate() {
            let tensor = |what, heads: usize| {
                let rows = positions.iter().zip(tokens);
                let flat: Vec<f32> = rows.flat_map(|(&p, &t)| self.project(what, layer, p, t)).collect();
                Tensor::<B, 3>::from_data(TensorData::new(flat, [tokens.len(), heads, spec.head_dim]), device)
            };
            let output = hook.attend(
                layer,
                tensor(Projection::Query, spec.query_heads),
                tensor(Projection::Key, spec.kv_heads),
                tensor(Projection::Value, spec.kv_heads),
            )?;
            let flat: Vec<f64> = output.into_data().iter().collect();
            let rows = flat.chunks(spec.query_heads * spec.head_dim);
            outputs.iter_mut().zip(rows).for_each(|(all, row)| all.extend(row));
        }
        Ok(outputs)
    }
}

/// SplitMix64's finaliser (Steele, Lea and Flood 2014): spreads every input bit over the output.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
