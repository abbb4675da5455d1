//! A policy at work on a text: the text's tokens in quickly, then decoding proper, one greedy token at a time.

use std::time::{Duration, Instant};

use anyhow::Result;
use zoomr_backend_cpu::{Cpu, CpuKernels, DEVICE};
use zoomr_core::{
    config::{Options, PolicyKind, Scope, Settings},
    segment::{Paragraphs, Role},
    session::{Feed, SequenceId, Session},
    stats::TierBytes,
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{Error, Model, text::tokenizer::Tokenizer};

/// Tokens of text that go in at once.
const CHUNK: usize = 256;
/// Thoughts, as `zoomr generate` cuts them.
const THOUGHT: std::ops::RangeInclusive<usize> = 16..=96;

/// One sequence under one policy with default settings.
pub(crate) struct Decoder<'m> {
    model: &'m Model<Cpu, CpuKernels>,
    tokenizer: &'m Tokenizer,
    session: Session<Cpu, CpuKernels>,
    sequence: SequenceId,
    /// Tokens so far.
    len: usize,
    /// The likeliest next token.
    next: u32,
}

impl<'m> Decoder<'m> {
    /// An empty sequence.
    pub(crate) fn new(
        model: &'m Model<Cpu, CpuKernels>,
        tokenizer: &'m Tokenizer,
        policy: PolicyKind,
    ) -> Result<Self> {
        let settings = Settings::try_from(Options { policy, ..Options::default() })?;
        let mut session = Session::new(&model.config().layer_specs(), settings, CpuKernels::new(), &DEVICE)?;
        let sequence = session.add_sequence(Box::new(Paragraphs::new(THOUGHT)?), Trigger::Pooled);
        Ok(Self { model, tokenizer, session, sequence, len: 0, next: 0 })
    }

    /// Goes on with `text` until there are `len` tokens.
    ///
    /// Many tokens at a time, which wants votes that serve their own step; decoding proper then goes on with
    /// the default scope.
    pub(crate) fn fill(&mut self, text: &[u32], len: usize) -> Result<()> {
        while self.len < len {
            let end = len.min(self.len + CHUNK);
            self.take(&text[self.len..end], Scope::Layer)?;
        }
        Ok(())
    }

    fn take(&mut self, ids: &[u32], scope: Scope) -> Result<()> {
        let (model, tokenizer) = (self.model, self.tokenizer);
        let token = |&id: &u32| Token { id, text: tokenizer.bytes_of(id) };
        let tokens: Vec<Token<'_>> = ids.iter().map(token).collect();
        let feed = Feed { sequence: self.sequence, tokens: &tokens, role: Role::Stream, scope };
        let forward = |session: &mut Session<_, _>, accepted: &[usize]| -> Result<_, Error> {
            let hidden = model.hidden(&ids[..accepted[0]], session)?;
            let [rows, width] = hidden.dims();
            Ok(model.logits(hidden.slice([rows - 1..rows, 0..width])))
        };
        let (accepted, logits) = self.session.step(&[feed], forward)?.single()?;
        self.len += accepted;
        let logits: Vec<f32> = logits.into_data().iter().collect();
        let likeliest = (0..logits.len()).max_by(|&a, &b| logits[a].total_cmp(&logits[b]));
        self.next = likeliest.unwrap_or(0) as u32;
        Ok(())
    }

    /// Decodes one token; how long that took.
    pub(crate) fn step(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        let scope = self.session.settings().scope;
        self.take(&[self.next], scope)?;
        Ok(begun.elapsed())
    }

    /// KV bytes by tier.
    pub(crate) fn bytes(&self) -> TierBytes {
        self.session.account()
    }
}
