//! One run: one problem solved under one setting, once, and graded.

use std::{
    ops::ControlFlow,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, LinearKernels},
    segment::Segmenter,
};

use super::{Outcome, Problem, answer, mass::Review, plan::Task};
use crate::{
    Model,
    engine::{Engine, EngineError, EngineOptions, Event, Limits, Stop},
    grade,
    reasoning_format::Markers,
    setting::Setting,
    text::{sample::Sampler, stop::StopTokens, tokenizer::Tokenizer},
};

/// What all runs have in common.
pub struct Bench<'a, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> {
    /// The model.
    pub model: &'a Model<B, K>,
    /// Its tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// The provider's kernels.
    pub kernels: K,
    /// Where the model is.
    pub device: Device<B>,
    /// Cuts texts into thoughts; each run has a fresh one.
    pub segmenter: Box<dyn Segmenter>,
    /// How an engine works; its settings are replaced by each run's own.
    pub options: EngineOptions,
    /// What the model was taught to write around its answers, if anything.
    pub markers: Option<Markers>,
    /// Tokens that end a text.
    pub end: StopTokens,
    /// Chooses tokens; each run has random numbers of its own from the same seed.
    pub sampler: Sampler,
    /// Runs something so that the kernels in it take no threads besides the one that calls: whole runs go on side by
    /// side, which leaves nothing for others to do.
    pub alone: fn(&mut (dyn FnMut() + Send)),
}

impl<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone> Bench<'_, B, K> {
    /// Solves a problem; `None` where `stop` was set before the end. With `mass`, missed attention is measured, which
    /// takes the time again.
    ///
    /// # Errors
    /// Whatever the engine says.
    pub(super) fn run(
        &self,
        task: Task,
        problem: &Problem,
        setting: &Setting,
        mass: bool,
        stop: &AtomicBool,
    ) -> Result<Option<Outcome>, EngineError> {
        let mut done = Ok(None);
        (self.alone)(&mut || done = self.solve(task, problem, setting, mass, stop));
        done
    }

    fn solve(
        &self,
        task: Task,
        problem: &Problem,
        setting: &Setting,
        mass: bool,
        stop: &AtomicBool,
    ) -> Result<Option<Outcome>, EngineError> {
        let mut engine = self.engine(setting.settings())?;
        let strings = problem.stops();
        let limits = Limits { max_tokens: problem.max_tokens, tokens: self.end.clone(), strings };
        // The same for every setting, so that settings differ in what they do to the model alone.
        let sampler = self.sampler.numbered(task.number());
        let mut observer = |_: Event<'_>| match stop.load(Relaxed) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let generated = engine.generate(&problem.prompt, sampler, limits, &mut observer)?;
        if generated.stop == Stop::Interrupted {
            return Ok(None);
        }
        let text = problem.own(&self.text(&generated.tokens));
        let answer = answer(&text, self.markers.as_ref());
        let session = engine.session();
        let mut outcome = Outcome {
            problem: task.problem,
            sample: task.sample,
            kind: problem.kind.clone(),
            setting: setting.name().to_owned(),
            answer: answer.map(str::to_owned),
            correct: answer.is_some_and(|answer| grade::same(answer, &problem.answer)),
            stop: generated.stop,
            prompt_tokens: problem.prompt.len(),
            output_tokens: generated.tokens.len(),
            prompt_seconds: generated.timing.prompt().as_secs_f64(),
            output_seconds: generated.timing.stream().as_secs_f64(),
            full_bytes: session.full_bytes(),
            bytes: session.account(),
            run: *session.run_stats(),
            missed_mass: None,
        };
        if mass {
            drop(engine);
            let tokens = [&problem.prompt[..], &generated.tokens].concat();
            match self.review(&tokens, problem.prompt.len()).under(setting.settings(), None, stop)? {
                Some(reviewed) => outcome.missed_mass = Some(reviewed.missed),
                None => return Ok(None),
            }
        }
        Ok(Some(outcome))
    }

    fn engine(&self, settings: &Settings) -> Result<Engine<'_, B, K>, EngineError> {
        let options = EngineOptions { settings: settings.clone(), ..self.options.clone() };
        let kernels = self.kernels.clone();
        Engine::new(self.model, Some(self.tokenizer), kernels, &self.device, self.segmenter.fresh(), options)
    }

    /// A finished text, to be gone over by the model.
    fn review<'t>(&'t self, tokens: &'t [u32], prompt: usize) -> Review<'t, B, K> {
        Review {
            rows: self.model,
            layers: self.model.config().layer_specs(),
            tokens,
            prompt,
            tokenizer: Some(self.tokenizer),
            kernels: &self.kernels,
            device: &self.device,
            segmenter: &*self.segmenter,
            trigger: self.options.trigger,
            chunks: (self.options.chunk, self.options.chunk),
        }
    }

    /// The text of some tokens, special ones spelled out: markers may be such.
    fn text(&self, tokens: &[u32]) -> String {
        let bytes: Vec<u8> =
            tokens.iter().flat_map(|&id| self.tokenizer.bytes_with_special(id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
