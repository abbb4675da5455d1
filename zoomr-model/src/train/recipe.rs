//! How a model is trained, parsed into a value that cannot be invalid.

use std::{num::NonZeroUsize, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use zoomr_core::config::{AtHand, Options, PolicyKind, Settings};

use super::{TrainError, lora::LoraOptions, phase::Phase};

/// Policies that see what no mask shows: what each head has left, or what it truly attends to.
const UNMASKED: [PolicyKind; 4] = [PolicyKind::H2o, PolicyKind::Rkv, PolicyKind::Quest, PolicyKind::Oracle];
/// Ranks of adapters; instead of larger ones, the matrix itself may be trained.
const RANKS: RangeInclusive<usize> = 1..=4096;

/// A recipe as a user writes it. Serialises with the names of the command line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RecipeOptions {
    /// What is learnt, in this order.
    pub phases: Vec<Phase>,
    /// The learning rate after the warm-up.
    pub learning_rate: f64,
    /// Steps over which the learning rate grows linearly from zero.
    pub warm_up: usize,
    /// What the learning rate ends at, as a share of its highest; it falls like a cosine over the tokens that the
    /// phases' steps are to have.
    pub final_rate: f64,
    /// AdamW's decay of matrices, per step and unit of learning rate; vectors do not decay.
    pub weight_decay: f64,
    /// AdamW's decay of the mean of gradients.
    pub beta_1: f64,
    /// AdamW's decay of the mean of squared gradients.
    pub beta_2: f64,
    /// Gradients whose norm over all parameters is larger are scaled down to it.
    pub clip: f64,
    /// Tokens that one backward pass holds, about; a step's sequences are spread evenly over as many passes as that
    /// takes, and their gradients added up.
    pub micro_batch_tokens: usize,
    /// Threads that run passes side by side; the result does not depend on it.
    pub workers: usize,
    /// The share of sequences trained under the zoomed mask, in phases that say nothing else.
    pub zoomed: f64,
    /// Under the zoomed mask, the share of rows that see one random thought more; with blocks, one random block.
    pub explore: f64,
    /// What the index loss counts beside the language model's: under the full mask, index vectors learn to foretell which
    /// thoughts attention goes to. With 0 they do not. For phases that say nothing else.
    pub index_loss: f64,
    /// What the zoomed mask shows: policy, votes, zoom, window, summaries; or blocks.
    pub method: Options,
    /// Trains adapters beside the matrices, which stay as they are; `None` trains all weights.
    pub lora: Option<LoraOptions>,
    /// Whatever is drawn at random follows from this.
    pub seed: u64,
}

impl Default for RecipeOptions {
    fn default() -> Self {
        Self {
            phases: Vec::new(),
            learning_rate: 2e-4,
            warm_up: 100,
            final_rate: 0.1,
            weight_decay: 0.1,
            beta_1: 0.9,
            beta_2: 0.95,
            clip: 1.0,
            micro_batch_tokens: 2048,
            workers: 1,
            zoomed: 0.5,
            explore: 0.1,
            index_loss: 0.0,
            method: Options::default(),
            lora: None,
            seed: 0,
        }
    }
}

/// A checked recipe.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    options: RecipeOptions,
    settings: Settings,
    workers: NonZeroUsize,
}

impl RecipeOptions {
    /// Whether some sequence is trained under the zoomed mask.
    fn is_masked(&self) -> bool {
        self.phases.iter().any(|phase| phase.zoomed.unwrap_or(self.zoomed) > 0.0)
    }
}

impl TryFrom<RecipeOptions> for Recipe {
    type Error = TrainError;

    fn try_from(options: RecipeOptions) -> Result<Self, TrainError> {
        let refuse = |setting, reason: &str| Err(TrainError::Recipe { setting, reason: reason.into() });
        let positive = |x: f64| x.is_finite() && x > 0.0;
        let share = |x: f64| (0.0..=1.0).contains(&x);
        let weight = |x: f64| x.is_finite() && x >= 0.0;
        let o = &options;
        let own = |setting: fn(&Phase) -> Option<f64>| o.phases.iter().filter_map(setting);
        let Some(workers) = NonZeroUsize::new(o.workers) else {
            return refuse("workers", "someone must do the work; give at least 1");
        };
        match () {
            () if o.phases.is_empty() => {
                refuse("phases", "there is nothing to learn; give at least one phase")
            }
            () if o.phases.iter().any(|phase| phase.steps == 0 || phase.step_tokens == 0) => {
                refuse("phases", "each phase needs at least one step of at least one token")
            }
            () if !positive(o.learning_rate) => refuse("learning-rate", "give a positive number, 2e-4 say"),
            () if !share(o.final_rate) => refuse("final-rate", "a share lies between 0 and 1"),
            () if !share(o.weight_decay) => refuse("weight-decay", "give a number between 0 and 1"),
            () if !(share(o.beta_1) && o.beta_1 < 1.0) => refuse("beta-1", "give a number from 0 to below 1"),
            () if !(share(o.beta_2) && o.beta_2 < 1.0) => refuse("beta-2", "give a number from 0 to below 1"),
            () if !positive(o.clip) => refuse("clip", "give a positive norm, 1.0 say"),
            () if o.micro_batch_tokens == 0 => refuse("micro-batch-tokens", "give at least 1"),
            () if !(share(o.zoomed) && own(|phase| phase.zoomed).all(share)) => {
                refuse("zoomed", "a share lies between 0 and 1")
            }
            () if o.is_masked() && UNMASKED.contains(&o.method.policy) => {
                refuse("zoomed", "a mask of decoding is known for zoomr, summaries, window and full alone")
            }
            () if o.is_masked() && o.method.at_hand != AtHand::All => {
                refuse("zoomed", "under the mask of decoding everything is at hand; leave method.at-hand out")
            }
            () if o
                .lora
                .as_ref()
                .is_some_and(|lora| !RANKS.contains(&lora.rank) || !positive(lora.alpha)) =>
            {
                refuse("lora", "rank (4096 at most) and alpha must be positive")
            }
            () if !share(o.explore) => refuse("explore", "a share lies between 0 and 1"),
            () if !(weight(o.index_loss) && own(|phase| phase.index_loss).all(weight)) => {
                refuse("index-loss", "give 0, or a positive number")
            }
            () if o.method.blocks.is_some()
                && o.phases.iter().any(|phase| phase.index_loss.unwrap_or(o.index_loss) > 0.0) =>
            {
                refuse(
                    "index-loss",
                    "with blocks nothing is asked of the thoughts' index; give 0, or no `blocks`",
                )
            }
            () => {
                let settings = Settings::try_from(options.method.clone())?;
                Ok(Self { options, settings, workers })
            }
        }
    }
}

impl std::ops::Deref for Recipe {
    type Target = RecipeOptions;

    fn deref(&self) -> &RecipeOptions {
        &self.options
    }
}

impl Recipe {
    /// What the zoomed mask shows.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Optimiser steps, over all phases.
    pub fn steps(&self) -> usize {
        self.phases.iter().map(|phase| phase.steps).sum()
    }

    /// The share of step `step`'s sequences that are trained under the zoomed mask; the first step is 0.
    pub fn zoomed_at(&self, step: usize) -> f64 {
        self.phase(step).and_then(|phase| phase.zoomed).unwrap_or(self.zoomed)
    }

    /// What the index loss counts in step `step`, the first being 0.
    pub fn index_loss_at(&self, step: usize) -> f64 {
        self.phase(step).and_then(|phase| phase.index_loss).unwrap_or(self.index_loss)
    }

    /// The phase that step `step` belongs to, if there is such a step.
    fn phase(&self, step: usize) -> Option<&Phase> {
        let mut end = 0;
        self.phases.iter().find(|phase| {
            end += phase.steps;
            step < end
        })
    }

    /// Threads.
    pub fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    /// The learning rate of step `step`, the first being 0: up linearly, then down like a cosine.
    pub fn rate(&self, step: usize) -> f64 {
        if step < self.warm_up {
            return self.learning_rate * (step + 1) as f64 / self.warm_up as f64;
        }
        let warm = self.tokens_before(self.warm_up);
        let [done, all] = [step, usize::MAX].map(|step| self.tokens_before(step).saturating_sub(warm));
        let done = done as f64 / all.max(1) as f64;
        let fall = (1.0 + libm::cos(std::f64::consts::PI * done.min(1.0))) / 2.0;
        self.learning_rate * (self.final_rate + (1.0 - self.final_rate) * fall)
    }

    /// Tokens that the steps before step `step` are to have.
    fn tokens_before(&self, step: usize) -> usize {
        let mut left = step;
        let tokens = |phase: &Phase| {
            let steps = left.min(phase.steps);
            left -= steps;
            steps * phase.step_tokens
        };
        self.phases.iter().map(tokens).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::phase::Data;

    #[test]
    fn what_no_mask_shows_is_refused_where_there_is_one() {
        let method = |method: Options, zoomed: f64| {
            let data = Data::Synth { kinds: Vec::new(), tokens: 1..=1, labels: None, more_finds: 0 };
            let phase = Phase { steps: 1, step_tokens: 1, zoomed: None, index_loss: None, data };
            let phases = vec![phase];
            Recipe::try_from(RecipeOptions { method, zoomed, phases, ..RecipeOptions::default() })
        };
        let quest = Options { policy: PolicyKind::Quest, ..Options::default() };
        let error = method(quest.clone(), 0.5).unwrap_err().to_string();
        assert!(error.contains("`zoomed`"), "{error}");
        assert!(method(quest, 0.0).is_ok());
        let blocks = Options { blocks: Some(4), ..Options::default() };
        let some = Options { at_hand: AtHand::Tokens(9), ..blocks.clone() };
        assert!(method(some, 0.5).unwrap_err().to_string().contains("at-hand"));
        for masked in [blocks, Options::default()] {
            assert!(method(masked, 0.5).is_ok());
        }
    }
}
