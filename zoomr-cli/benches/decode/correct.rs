//! Whether the kernels that are about to be timed are right.
//!
//! The rule is that of the conformance suite: against f64, the fused kernels may err at most twice as much as
//! the portable ones do on the same inputs.

use std::fmt;

use anyhow::Result;
use zoomr_backend_cpu::{Cpu, CpuKernels, DEVICE, PlainKernels};
use zoomr_core::{
    config::{Options, PolicyKind, Scope, Settings},
    kernels::{AttentionKernels, LinearKernels},
    portable::Portable,
    segment::{Budget, Role},
    session::{Feed, ForwardPass, Session},
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{Error, Model, config::ModelConfig, weights::Weights};

/// Tokens of the text that go in at once, and then one by one: prefill and decoding have kernels of their own.
const CHUNK: usize = 12;
const SINGLE: usize = 6;

/// The largest errors of any logit, and what they are held to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check {
    fused: f32,
    portable: f32,
    largest: f32,
}

impl Check {
    /// Twice the portable kernels' error, and some roundings, since these may be exact by luck.
    fn allowed(self) -> f32 {
        2.0 * self.portable + 4.0 * f32::EPSILON * self.largest
    }

    pub(crate) fn holds(self) -> bool {
        self.fused <= self.allowed()
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { fused, portable, .. } = self;
        let allowed = self.allowed();
        write!(
            f,
            "fused logits within {fused:.1e} of f64's, allowed {allowed:.1e} (portable: {portable:.1e})"
        )
    }
}

/// Compares the kernels on the first tokens of `text`.
pub(crate) fn check(config: &ModelConfig, weights: &Weights, text: &[u32]) -> Result<Check> {
    let reference = logits(config, weights, text, PlainKernels)?;
    let portable = logits(config, weights, text, Portable)?;
    let fused = logits(config, weights, text, CpuKernels::new())?;
    Ok(Check {
        fused: difference(&fused, &reference),
        portable: difference(&portable, &reference),
        largest: reference.iter().fold(0.0, |most, logit| most.max(logit.abs())),
    })
}

/// Full attention's logits, `[CHUNK + SINGLE, vocab]`.
fn logits<K>(config: &ModelConfig, weights: &Weights, text: &[u32], kernels: K) -> Result<Vec<f32>>
where
    K: AttentionKernels<Cpu> + LinearKernels<Cpu> + Clone,
{
    let model = Model::load(config.clone(), weights, kernels.clone(), &DEVICE)?;
    let settings = Settings::try_from(Options { policy: PolicyKind::Full, ..Options::default() })?;
    let mut session = Session::new(&config.layer_specs(), settings, kernels, &DEVICE)?;
    let sequence = session.add_sequence(Box::new(Budget::new(std::num::NonZeroUsize::MAX)), Trigger::Pooled);
    let (chunk, rest) = text.split_at(CHUNK.min(text.len()));
    let mut logits = Vec::new();
    for ids in std::iter::once(chunk).chain(rest[..SINGLE.min(rest.len())].chunks(1)) {
        let tokens: Vec<Token<'_>> = ids.iter().map(|&id| Token::bare(id)).collect();
        let feed = Feed { sequence, tokens: &tokens, role: Role::Prompt, scope: Scope::Global };
        let forward =
            |pass: &mut ForwardPass<'_, _, _>, _: &[usize]| -> Result<_, Error> { model.forward(ids, pass) };
        let (_, rows) = session.step(&[feed], forward)?.single()?;
        logits.extend(rows.into_data().iter::<f32>());
    }
    Ok(logits)
}

/// The largest difference; NaN counts as infinite.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let one = |(a, b): (&f32, &f32)| if (a - b).is_finite() { (a - b).abs() } else { f32::INFINITY };
    a.iter().zip(b).map(one).fold(0.0, f32::max)
}
