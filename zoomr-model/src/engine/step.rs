//! One step of the engine: tokens in, logits out.

use burn::tensor::{Tensor, backend::Backend};
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::{Kind, Role},
    session::Feed,
    token::Token,
};

use super::{Engine, EngineError};
use crate::recording::Recorder;

/// The rows of a step whose logits are wanted; a vocabulary makes them dear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// The last row's, to choose the next token by.
    Last,
    /// Every row's.
    All,
}

/// What came of a step.
#[derive(Debug)]
pub(super) struct Stepped {
    /// The tokens that went in.
    pub(super) ids: Vec<u32>,
    /// What they belong to.
    pub(super) kind: Kind,
    /// The logits `[vocab]` of the row before this step's; empty before the first step.
    pub(super) before: Vec<f32>,
    /// The logits `[rows, vocab]` of the rows that were wanted.
    pub(super) logits: Vec<f32>,
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Engine<'_, B, K> {
    /// Takes in as many of `ids` as can go in one step, at least one, and computes their logits.
    ///
    /// # Errors
    /// Whatever model and session say; the sequence is then as it was before.
    pub(super) fn step(&mut self, ids: &[u32], role: Role, rows: Rows) -> Result<Stepped, EngineError> {
        let model = self.model;
        let tokens: Vec<Token<'_>> = ids.iter().map(|&id| Token { id, text: self.bytes(id) }).collect();
        let scope = self.session.settings().scope;
        let feed = Feed { sequence: self.sequence, tokens: &tokens, role, scope };
        let recording = &mut self.recording;
        let stepped = self.session.step(&[feed], |session, accepted| {
            let ids = &ids[..accepted[0]];
            match recording {
                Some(recording) => model.hidden(ids, &mut Recorder { recording, hook: session }),
                None => model.hidden(ids, session),
            }
        })?;
        let (accepted, hidden) = stepped.single()?;
        let width = hidden.dims()[1];

        let wanted = match rows {
            Rows::Last => hidden.slice([accepted - 1..accepted, 0..width]),
            Rows::All => hidden,
        };
        let logits = to_vec(model.logits(wanted));
        let last = logits[logits.len() - model.config().vocab_size()..].to_vec();
        let before = std::mem::replace(&mut self.last, last);
        let ids = ids[..accepted].to_vec();
        self.tokens.extend_from_slice(&ids);
        if let Some(recording) = &mut self.recording {
            recording.took(&ids, role);
        }
        let kind = self.stream()?.segments().last().map_or(Kind::Prompt, |segment| segment.kind);
        Ok(Stepped { ids, kind, before, logits })
    }

    /// How many more tokens the sequence may take.
    pub(super) fn room(&self) -> usize {
        self.limit.saturating_sub(self.tokens.len())
    }
}

/// The elements, row-major, as f32 whatever the backend computes in.
fn to_vec<B: Backend>(logits: Tensor<B, 2>) -> Vec<f32> {
    logits.into_data().convert::<f32>().into_vec().expect("just converted to f32")
}
