//! Does it fit? Weights, KV memory and activations of a run, and the longest text for which they fit.

use std::ops::RangeInclusive;

use anyhow::Result;
use burn::tensor::{DType, Element, ops::FloatElem};
use serde::Serialize;
use zoomr_core::{
    config::Settings,
    forecast::{Assumption, Forecast, Widths, forecast},
    layer::LayerSpec,
};
use zoomr_model::{
    config::ModelConfig,
    weights::{Inventory, WeightsError},
};

use crate::{args::model::Described, provider::Provider};

/// What a run needs. Bytes are of the device's memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Need {
    pub(super) policy: &'static str,
    pub(super) weight_bytes: u64,
    /// KV memory at most; with what is on the host, where that is the device's memory too.
    pub(super) kv_bytes: u64,
    /// What a pass over a chunk of the prompt holds besides, about.
    pub(super) activation_bytes: u64,
    /// All of these.
    pub(super) bytes: u64,
    /// Whether they are no more than --memory; `null` without it.
    pub(super) fits: Option<bool>,
    /// Tokens of the longest run of which they are not; `null` without --memory.
    pub(super) longest_text: Option<usize>,
}

/// What runs need, and what of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Memory {
    /// The element type of weights: as stored, where the backend multiplies by that.
    pub(super) weight_dtype: String,
    /// What keys and values are stored as.
    pub(super) kv_dtype: String,
    /// The element type of activations.
    pub(super) activation_dtype: String,
    /// Whether the host's memory is the device's: then what is put away to the host is still there.
    pub(super) host_is_device: bool,
    /// What --memory says.
    pub(super) available_bytes: Option<u64>,
    /// Under the policy, then with a full cache, if that is another.
    pub(super) runs: Vec<Need>,
}

/// A model on a backend, as far as memory goes.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    pub(super) layers: Vec<LayerSpec>,
    /// Of activations.
    pub(super) element: DType,
    /// Of what is cached.
    pub(super) widths: Widths,
    pub(super) weights: u64,
    pub(super) weight_dtype: String,
    /// Bytes of a pass.
    pub(super) activations: u64,
    pub(super) host_is_device: bool,
}

impl Sizes {
    /// Those of a model on the backend `P`, whose passes are over `rows` tokens at most.
    ///
    /// # Errors
    /// Where a weight file cannot be read or is damaged.
    pub(super) fn of<P: Provider>(model: &Described, config: &ModelConfig, rows: usize) -> Result<Self> {
        let element = <FloatElem<P::Backend>>::dtype();
        let stored = stored(model, config)?;
        let (weights, weight_dtype) = match stored {
            stored if P::ON_HOST => stored,
            _ => (config.parameter_count() * element.size() as u64, format!("{element:?}")),
        };
        Ok(Self {
            layers: config.layer_specs(),
            element,
            widths: Widths::of::<P::Backend, P::Kernels>(),
            weights,
            weight_dtype,
            activations: config.activation_numbers(rows) * element.size() as u64,
            host_is_device: P::ON_HOST,
        })
    }

    /// The KV memory of a run.
    pub(super) fn forecast(&self, settings: &Settings, run: Assumption) -> Forecast {
        forecast(&self.layers, settings, self.widths, run)
    }

    /// What a run needs, of `available` bytes if it is to fit; the longest text is one of `texts`, in tokens, of which
    /// those of the prompt stay.
    pub(super) fn need(
        &self,
        settings: &Settings,
        run: Assumption,
        available: Option<u64>,
        texts: RangeInclusive<usize>,
    ) -> Need {
        let kv = |tokens: usize| {
            let prompt = run.prompt.min(tokens);
            let run = self.forecast(settings, Assumption { tokens, prompt, ..run });
            run.peak + if self.host_is_device { run.end.cold } else { 0 }
        };
        let bytes = |tokens| self.weights + self.activations + kv(tokens);
        let need = bytes(run.tokens);
        Need {
            policy: settings.policy.name(),
            weight_bytes: self.weights,
            kv_bytes: kv(run.tokens),
            activation_bytes: self.activations,
            bytes: need,
            fits: available.map(|available| need <= available),
            longest_text: available.map(|available| longest(texts, |tokens| bytes(tokens) <= available)),
        }
    }
}

/// Bytes of the weights as they are stored, and their element type: from the weight files, else from the configuration.
fn stored(model: &Described, config: &ModelConfig) -> Result<(u64, String)> {
    let found = model.dir().map(|dir| Inventory::read(dir, &config.tensors()));
    match found {
        None | Some(Err(WeightsError::NoWeights { .. })) => {
            let format = config.weight_dtype();
            Ok((config.parameter_count() * format.block_bytes() as u64, format.name().to_uppercase()))
        }
        Some(inventory) => {
            let bytes = inventory?.bytes;
            let names: Vec<&str> = bytes.keys().map(String::as_str).collect();
            Ok((bytes.values().sum(), names.join(" and ")))
        }
    }
}

/// The greatest number of `among` that `fits`, where all smaller ones do too; 0 where none does.
fn longest(among: RangeInclusive<usize>, fits: impl Fn(usize) -> bool) -> usize {
    let (mut least, mut most) = (*among.start(), *among.end());
    if !fits(least) {
        return 0;
    }
    while least < most {
        let middle = most - (most - least) / 2;
        if fits(middle) { least = middle } else { most = middle - 1 }
    }
    least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_is_the_last_that_fits() {
        for limit in [1, 2, 17, 99, 100] {
            assert_eq!(longest(1..=100, |tokens| tokens <= limit), limit);
        }
        assert_eq!(longest(1..=100, |_| true), 100);
        assert_eq!(longest(5..=100, |tokens| tokens < 5), 0);
        assert_eq!(longest(5..=5, |_| true), 5);
    }
}
