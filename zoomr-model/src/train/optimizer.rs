//! AdamW over named parameters, with the gradients' norm clipped over all of them together.

use std::collections::BTreeMap;

use burn::{
    optim::{AdamW, AdamWConfig, AdamWState, SimpleOptimizer},
    tensor::{ElementConversion, Tensor, backend::Backend},
};

use super::{parameters::Parameters, recipe::Recipe};

/// The optimiser's memory: two moments per parameter.
pub(super) struct Optimizer<B: Backend> {
    /// With weight decay: for matrices.
    decaying: AdamW,
    /// Without: for norms and biases.
    plain: AdamW,
    pub(super) states: BTreeMap<String, AdamWState<B, 2>>,
}

impl<B: Backend> Optimizer<B> {
    pub(super) fn new(recipe: &Recipe) -> Self {
        let config = AdamWConfig::new()
            .with_beta_1(recipe.beta_1 as f32)
            .with_beta_2(recipe.beta_2 as f32)
            .with_epsilon(1e-8);
        Self {
            decaying: config.clone().with_weight_decay(recipe.weight_decay as f32).build(),
            plain: config.with_weight_decay(0.0).build(),
            states: BTreeMap::new(),
        }
    }

    /// One step at learning rate `rate`, along `gradients` multiplied by `scale`.
    pub(super) fn step(
        &mut self,
        parameters: Parameters<B>,
        gradients: &Parameters<B>,
        rate: f64,
        scale: f64,
    ) -> Parameters<B> {
        parameters.map(|name, tensor| {
            let Some(gradient) = gradients.get(name) else { return tensor };
            let optimizer = if tensor.dims()[0] > 1 { &self.decaying } else { &self.plain };
            let state = self.states.remove(name);
            let (tensor, state) = optimizer.step(rate, tensor, gradient.clone() * scale, state);
            self.states.extend(state.map(|state| (name.to_owned(), state)));
            tensor
        })
    }
}

/// The Euclidean norm over all gradients.
pub(super) fn norm<B: Backend>(gradients: &Parameters<B>) -> f64 {
    let squares = gradients.iter().map(|(_, gradient)| {
        let square: f32 = gradient.clone().powi_scalar(2).sum().into_scalar().elem();
        f64::from(square)
    });
    squares.sum::<f64>().sqrt()
}

/// Adds `other` to `sum`, name by name.
pub(super) fn add<B: Backend>(sum: Parameters<B>, other: &Parameters<B>) -> Parameters<B> {
    sum.map(|name, gradient: Tensor<B, 2>| match other.get(name) {
        Some(more) => gradient + more.clone(),
        None => gradient,
    })
}
