//! What the tests of batches share: requests, a batch that notes what it is told, and an engine for comparison.

use std::{collections::BTreeMap, num::NonZeroUsize, ops::ControlFlow};

use burn_ndarray::NdArray;
use zoomr_core::{
    config::Settings,
    portable::Portable,
    segment::{Budget, Event as Bound, Kind, Segmenter},
    session::SequenceId,
    token::Token,
    trigger::Trigger,
};
use zoomr_model::{
    engine::{Batch, Engine, EngineError, EngineOptions, Event, Generated, StepBudget, Stop, Task, Thinking},
    text::sample::Sampler,
};

use crate::support::{Tiny, go_on, limits};

/// A text to be generated.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) prompt: Vec<u32>,
    pub(crate) trigger: Trigger,
    pub(crate) sampler: Sampler,
    pub(crate) max_tokens: usize,
}

impl Ask {
    /// A greedy one.
    pub(crate) fn new(prompt: &[u32], trigger: Trigger, max_tokens: usize) -> Self {
        Self { prompt: prompt.to_vec(), trigger, sampler: Sampler::default(), max_tokens }
    }

    pub(crate) fn task(&self) -> Task {
        let (prompt, sampler) = (self.prompt.clone(), self.sampler.clone());
        Task::Generate { prompt, sampler, limits: limits(self.max_tokens) }
    }

    /// What comes of it without any other request, as far as `options` say nothing of triggers.
    pub(crate) fn alone(&self, model: &Tiny, options: &EngineOptions) -> Generated {
        let options = EngineOptions { trigger: self.trigger, ..options.clone() };
        let segmenter = segmenter(self.trigger);
        let mut engine = Engine::new(model, None, Portable, &Default::default(), segmenter, options).unwrap();
        engine.generate(&self.prompt, self.sampler.clone(), limits(self.max_tokens), &mut go_on).unwrap()
    }
}

/// Thoughts of 8 tokens; or, where the model is to write its summaries itself, what certain tokens stand for.
fn segmenter(trigger: Trigger) -> Box<dyn Segmenter> {
    match trigger {
        Trigger::ModelEmitted => Box::new(Marks::default()),
        _ => Box::new(Budget::new(NonZeroUsize::new(8).unwrap())),
    }
}

/// Every token with an even id is a mark: it ends what is open, thought or summary, and begins the other.
#[derive(Clone, Debug, Default)]
struct Marks {
    open: Option<Kind>,
}

impl Segmenter for Marks {
    fn observe(&mut self, token: Token<'_>) -> Vec<Bound> {
        if token.id % 2 == 1 {
            return Vec::new();
        }
        let next = if self.open == Some(Kind::Thought) { Kind::Summary } else { Kind::Thought };
        match self.open.replace(next) {
            Some(open) => vec![Bound::End(open), Bound::Begin(next)],
            None => vec![Bound::Begin(next)],
        }
    }

    fn default_kind(&self) -> Kind {
        Kind::Answer
    }

    fn reset(&mut self) {
        self.open = None;
    }

    fn fresh(&self) -> Box<dyn Segmenter> {
        Box::new(Self::default())
    }
}

/// A batch, and what it has said of each request.
pub(crate) struct Together<'m> {
    pub(crate) batch: Batch<'m, NdArray, Portable>,
    options: EngineOptions,
    pub(crate) tokens: BTreeMap<SequenceId, Vec<u32>>,
    pub(crate) prompts: BTreeMap<SequenceId, Vec<usize>>,
    pub(crate) ended: BTreeMap<SequenceId, Result<Stop, EngineError>>,
}

impl<'m> Together<'m> {
    pub(crate) fn new(model: &'m Tiny, options: &EngineOptions) -> Self {
        Self::with(model, options, options.settings.clone())
    }

    /// With settings of its own, a cap perhaps.
    pub(crate) fn with(model: &'m Tiny, options: &EngineOptions, settings: Settings) -> Self {
        let batch = Batch::new(model, None, settings, Portable, &Default::default()).unwrap();
        let (tokens, prompts, ended) = Default::default();
        Self { batch, options: options.clone(), tokens, prompts, ended }
    }

    pub(crate) fn add(&mut self, trigger: Trigger) -> SequenceId {
        let summary = self.options.summary.clone();
        self.batch.add(Thinking { segmenter: segmenter(trigger), trigger, summary })
    }

    pub(crate) fn ask(&mut self, ask: &Ask) -> SequenceId {
        let id = self.add(ask.trigger);
        self.batch.begin(id, ask.task()).unwrap();
        id
    }

    /// One step of at most so many rows.
    pub(crate) fn step(&mut self, rows: usize) {
        let budget = StepBudget { rows: NonZeroUsize::new(rows).unwrap() };
        let (tokens, prompts) = (&mut self.tokens, &mut self.prompts);
        let mut listen = |id, event: Event<'_>| {
            match event {
                Event::Token { id: token, .. } => tokens.entry(id).or_default().push(token),
                Event::Prompt { done, .. } => prompts.entry(id).or_default().push(done),
                Event::Step { stats, .. } => {
                    assert!(stats.last_rows.iter().any(|row| row.sequence == id.number()));
                }
                _ => {}
            }
            ControlFlow::Continue(())
        };
        for ended in self.batch.step(budget, &mut listen).unwrap() {
            let twice = self.ended.insert(ended.id, ended.end).is_some();
            assert!(!twice, "{:?} has ended twice", ended.id);
        }
    }

    /// Steps until nobody has anything to do.
    pub(crate) fn finish(&mut self, rows: usize) {
        while self.batch.requests().any(|(_, request)| request.is_busy()) {
            self.step(rows);
        }
    }

    /// The tokens after the prompt, which must be those that were told of.
    pub(crate) fn written(&self, id: SequenceId) -> &[u32] {
        let tokens = self.batch.request(id).unwrap().new_tokens();
        assert_eq!(self.tokens.get(&id).map_or(&[][..], Vec::as_slice), tokens);
        tokens
    }
}
