//! One optimiser step after another.

use std::{
    fmt,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use burn::tensor::{Device, backend::Backend};
use serde::{Deserialize, Serialize};
use zoomr_core::{kernels::TrainingKernels, layer::LayerSpec};

use super::{
    TrainError,
    checkpoint::{self, Origin},
    gradients::{Learnt, Pass},
    lora::{LoraOptions, merged},
    mask::Mask,
    optimizer::{Optimizer, add, norm},
    parameters::Parameters,
    random::{Purpose, of_step},
    recipe::{Recipe, RecipeOptions},
    sequence::Sequence,
};
use crate::config::ModelConfig;

/// What one step did: a line of the log.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    /// The step's number, from 1.
    pub step: usize,
    /// The mean negative log-likelihood of what the model writes, in nats per token.
    pub loss: f64,
    /// Tokens that went through the model.
    pub tokens: usize,
    /// Tokens that the loss is over.
    pub predicted: usize,
    /// The learning rate.
    pub rate: f64,
    /// The gradients' norm before clipping.
    pub norm: f64,
}

/// A model in training.
pub struct Trainer<B: Backend, K> {
    config: ModelConfig,
    specs: Vec<LayerSpec>,
    recipe: Recipe,
    kernels: K,
    device: Device<B>,
    /// The digest of the model that training started from.
    model: String,
    trained: Parameters<B>,
    frozen: Parameters<B>,
    adapter_scale: f64,
    optimizer: Optimizer<B>,
    step: usize,
}

impl<B: Backend, K: TrainingKernels<B> + Clone + fmt::Debug + 'static> Trainer<B, K> {
    /// Trains a model's `parameters`, or adapters beside them, as the recipe says.
    ///
    /// # Errors
    /// [`TrainError::Recipe`] where the model has nothing that adapters are asked for.
    pub fn new(
        config: ModelConfig,
        parameters: Parameters<B>,
        recipe: Recipe,
        kernels: K,
        device: &Device<B>,
    ) -> Result<Self, TrainError> {
        let model = parameters.digest(&config);
        let (trained, frozen) = match &recipe.lora {
            Some(lora) => {
                let (whole, frozen) = lora.part(parameters);
                let adapters = lora.adapters(&config, recipe.seed, device)?;
                (adapters.into_iter().chain(whole).collect(), frozen)
            }
            None => (parameters, std::iter::empty().collect()),
        };
        Ok(Self {
            specs: config.layer_specs(),
            adapter_scale: recipe.lora.as_ref().map_or(1.0, LoraOptions::scale),
            config,
            optimizer: Optimizer::new(&recipe),
            recipe,
            kernels,
            device: device.clone(),
            model,
            trained,
            frozen,
            step: 0,
        })
    }

    /// Goes on from the checkpoint at `path`, which a run with the same recipe and model has written that
    /// learnt from the same texts; `texts` is their digest ([`Curriculum::digest`](super::Curriculum::digest)).
    ///
    /// The last phase may have more steps than it had: then the learning rate of each step to come is what it is in a
    /// run of as many steps from its beginning, and those that are over stay as they were.
    ///
    /// # Errors
    /// [`TrainError::Foreign`] where another run has written it, [`TrainError::Checkpoint`] where it is damaged,
    /// [`TrainError::File`] where it cannot be read.
    pub fn resume(mut self, path: &Path, texts: &str) -> Result<Self, TrainError> {
        let found = checkpoint::read(path, &self.device)?;
        let own = self.origin(texts);
        // How the work is cut up changes nothing but its speed.
        let mut recipe = RecipeOptions { workers: own.recipe.workers, ..found.origin.recipe };
        if let (Some(was), Some(is)) = (recipe.phases.last_mut(), own.recipe.phases.last()) {
            was.steps = was.steps.max(is.steps);
        }
        let differs = [
            ("with another recipe", recipe != own.recipe),
            ("from another model", found.origin.model != own.model),
            ("on other texts", found.origin.texts != own.texts),
        ];
        if let Some(&(other, _)) = differs.iter().find(|(_, differs)| *differs) {
            return Err(TrainError::Foreign { path: path.to_owned(), other });
        }
        let shapes = |parameters: &Parameters<B>| -> Vec<(String, [usize; 2])> {
            parameters.iter().map(|(name, tensor)| (name.clone(), tensor.dims())).collect()
        };
        if shapes(&found.trained) != shapes(&self.trained) {
            let problem = "its tensors are not this model's".to_owned();
            return Err(TrainError::Checkpoint { path: path.to_owned(), problem });
        }
        self.step = found.step;
        self.trained = found.trained;
        self.optimizer.states = found.states.into_iter().collect();
        Ok(self)
    }

    /// Writes all that a later run needs to go on from here to the file `path`, whole or not at all; `texts` is the digest
    /// of those that the steps so far have learnt from.
    ///
    /// # Errors
    /// [`TrainError::File`] where it cannot be written.
    pub fn checkpoint(&self, path: &Path, texts: &str) -> Result<(), TrainError> {
        checkpoint::write(path, self.step, &self.origin(texts), &self.trained, &self.optimizer)
    }

    fn origin(&self, texts: &str) -> Origin {
        Origin { recipe: (*self.recipe).clone(), model: self.model.clone(), texts: texts.to_owned() }
    }

    /// Steps taken so far.
    pub fn steps(&self) -> usize {
        self.step
    }

    /// How the model is trained.
    pub fn recipe(&self) -> &Recipe {
        &self.recipe
    }

    /// The model's parameters as they are now, with adapters added in.
    pub fn parameters(&self) -> Parameters<B> {
        match &self.recipe.lora {
            Some(_) => merged(&self.frozen, &self.trained, self.adapter_scale),
            None => self.trained.clone(),
        }
    }

    /// What is trained, as it is now: the model's parameters, or adapters and what is trained whole beside them.
    pub fn trained(&self) -> &Parameters<B> {
        &self.trained
    }

    /// Learns from `sequences`, once. What is drawn at random depends on the recipe's seed, the step's number and the
    /// place of a sequence among those of its pass alone; the number of workers changes nothing.
    ///
    /// # Errors
    /// [`TrainError::NoSequences`]; [`TrainError::Diverged`] where the loss is no number any more, before
    /// anything has changed; and whatever the model says.
    pub fn step(&mut self, sequences: &[Sequence]) -> Result<StepReport, TrainError> {
        let batches = micro_batches(sequences, self.recipe.micro_batch_tokens);
        let learnt = self.learn(&batches)?;
        let (loss, predicted) = learnt.iter().fold((0.0, 0), |(l, p), x| (l + x.loss, p + x.predicted));
        let gradients = learnt.into_iter().map(|learnt| learnt.gradients);
        let gradients = gradients.reduce(|sum, more| add(sum, &more)).ok_or(TrainError::NoSequences)?;

        let mean = 1.0 / predicted as f64;
        let (loss, norm) = (loss * mean, norm(&gradients) * mean);
        if !(loss.is_finite() && norm.is_finite()) {
            return Err(TrainError::Diverged { step: self.step + 1, loss });
        }
        let rate = self.recipe.rate(self.step);
        let scale = mean * (self.recipe.clip / norm).min(1.0);
        let before = std::mem::replace(&mut self.trained, std::iter::empty().collect());
        self.trained = self.optimizer.step(before, &gradients, rate, scale);
        self.step += 1;
        let tokens = sequences.iter().map(|sequence| sequence.inputs().len()).sum();
        Ok(StepReport { step: self.step, loss, tokens, predicted, rate, norm })
    }

    /// The log-probability, in nats, of every token that the model writes in `sequence`, each given those before.
    ///
    /// # Errors
    /// Whatever the model says.
    pub fn logprobs(&self, sequence: &Sequence, mask: Mask) -> Result<Vec<f32>, TrainError> {
        // Nothing is explored, so no random number is drawn.
        let pass = Pass { explore: 0.0, index_loss: 0.0, ..self.pass() };
        pass.logprobs(sequence, mask)
    }

    /// Runs all micro-batches; the results are in their order.
    fn learn(&self, batches: &[Vec<&Sequence>]) -> Result<Vec<Learnt<B>>, TrainError> {
        let workers = self.recipe.workers().get().min(batches.len().max(1));
        // Batches differ in length: whoever is free takes the next.
        let next = AtomicUsize::new(0);
        let work = || -> Vec<(usize, Result<Learnt<B>, TrainError>)> {
            let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|&number| number < batches.len());
            std::iter::from_fn(take)
                .map(|number| (number, self.learn_one(number, &batches[number])))
                .collect()
        };
        let mut learnt = if workers == 1 {
            work()
        } else {
            thread::scope(|scope| {
                // Where the system allows of no more threads, those that there are do the work, and this one.
                let spawn = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
                let threads: Vec<_> = (1..workers).map_while(spawn).collect();
                let own = work();
                let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
                    Ok(learnt) => learnt,
                    // A bug of ours: let it be seen where it would have been without threads.
                    Err(panic) => std::panic::resume_unwind(panic),
                };
                threads.into_iter().flat_map(join).chain(own).collect()
            })
        };
        learnt.sort_by_key(|(number, _)| *number);
        learnt.into_iter().map(|(_, learnt)| learnt).collect()
    }

    fn learn_one(&self, number: usize, sequences: &[&Sequence]) -> Result<Learnt<B>, TrainError> {
        let mut random = of_step(self.recipe.seed, Purpose::Masks, self.step, number);
        let zoomed = self.recipe.zoomed_at(self.step);
        let mut mask = || if random.share() < zoomed { Mask::Zoomed } else { Mask::Full };
        let masked: Vec<_> = sequences.iter().map(|&sequence| (sequence, mask())).collect();
        self.pass().learn(&masked, &mut random)
    }

    fn pass(&self) -> Pass<'_, B, K> {
        Pass {
            config: &self.config,
            specs: &self.specs,
            settings: self.recipe.settings(),
            kernels: &self.kernels,
            device: &self.device,
            trained: &self.trained,
            frozen: &self.frozen,
            adapter_scale: self.adapter_scale,
            explore: self.recipe.explore,
            index_loss: self.recipe.index_loss_at(self.step),
        }
    }
}

/// Spreads `sequences` evenly over passes of about `tokens` input tokens, or of one longer sequence: the longest first,
/// each to the pass that has least. Their number is even where it can be: two workers end at the same time.
fn micro_batches(sequences: &[Sequence], tokens: usize) -> Vec<Vec<&Sequence>> {
    let len = |sequence: &Sequence| sequence.inputs().len();
    let needed = sequences.iter().map(len).sum::<usize>().div_ceil(tokens);
    let mut batches = vec![(0, Vec::new()); needed.next_multiple_of(2).min(sequences.len())];
    let mut longest_first: Vec<&Sequence> = sequences.iter().collect();
    longest_first.sort_by_key(|sequence| std::cmp::Reverse(len(sequence)));
    for sequence in longest_first {
        if let Some((sum, batch)) = batches.iter_mut().min_by_key(|(sum, _)| *sum) {
            *sum += len(sequence);
            batch.push(sequence);
        }
    }
    batches.into_iter().map(|(_, batch)| batch).collect()
}
