//! A policy at work on a text: the text's tokens in quickly, then decoding proper, one greedy token at a time.

use std::time::{Duration, Instant};

use anyhow::Result;
use zoomr_backend_cpu::{Cpu, CpuKernels, DEVICE};
use zoomr_core::{
    config::{Options, Scope, Settings},
    segment::{Paragraphs, Role},
    session::{Feed, ForwardPass, SequenceId, Session},
    stats::TierBytes,
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{Error, Model, text::tokenizer::Tokenizer};

use super::timed::{Clock, Timed, TimedHook, Watch};

/// Tokens of text that go in at once.
const CHUNK: usize = 256;
/// Thoughts, as `zoomr generate` cuts them.
const THOUGHT: std::ops::RangeInclusive<usize> = 16..=96;

/// The kernels, under stopwatches; model and session share them.
pub(crate) type Kernels = Timed<CpuKernels>;

/// One sequence under some settings.
pub(crate) struct Decoder<'m> {
    model: &'m Model<Cpu, Kernels>,
    tokenizer: &'m Tokenizer,
    clock: &'m Clock,
    session: Session<Cpu, Kernels>,
    sequence: SequenceId,
    /// Tokens so far.
    len: usize,
    /// The likeliest next token.
    next: u32,
}

impl<'m> Decoder<'m> {
    /// An empty sequence; `clock` is that of the model's kernels.
    pub(crate) fn new(
        model: &'m Model<Cpu, Kernels>,
        tokenizer: &'m Tokenizer,
        clock: &'m Clock,
        options: Options,
    ) -> Result<Self> {
        let settings = Settings::try_from(options)?;
        let kernels = Timed::new(CpuKernels::new(), clock);
        let mut session = Session::new(&model.config().layer_specs(), settings, kernels, &DEVICE)?;
        let sequence = session.add_sequence(Box::new(Paragraphs::new(THOUGHT)?), Trigger::Pooled);
        Ok(Self { model, tokenizer, clock, session, sequence, len: 0, next: 0 })
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
        let (model, tokenizer, clock) = (self.model, self.tokenizer, self.clock);
        let token = |&id: &u32| Token { id, text: tokenizer.bytes_of(id) };
        let tokens: Vec<Token<'_>> = ids.iter().map(token).collect();
        let feed = Feed { sequence: self.sequence, tokens: &tokens, role: Role::Stream, scope };
        let forward = |pass: &mut ForwardPass<'_, _, _>, accepted: &[usize]| -> Result<_, Error> {
            clock.time(Watch::Forward, || {
                let hidden = model.hidden(&ids[..accepted[0]], &mut TimedHook { hook: pass, clock })?;
                let [rows, width] = hidden.dims();
                Ok(model.logits(hidden.slice([rows - 1..rows, 0..width])))
            })
        };
        let (accepted, logits) = clock.time(Watch::Step, || self.session.step(&[feed], forward))?.single()?;
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

    /// Where the time of all steps of all decoders goes, and their heap requests.
    pub(crate) fn clock(&self) -> &Clock {
        self.clock
    }

    /// Bytes of KV memory, on the device and cold.
    pub(crate) fn allocated(&self) -> u64 {
        self.session.allocated()
    }

    /// Tokens that the last step attended to, on average over layers.
    pub(crate) fn attended(&self) -> f64 {
        self.session.last_step().last_rows.iter().map(|row| row.attended).sum()
    }

    /// KV bytes by tier.
    pub(crate) fn bytes(&self) -> TierBytes {
        self.session.account()
    }
}
