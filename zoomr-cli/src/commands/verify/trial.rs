//! One trial: a text through the model under some settings, with the books checked after every step.

use anyhow::Result;
use burn::tensor::Device;
use zoomr_core::{
    cache::Moved,
    config::Settings,
    segment::Role,
    session::{Feed, ForwardPass, SequenceId, Session},
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{Error, Model};

use super::cadence::Cadence;
use crate::{load::Loaded, provider::Provider};

/// A text, and how it falls into prompt, thoughts and summaries.
#[derive(Clone, Debug)]
pub(super) struct Text {
    pub(super) ids: Vec<u32>,
    /// Tokens of the prompt.
    pub(super) prompt: usize,
    pub(super) cadence: Cadence,
}

/// What came of a trial.
#[derive(Debug, Default)]
pub(super) struct Trial {
    /// `[tokens, vocab]`, row-major.
    pub(super) logits: Vec<f32>,
    /// Votes that heads cast, over all layers and steps.
    pub(super) votes: u64,
    /// Thoughts zoomed into, over all layers and steps.
    pub(super) zoomed: u64,
    /// Thoughts at the end.
    pub(super) thoughts: usize,
    pub(super) steps: u64,
    pub(super) moved: Moved,
    /// Steps after which the tiers' bytes were not the bytes allocated, each with the two numbers.
    pub(super) unbalanced: Vec<(u64, u64, u64)>,
}

impl Trial {
    /// Feeds `text`, `chunk` tokens at a time (fewer where the session takes fewer); `watch` hears how many are in.
    ///
    /// # Errors
    /// Whatever model and session say.
    pub(super) fn run<P: Provider>(
        loaded: &Loaded<P>,
        text: &Text,
        settings: Settings,
        chunk: usize,
        watch: &dyn Fn(usize),
    ) -> Result<Self> {
        let Loaded::<P> { model, kernels, device, .. } = loaded;
        let device: &Device<P::Backend> = device;
        let mut session = Session::new(&model.config().layer_specs(), settings, kernels.clone(), device)?;
        let sequence = session.add_sequence(Box::new(text.cadence), Trigger::ModelEmitted);
        let mut trial = Self::default();
        let (prompt, stream) = text.ids.split_at(text.prompt);
        for (ids, role) in [(prompt, Role::Prompt), (stream, Role::Stream)] {
            let mut rest = ids;
            while !rest.is_empty() {
                let taken =
                    trial.step::<P>(model, &mut session, sequence, &rest[..chunk.min(rest.len())], role)?;
                rest = &rest[taken..];
                watch(trial.logits.len() / model.config().vocab_size());
            }
        }
        trial.thoughts = session.stream(sequence)?.thoughts().len();
        Ok(trial)
    }

    fn step<P: Provider>(
        &mut self,
        model: &Model<P::Backend, P::Kernels>,
        session: &mut Session<P::Backend, P::Kernels>,
        sequence: SequenceId,
        ids: &[u32],
        role: Role,
    ) -> Result<usize> {
        let tokens: Vec<Token<'_>> = ids.iter().map(|&id| Token::bare(id)).collect();
        let scope = session.settings().scope;
        let feed = Feed { sequence, tokens: &tokens, role, scope };
        let forward = |pass: &mut ForwardPass<'_, _, _>, accepted: &[usize]| -> Result<_, Error> {
            model.forward(&ids[..accepted[0]], pass)
        };
        let (accepted, logits) = session.step(&[feed], forward)?.single()?;
        self.logits.extend(logits.into_data().iter::<f32>());
        self.note::<P>(session);
        Ok(accepted)
    }

    /// Adds up the step just taken.
    fn note<P: Provider>(&mut self, session: &Session<P::Backend, P::Kernels>) {
        let stats = session.last_step();
        for row in &stats.last_rows {
            self.votes += row.votes.iter().map(|&votes| u64::from(votes)).sum::<u64>();
            self.zoomed += row.zoomed.iter().map(|layer| layer.len() as u64).sum::<u64>();
        }
        self.moved += stats.moved;
        let (counted, allocated) = (session.account().total(), session.allocated());
        if counted != allocated {
            self.unbalanced.push((self.steps, counted, allocated));
        }
        self.steps += 1;
    }

    /// The largest logit, whatever its sign.
    pub(super) fn largest(&self) -> f32 {
        self.logits.iter().fold(0.0, |most, logit| most.max(logit.abs()))
    }

    /// The largest difference of any two logits of the same token and place; infinite where a trial has NaN or
    /// another number of logits.
    pub(super) fn difference(&self, other: &Self) -> f32 {
        if self.logits.len() != other.logits.len() {
            return f32::INFINITY;
        }
        let pairs = self.logits.iter().zip(&other.logits);
        pairs
            .map(|(a, b)| (a - b).abs())
            .fold(0.0, |most, d| if d.is_nan() { f32::INFINITY } else { most.max(d) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_is_no_small_difference() {
        let trial = |logits: &[f32]| Trial { logits: logits.to_vec(), ..Trial::default() };
        assert_eq!(trial(&[1.0, -2.0]).difference(&trial(&[1.5, -2.25])), 0.5);
        assert_eq!(trial(&[1.0, f32::NAN, 3.0]).difference(&trial(&[1.0, 2.0, 3.0])), f32::INFINITY);
        assert_eq!(trial(&[1.0]).difference(&trial(&[])), f32::INFINITY);
        assert_eq!(trial(&[1.0, -2.0]).largest(), 2.0);
    }
}
