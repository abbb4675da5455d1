//! The attention that a policy missed: of all that a row's query would have given to the tokens before it, had it been
//! shown them, the share that went to those that it was not shown.
//!
//! A finished text is gone over once more, under a policy. Queries and keys come from the model, which runs under that
//! policy, or from a recording. Each layer's go to a second session too, which shows everything; its outputs are not
//! used. From the two log-sum-exps `l` (shown) and `L` (everything) of a row and head follows the share
//! `1 - exp(l - L)`: no policy need say what it showed, and evicted tokens count like any others.

use std::{
    num::NonZeroUsize,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use burn::tensor::{Device, Tensor, backend::Backend};
use zoomr_core::{
    config::{Options, PolicyKind, Settings},
    hook::AttentionHook,
    kernels::{AttendGroup, AttentionKernels, LinearKernels, PagedKv, ScoreGroup},
    layer::LayerSpec,
    segment::{Role, Segmenter},
    select::Tally,
    session::{Feed, SequenceId, Session},
    state::AttentionState,
    stats::{RunStats, TierBytes},
    token::Token,
    trigger::Trigger,
};

use crate::{Error, Model, engine::EngineError, text::tokenizer::Tokenizer};

/// Where the queries and keys of a text come from.
pub(super) trait Rows<B: Backend> {
    /// Gives `hook`, for every layer in order, those of `ids`, which begin at position `start`.
    ///
    /// # Errors
    /// Whatever the hook says.
    fn give(&self, start: usize, ids: &[u32], hook: &mut dyn AttentionHook<B>) -> Result<(), Error>;
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Rows<B> for Model<B, K> {
    fn give(&self, _: usize, ids: &[u32], hook: &mut dyn AttentionHook<B>) -> Result<(), Error> {
        self.hidden(ids, hook).map(drop)
    }
}

/// A finished text, to be gone over under any settings.
pub(super) struct Review<'a, B: Backend, K> {
    pub(super) rows: &'a dyn Rows<B>,
    pub(super) layers: Vec<LayerSpec>,
    pub(super) tokens: &'a [u32],
    /// How many of the tokens are the prompt.
    pub(super) prompt: usize,
    /// Says what text each token stands for.
    pub(super) tokenizer: Option<&'a Tokenizer>,
    pub(super) kernels: &'a K,
    pub(super) device: &'a Device<B>,
    /// Cuts the text into thoughts; each time a fresh one.
    pub(super) segmenter: &'a dyn Segmenter,
    pub(super) trigger: Trigger,
    /// Tokens of the prompt that go in at once, and of the rest.
    pub(super) chunks: (NonZeroUsize, NonZeroUsize),
}

/// What came of it.
pub(super) struct Reviewed {
    /// The mean share missed by the rows after the prompt, over heads and over the layers that policies act in.
    pub(super) missed: f64,
    /// Counted until the end of the prompt.
    pub(super) prompt: RunStats,
    /// Counted until the end.
    pub(super) run: RunStats,
    /// KV bytes by tier at the end.
    pub(super) bytes: TierBytes,
    /// What a full cache takes at the end.
    pub(super) full_bytes: u64,
}

impl<B: Backend, K: AttentionKernels<B> + Clone> Review<'_, B, K> {
    /// Goes over the text; `None` where `stop` was set before the end.
    ///
    /// # Errors
    /// Whatever the source of the rows and the sessions say.
    pub(super) fn under(
        &self,
        settings: &Settings,
        stop: &AtomicBool,
    ) -> Result<Option<Reviewed>, EngineError> {
        let everything = Options { policy: PolicyKind::Full, cap: None, ..(**settings).clone() };
        let mut shown = self.watched(settings.clone(), self.trigger)?;
        let mut all = self.watched(Settings::try_from(everything)?, Trigger::Pooled)?;
        let acting: Vec<bool> = self.layers.iter().map(|layer| layer.sliding_window.is_none()).collect();
        let (mut sum, mut count, mut done) = (0.0, 0usize, 0);
        let mut prompt = RunStats::default();
        while done < self.tokens.len() {
            if stop.load(Relaxed) {
                return Ok(None);
            }
            let (role, end, chunk) = match done < self.prompt {
                true => (Role::Prompt, self.prompt, self.chunks.0),
                false => (Role::Stream, self.tokens.len(), self.chunks.1),
            };
            let ids = &self.tokens[done..end.min(done + chunk.get())];
            let (accepted, missed) = self.step(&mut shown, &mut all, done, ids, role)?;
            match role {
                Role::Prompt => prompt = *shown.session.run_stats(),
                Role::Stream => {
                    let acting = missed.iter().zip(&acting).filter(|(_, acting)| **acting);
                    for share in acting.flat_map(|(shares, _)| shares) {
                        sum += share;
                        count += 1;
                    }
                }
            }
            done += accepted;
        }
        let session = &shown.session;
        Ok(Some(Reviewed {
            missed: if count > 0 { sum / count as f64 } else { 0.0 },
            prompt,
            run: *session.run_stats(),
            bytes: session.account(),
            full_bytes: session.full_bytes(),
        }))
    }

    /// Takes in as many of `ids`, which begin at position `start`, as the policy takes at once. Returns how many, and
    /// the shares missed: for each layer, one per row and head.
    fn step(
        &self,
        shown: &mut Watched<B, K>,
        all: &mut Watched<B, K>,
        start: usize,
        ids: &[u32],
        role: Role,
    ) -> Result<(usize, Vec<Vec<f64>>), EngineError> {
        let bytes = |id| self.tokenizer.map_or(&[][..], |tokenizer| tokenizer.bytes_of(id));
        let tokens: Vec<Token<'_>> = ids.iter().map(|&id| Token { id, text: bytes(id) }).collect();
        let lse = (&shown.lse, &all.lse);
        let (session, sequence) = (&mut all.session, all.sequence);
        let feed = Feed { sequence: shown.sequence, tokens: &tokens, role };
        let (accepted, missed) = shown.session.step(&[feed], |shown, accepted| {
            // Where votes count for the same step, it runs twice.
            if session.stream(sequence)?.len() > start {
                session.truncate(sequence, start)?;
            }
            let rows = accepted[0];
            // A prompt goes in whole, whatever is in it.
            let feed = Feed { sequence, tokens: &tokens[..rows], role: Role::Prompt };
            let (_, missed) = session.step(&[feed], |all, _| {
                let mut both = Both { shown: &mut *shown, all, lse, missed: Vec::new() };
                self.rows.give(start, &ids[..rows], &mut both)?;
                Ok::<_, Error>(both.missed)
            })?;
            Ok::<_, Error>(missed)
        })?;
        Ok((accepted[0], missed))
    }

    /// A session with one sequence, whose log-sum-exps are noted.
    fn watched(&self, settings: Settings, trigger: Trigger) -> Result<Watched<B, K>, zoomr_core::Error> {
        let lse = Noted::default();
        let kernels = Noting { kernels: self.kernels.clone(), lse: Arc::clone(&lse) };
        let mut session = Session::new(&self.layers, settings, kernels, self.device)?;
        let sequence = session.add_sequence(self.segmenter.fresh(), trigger);
        Ok(Watched { session, sequence, lse })
    }
}

/// The log-sum-exps of the last attention, row by row and head by head.
type Noted = Arc<Mutex<Vec<f32>>>;

/// A session with one sequence, whose kernels note log-sum-exps.
struct Watched<B: Backend, K> {
    session: Session<B, Noting<K>>,
    sequence: SequenceId,
    lse: Noted,
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
