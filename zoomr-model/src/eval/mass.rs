//! The attention that a policy missed: of all that a row's query would have given to the tokens before it, had it been
//! shown them, the share that went to those that it was not shown.
//!
//! A finished text is gone over once more, under a policy. Queries and keys come from the model, which runs under that
//! policy, or from a recording. Each layer's go to a second session too, which shows everything; its outputs are not
//! used. Those of a recording are the same under every policy, so that the second session need go over it only once,
//! many tokens at a time. From the two log-sum-exps `l` (shown) and `L` (everything) of a row and head follows the share
//! `1 - exp(l - L)`: no policy need say what it showed, and evicted tokens count like any others.

use std::{
    num::NonZeroUsize,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    config::{Options, PolicyKind, Scope, Settings},
    hook::AttentionHook,
    kernels::{AttentionKernels, LinearKernels},
    kv::KvDtype,
    layer::LayerSpec,
    segment::{Role, Segmenter},
    session::{Feed, ForwardPass, SequenceId, Session},
    stats::{RunStats, TierBytes},
    token::Token,
    trigger::Trigger,
};

use super::lse::{Against, Both, Collecting, Everything};
use crate::{Error, Model, engine::EngineError, text::tokenizer::Tokenizer};

/// Where the queries and keys of a text come from.
pub(super) trait RowSource<B: Backend> {
    /// Gives `hook`, for every layer in order, those of `ids`, which begin at position `start`.
    ///
    /// # Errors
    /// Whatever the hook says.
    fn give(&self, start: usize, ids: &[u32], hook: &mut dyn AttentionHook<B>) -> Result<(), Error>;
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> RowSource<B> for Model<B, K> {
    fn give(&self, _: usize, ids: &[u32], hook: &mut dyn AttentionHook<B>) -> Result<(), Error> {
        self.hidden(ids, hook).map(drop)
    }
}

/// A finished text, to be gone over under any settings.
pub(super) struct Review<'a, B: Backend, K> {
    pub(super) rows: &'a dyn RowSource<B>,
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
    /// Goes over the text with everything shown, keys stored as `kv`; `None` where `stop` was set before the end.
    ///
    /// # Errors
    /// Whatever the source of the rows and the session say.
    pub(super) fn everything(
        &self,
        kv: KvDtype,
        stop: &AtomicBool,
    ) -> Result<Option<Everything>, EngineError> {
        let Watched { mut session, sequence } =
            self.showing_everything(&Options { kv, ..Options::default() })?;
        let mut layers = vec![Vec::new(); self.layers.len()];
        let mut done = 0;
        for ids in self.tokens.chunks(self.chunks.0.get()) {
            if stop.load(Relaxed) {
                return Ok(None);
            }
            let tokens = self.texts(ids);
            let feed = Feed { sequence, tokens: &tokens, role: Role::Prompt, scope: Scope::Layer };
            let collect = |pass: &mut ForwardPass<'_, B, K>, _: &[usize]| {
                self.rows.give(done, ids, &mut Collecting { pass: pass.by_ref(), layers: &mut layers })
            };
            session.step(&[feed], collect)?.single()?;
            done += ids.len();
        }
        Ok(Some(Everything { layers }))
    }

    /// Goes over the text under a policy; `None` where `stop` was set before the end. What everything comes to is
    /// found on the way where it is not `known`, as it cannot be where queries depend on the policy.
    ///
    /// # Errors
    /// Whatever the source of the rows and the sessions say.
    pub(super) fn under(
        &self,
        settings: &Settings,
        known: Option<&Everything>,
        stop: &AtomicBool,
    ) -> Result<Option<Reviewed>, EngineError> {
        let mut shown = self.watched(&self.layers, settings.clone(), self.trigger)?;
        let mut all = match known {
            Some(everything) => All::Known(everything),
            None => All::Beside(Box::new(self.showing_everything(settings)?)),
        };
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
        all: &mut All<'_, B, K>,
        start: usize,
        ids: &[u32],
        role: Role,
    ) -> Result<(usize, Vec<Vec<f64>>), EngineError> {
        let tokens = self.texts(ids);
        let scope = shown.session.settings().scope;
        let feed = Feed { sequence: shown.sequence, tokens: &tokens, role, scope };
        let stepped = shown.session.step(&[feed], |shown, accepted| {
            let rows = accepted[0];
            let mut measure = |against: Against<'_, B, K>| {
                let mut both = Both { shown: shown.by_ref(), against, missed: Vec::new() };
                self.rows.give(start, &ids[..rows], &mut both)?;
                Ok::<_, Error>(both.missed)
            };
            let Watched { session, sequence } = match all {
                All::Known(everything) => return measure(Against::Known(everything, start)),
                All::Beside(watched) => &mut **watched,
            };
            // Where votes count for the same step, it runs twice.
            if session.stream(*sequence)?.len() > start {
                session.truncate(*sequence, start)?;
            }
            // A prompt goes in whole, whatever is in it.
            let feed = Feed {
                sequence: *sequence,
                tokens: &tokens[..rows],
                role: Role::Prompt,
                scope: Scope::Layer,
            };
            let (_, missed) =
                session.step(&[feed], |all, _| measure(Against::Pass(all.by_ref())))?.single()?;
            Ok::<_, Error>(missed)
        })?;
        Ok(stepped.single()?)
    }

    /// The tokens with the text that each stands for, as far as a tokenizer knows.
    fn texts(&self, ids: &[u32]) -> Vec<Token<'_>> {
        let text = |id| self.tokenizer.map_or(&[][..], |tokenizer| tokenizer.bytes_of(id));
        ids.iter().map(|&id| Token { id, text: text(id) }).collect()
    }

    /// A session that shows everything, also in layers with a window of their own: those drop what has left it, and the
    /// session could not go back over a step.
    fn showing_everything(&self, options: &Options) -> Result<Watched<B, K>, zoomr_core::Error> {
        let layers: Vec<_> =
            self.layers.iter().map(|layer| LayerSpec { sliding_window: None, ..*layer }).collect();
        let options = Options { policy: PolicyKind::Full, cap: None, ..options.clone() };
        self.watched(&layers, Settings::try_from(options)?, Trigger::Pooled)
    }

    fn watched(
        &self,
        layers: &[LayerSpec],
        settings: Settings,
        trigger: Trigger,
    ) -> Result<Watched<B, K>, zoomr_core::Error> {
        let mut session = Session::new(layers, settings, self.kernels.clone(), self.device)?;
        let sequence = session.add_sequence(self.segmenter.fresh(), trigger);
        Ok(Watched { session, sequence })
    }
}

/// A session with one sequence.
struct Watched<B: Backend, K: AttentionKernels<B>> {
    session: Session<B, K>,
    sequence: SequenceId,
}

/// Where the log-sum-exps of everything come from.
enum All<'a, B: Backend, K: AttentionKernels<B>> {
    /// They have been found before.
    Known(&'a Everything),
    /// They come from a session beside the one under the policy.
    Beside(Box<Watched<B, K>>),
}
