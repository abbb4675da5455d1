//! The attention that a policy missed: of all that a row's query would have given to the tokens before it, had it been
//! shown them, the share that went to those that it was not shown.
//!
//! A finished text goes through the model once more, under its policy, so that queries, keys and what is shown are
//! those of the run. Each layer's queries and keys go to a second session too, which shows everything; its outputs
//! are not used. From the two log-sum-exps `l` (shown) and `L` (everything) of a row and head follows the share
//! `1 - exp(l - L)`: no policy need say what it showed, and evicted tokens count like any others.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    config::{Options, PolicyKind, Settings},
    hook::AttentionHook,
    kernels::{AttendGroup, AttentionKernels, LinearKernels, PagedKv, ScoreGroup},
    segment::Role,
    select::Tally,
    session::{Feed, SequenceId, Session},
    state::AttentionState,
    token::Token,
    trigger::Trigger,
};

use super::Bench;
use crate::{Error, engine::EngineError};

/// The mean share missed by the rows after the first `prompt` of `tokens`, over heads and over the layers that policies
/// act in; `None` where `stop` was set before the end.
///
/// # Errors
/// Whatever model and sessions say.
pub(super) fn missed<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone>(
    bench: &Bench<'_, B, K>,
    settings: &Settings,
    tokens: &[u32],
    prompt: usize,
    stop: &AtomicBool,
) -> Result<Option<f64>, EngineError> {
    let everything = Options { policy: PolicyKind::Full, cap: None, ..(**settings).clone() };
    let mut shown = Watched::new(bench, settings.clone(), bench.options.trigger)?;
    let mut all = Watched::new(bench, Settings::try_from(everything)?, Trigger::Pooled)?;
    let layers = bench.model.config().layer_specs();
    let acting: Vec<bool> = layers.iter().map(|layer| layer.sliding_window.is_none()).collect();
    let (mut sum, mut count, mut done) = (0.0, 0usize, 0);
    while done < tokens.len() {
        if stop.load(Relaxed) {
            return Ok(None);
        }
        let (role, end) = if done < prompt { (Role::Prompt, prompt) } else { (Role::Stream, tokens.len()) };
        let ids = &tokens[done..end.min(done + bench.options.chunk.get())];
        let (accepted, missed) = step(bench, &mut shown, &mut all, done, ids, role)?;
        if role == Role::Stream {
            let acting = missed.iter().zip(&acting).filter(|(_, acting)| **acting);
            for share in acting.flat_map(|(shares, _)| shares) {
                sum += share;
                count += 1;
            }
        }
        done += accepted;
    }
    Ok(Some(if count > 0 { sum / count as f64 } else { 0.0 }))
}

/// Takes in as many of `ids`, which begin at position `start`, as the policy takes at once. Returns how many, and the
/// shares missed: for each layer, one per row and head.
fn step<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone>(
    bench: &Bench<'_, B, K>,
    shown: &mut Watched<B, K>,
    all: &mut Watched<B, K>,
    start: usize,
    ids: &[u32],
    role: Role,
) -> Result<(usize, Vec<Vec<f64>>), EngineError> {
    let text = |&id: &u32| Token { id, text: bench.tokenizer.bytes_of(id) };
    let tokens: Vec<Token<'_>> = ids.iter().map(text).collect();
    let lse = (&shown.lse, &all.lse);
    let (session, sequence) = (&mut all.session, all.sequence);
    let feed = Feed { sequence: shown.sequence, tokens: &tokens, role };
    let (accepted, missed) = shown.session.step(&[feed], |shown, accepted| {
        // Where votes count for the same step, the model runs twice.
        if session.stream(sequence)?.len() > start {
            session.truncate(sequence, start)?;
        }
        let rows = accepted[0];
        // A prompt goes in whole, whatever is in it.
        let feed = Feed { sequence, tokens: &tokens[..rows], role: Role::Prompt };
        let (_, missed) = session.step(&[feed], |all, _| {
            let mut both = Both { shown: &mut *shown, all, lse, missed: Vec::new() };
            bench.model.hidden(&ids[..rows], &mut both)?;
            Ok::<_, Error>(both.missed)
        })?;
        Ok::<_, Error>(missed)
    })?;
    Ok((accepted[0], missed))
}

/// The log-sum-exps of the last attention, row by row and head by head.
type Noted = Arc<Mutex<Vec<f32>>>;

/// A session with one sequence, whose kernels note log-sum-exps.
struct Watched<B: Backend, K> {
    session: Session<B, Noting<K>>,
    sequence: SequenceId,
    lse: Noted,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone> Watched<B, K> {
    fn new(bench: &Bench<'_, B, K>, settings: Settings, trigger: Trigger) -> Result<Self, zoomr_core::Error> {
        let lse = Noted::default();
        let kernels = Noting { kernels: bench.kernels.clone(), lse: Arc::clone(&lse) };
        let layers = bench.model.config().layer_specs();
        let mut session = Session::new(&layers, settings, kernels, &bench.device)?;
        let sequence = session.add_sequence(bench.segmenter.fresh(), trigger);
        Ok(Self { session, sequence, lse })
    }
}

/// Kernels that note the log-sum-exps of each attention.
struct Noting<K> {
    kernels: K,
    lse: Noted,
}

impl<B: Backend, K: AttentionKernels<B>> AttentionKernels<B> for Noting<K> {
    fn tally(
        &self,
        q: &Tensor<B, 3>,
        index: &[Tensor<B, 4>],
        groups: &[ScoreGroup<'_>],
        votes: usize,
        scale: f32,
    ) -> Vec<Tally> {
        self.kernels.tally(q, index, groups, votes, scale)
    }

    fn attend(
        &self,
        q: &Tensor<B, 3>,
        kv: PagedKv<'_, B>,
        groups: &[AttendGroup<'_>],
        scale: f32,
    ) -> AttentionState<B> {
        let state = self.kernels.attend(q, kv, groups, scale);
        let lse: Vec<f32> = state.lse.clone().into_data().iter().collect();
        *self.lse.lock().unwrap_or_else(PoisonError::into_inner) = lse;
        state
    }
}

/// Gives every layer's queries, keys and values to two sessions.
struct Both<'a, B: Backend, K> {
    shown: &'a mut Session<B, Noting<K>>,
    all: &'a mut Session<B, Noting<K>>,
    lse: (&'a Noted, &'a Noted),
    missed: Vec<Vec<f64>>,
}

impl<B: Backend, K: AttentionKernels<B>> AttentionHook<B> for Both<'_, B, K> {
    fn positions(&self) -> &[usize] {
        self.shown.positions()
    }

    fn attend(
        &mut self,
        layer: usize,
        q: Tensor<B, 3>,
        k: Tensor<B, 3>,
        v: Tensor<B, 3>,
    ) -> Result<Tensor<B, 3>, zoomr_core::Error> {
        let [rows, heads, _] = q.dims();
        let output = self.shown.attend(layer, q.clone(), k.clone(), v.clone())?;
        self.all.attend(layer, q, k, v)?;
        let noted = |lse: &Noted| lse.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.missed.push(shares(&noted(self.lse.0), &noted(self.lse.1), rows, heads));
        Ok(output)
    }
}

/// The shares that were missed, from log-sum-exps `[rows, heads]` of everything and those of what was shown:
/// `[rows, heads]`, or, where each head was shown a set of its own, `[rows * heads, heads]`, a copy of the row for each
/// head.
fn shares(shown: &[f32], all: &[f32], rows: usize, heads: usize) -> Vec<f64> {
    let own = |i: usize| if shown.len() == rows * heads { i } else { i * heads + i % heads };
    let share = |i: usize| (1.0 - (f64::from(shown[own(i)]) - f64::from(all[i])).exp()).clamp(0.0, 1.0);
    (0..rows * heads).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_each_heads_own_row() {
        let all = [4f32.ln(), 8f32.ln()];
        let near = |found: Vec<f64>, expected: [f64; 2]| {
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        };
        near(shares(&[3f32.ln(), 2f32.ln()], &all, 1, 2), [0.25, 0.75]);
        near(shares(&[1f32.ln(), 0.0, 0.0, 6f32.ln()], &all, 1, 2), [0.75, 0.25]);
        near(shares(&[f32::NEG_INFINITY, 8.1f32.ln()], &all, 1, 2), [1.0, 0.0]);
    }
}
