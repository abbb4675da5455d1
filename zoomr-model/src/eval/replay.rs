//! Settings applied to a recorded run, without the model: what would each policy have shown, at what memory, had this
//! text been written with these queries?
//!
//! Votes, selections, evictions and attention weights follow from queries and keys, so that all of them are what they
//! would have been. What a policy makes of the text is not: a model that sees less has other queries in its later
//! layers, and writes something else. So accuracy cannot be replayed. For the same reason a run under two-pass scope
//! replays with the queries of its second pass in the first pass, too. Summaries that an engine opened, which the
//! recording does not tell from other text, are ordinary text.
//!
//! A text counts as decoding counts it, with its prompt in chunks and then one token a step. What all settings are measured
//! against is the same, and found once.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    ops::ControlFlow,
    sync::atomic::AtomicBool,
};

use burn::tensor::{Device, backend::Backend};
use serde::Serialize;
use zoomr_core::{
    config::PolicyKind, hook::AttentionHook, kernels::AttentionKernels, kv::KvDtype, segment::Segmenter,
    stats::TierBytes, trigger::Trigger,
};

use super::{
    EvalError,
    error::distinct,
    lse::Everything,
    mass::{Review, Reviewed, RowSource},
    summary::ratio,
};
use crate::{
    Error, engine::EngineError, pool, recording::Recording, setting::Setting, text::tokenizer::Tokenizer,
};

/// A recording, and what is to be applied to it.
pub struct Replay<'a, B: Backend, K> {
    /// The recording.
    pub recording: &'a Recording,
    /// The settings.
    pub settings: &'a [Setting],
    /// The tokenizer of the model that was recorded; without one, segmenters that go by text see none.
    pub tokenizer: Option<&'a Tokenizer>,
    /// The provider's kernels.
    pub kernels: K,
    /// Where to compute.
    pub device: Device<B>,
    /// Cuts the text into thoughts; each setting has a fresh one.
    pub segmenter: Box<dyn Segmenter>,
    /// When a summary is due.
    pub trigger: Trigger,
    /// Tokens of the prompt that go in at once.
    pub chunk: NonZeroUsize,
    /// Settings that are replayed side by side; what comes of them does not depend on it.
    pub workers: NonZeroUsize,
    /// As [`Bench::alone`](super::Bench::alone).
    pub alone: fn(&mut (dyn FnMut() + Send)),
}

/// What a setting came to. Bytes are of KV memory.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Replayed {
    /// The setting's name.
    pub setting: String,
    /// The policy's name.
    pub policy: &'static str,
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens after it.
    pub output_tokens: usize,
    /// Tokens that a token after the prompt attended, on average.
    pub attended_tokens: f64,
    /// How many times fewer than with full attention.
    pub attended_times_fewer: f64,
    /// The most resident bytes.
    pub resident_peak: u64,
    /// Resident bytes summed over the steps, in byte-steps.
    pub resident_area: u64,
    /// What a full cache of the tokens takes.
    pub full_bytes: u64,
    /// KV bytes by tier at the end.
    pub bytes: TierBytes,
    /// How many times less is resident at most than a full cache on the device takes.
    pub reduction_of_device: f64,
    /// How many times less device and host hold together at the end than a full cache offloaded to the host; below 1
    /// is more.
    pub reduction_of_total: f64,
    /// Zoomed thoughts, or passages taken to hand, that were resident already.
    pub hits: u64,
    /// Those that had to be brought back.
    pub misses: u64,
    /// The share of the first among both; `None` where nothing was zoomed into.
    pub hit_rate: Option<f64>,
    /// The mean share of attention that went to tokens which were not shown, of the tokens after the prompt.
    pub missed_mass: f64,
}

impl<B: Backend, K: AttentionKernels<B> + Clone> Replay<'_, B, K> {
    /// Makes sure that it can be done.
    ///
    /// # Errors
    /// [`EvalError::Nothing`] where there is no setting, or nothing in the recording but a prompt,
    /// [`EvalError::Twice`] where a setting comes twice, [`EvalError::Opened`] where the engine would open summaries.
    pub fn check(&self) -> Result<(), EvalError> {
        distinct(self.settings)?;
        if self.recording.prompt() == self.recording.tokens().len() {
            return Err(EvalError::Nothing { what: "recorded token after the prompt" });
        }
        if self.trigger.asks_the_engine() { Err(EvalError::Opened) } else { Ok(()) }
    }

    /// Applies every setting; the observer is told several times a second how many are done, and may end it: unless
    /// all are done by then, there is no result.
    ///
    /// # Errors
    /// As [`check`](Self::check), and [`EvalError::Replay`] where a setting cannot be applied.
    pub fn run(
        &self,
        observer: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<Vec<Replayed>>, EvalError> {
        self.check()?;
        let Some(everything) = self.everything(observer)? else { return Ok(None) };
        let mut done: Vec<(usize, Replayed)> = Vec::new();
        let tasks: Vec<(usize, &Setting)> = self.settings.iter().enumerate().collect();
        pool::work(
            self.workers,
            &tasks,
            |(_, setting), stop| {
                let everything = everything.get(&setting.settings().kv);
                self.apply(setting, everything, stop).map_err(|source| failed(setting.name(), source))
            },
            |got| {
                done.extend(got.map(|((number, _), replayed)| (*number, replayed)));
                Ok(observer(done.len()))
            },
        )?;
        done.sort_by_key(|(number, _)| *number);
        let whole = done.len() == self.settings.len();
        Ok(whole.then(|| done.into_iter().map(|(_, replayed)| replayed).collect()))
    }

    /// What settings are measured against, by the dtype that they store keys in: what they miss is not what rounding
    /// moves. `None` where the observer ended it.
    fn everything(
        &self,
        observer: &mut dyn FnMut(usize) -> ControlFlow<()>,
    ) -> Result<Option<BTreeMap<KvDtype, Everything>>, EvalError> {
        let stored: BTreeSet<KvDtype> = self.settings.iter().map(|setting| setting.settings().kv).collect();
        let dtypes: Vec<KvDtype> = stored.into_iter().collect();
        let mut found = BTreeMap::new();
        pool::work(
            NonZeroUsize::MIN,
            &dtypes,
            // By itself, so that its kernels may take all threads.
            |&kv, stop| {
                let everything = self.review(&self.tape()).everything(kv, stop);
                everything.map_err(|source| failed(PolicyKind::Full.name(), source))
            },
            |got| {
                found.extend(got.map(|(kv, everything)| (*kv, everything)));
                Ok(observer(0))
            },
        )?;
        Ok((found.len() == dtypes.len()).then_some(found))
    }

    fn apply(
        &self,
        setting: &Setting,
        everything: Option<&Everything>,
        stop: &AtomicBool,
    ) -> Result<Option<Replayed>, EngineError> {
        let mut reviewed = Ok(None);
        (self.alone)(&mut || {
            reviewed = self.review(&self.tape()).under(setting.settings(), everything, stop);
        });
        Ok(reviewed?.map(|reviewed| self.replayed(setting, &reviewed)))
    }

    fn tape(&self) -> Tape<'_, B> {
        Tape { recording: self.recording, device: &self.device }
    }

    fn review<'t>(&'t self, tape: &'t Tape<'t, B>) -> Review<'t, B, K> {
        Review {
            rows: tape,
            layers: self.recording.layers(),
            tokens: self.recording.tokens(),
            prompt: self.recording.prompt(),
            tokenizer: self.tokenizer,
            kernels: &self.kernels,
            device: &self.device,
            segmenter: &*self.segmenter,
            trigger: self.trigger,
            chunks: (self.chunk, NonZeroUsize::MIN),
        }
    }

    fn replayed(&self, setting: &Setting, reviewed: &Reviewed) -> Replayed {
        let Reviewed { missed, prompt, run, bytes, full_bytes } = *reviewed;
        let prompt_tokens = self.recording.prompt();
        // Each token after the prompt was a step of its own.
        let attended = run.attended - prompt.attended;
        let output_tokens = (run.steps - prompt.steps) as f64;
        let full = full_bytes as f64;
        Replayed {
            setting: setting.name().to_owned(),
            policy: setting.settings().policy.name(),
            prompt_tokens,
            output_tokens: self.recording.tokens().len() - prompt_tokens,
            attended_tokens: ratio(attended, output_tokens).unwrap_or(0.0),
            attended_times_fewer: ratio(run.attended_full - prompt.attended_full, attended).unwrap_or(0.0),
            resident_peak: run.resident_peak,
            resident_area: run.resident_area,
            full_bytes,
            bytes,
            reduction_of_device: ratio(full, run.resident_peak as f64).unwrap_or(0.0),
            reduction_of_total: ratio(full, bytes.total() as f64).unwrap_or(0.0),
            hits: run.hits,
            misses: run.misses,
            hit_rate: ratio(run.hits as f64, (run.hits + run.misses) as f64),
            missed_mass: missed,
        }
    }
}

fn failed(setting: &str, source: EngineError) -> EvalError {
    EvalError::Replay { setting: setting.to_owned(), source: Box::new(source) }
}

/// A recording that is played.
struct Tape<'a, B: Backend> {
    recording: &'a Recording,
    device: &'a Device<B>,
}

impl<B: Backend> RowSource<B> for Tape<'_, B> {
    fn give(&self, start: usize, ids: &[u32], hook: &mut dyn AttentionHook<B>) -> Result<(), Error> {
        for layer in 0..self.recording.layers().len() {
            let (q, k) = self.recording.rows(layer, start..start + ids.len(), self.device);
            // Values are as large as keys, and nobody looks at what comes of them.
            hook.attend(layer, q, k.clone(), k)?;
        }
        Ok(())
    }
}
