//! The requests that one model works on, over one session.

use std::{collections::BTreeMap, ops::ControlFlow};

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, LinearKernels},
    segment::Segmenter,
    session::{SequenceId, Session},
    trigger::Trigger,
};

use super::{EngineError, Request, Stop, SummaryText, Task};
use crate::{Model, text::tokenizer::Tokenizer};

/// How a request's text becomes thoughts and summaries.
#[derive(Debug)]
pub struct Thinking {
    /// Cuts the text.
    pub segmenter: Box<dyn Segmenter>,
    /// When a summary is due, and who opens it.
    pub trigger: Trigger,
    /// The summaries' frame and length, under triggers that ask the engine for them.
    pub summary: SummaryText,
}

/// A model at work on any number of requests.
///
/// A request is [added](Self::add) empty, or as a [fork](Self::fork) of another one, and is then given something to
/// do: [`begin`](Self::begin). [`step`](Self::step) advances all that have something to do. One that has come to its
/// end stays, with its tokens and its pages, until it is [removed](Self::remove): it can be read and forked, and
/// begun again, which continues its text.
///
/// What a request writes depends neither on the others nor on when they come and go, but for two things that they
/// share: the cap on KV memory, and under [`Trigger::Pressure`] the memory that is in use. (And for rounding, where a
/// provider's kernels compute more rows in another order.)
///
/// ```
/// # use std::{num::NonZeroUsize, ops::ControlFlow, path::Path};
/// # use zoomr_core::{config::{Options, Settings}, portable::Portable, segment::Budget, trigger::Trigger};
/// # use zoomr_model::{Model, config::ModelConfig, weights::Weights};
/// # use zoomr_model::engine::{Batch, Limits, StepBudget, SummaryText, Task, Thinking};
/// # use zoomr_model::text::{sample::Sampler, stop::{StopStrings, StopTokens}};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llama");
/// # let (config, device) = (ModelConfig::from_dir(&dir)?, Default::default());
/// # let weights = Weights::open(&dir, &config.tensors())?;
/// # let model = Model::<burn_ndarray::NdArray, _>::load(config, &weights, Portable, &device)?;
/// # let settings = Settings::try_from(Options::default())?;
/// # let count = |n| NonZeroUsize::new(n).ok_or("0");
/// # let limit = count(8)?;
/// # let summary = SummaryText { open: vec![], close: vec![], limit, end: StopTokens::default() };
/// let mut batch = Batch::new(&model, None, settings, Portable, &device)?;
/// for prompt in [vec![5, 17, 3], vec![8; 100]] {
///     let segmenter = Box::new(Budget::new(count(16)?));
///     let id = batch.add(Thinking { segmenter, trigger: Trigger::Pooled, summary: summary.clone() });
///     let (tokens, strings) = (StopTokens::default(), StopStrings::default());
///     let limits = Limits { max_tokens: 20, tokens, strings };
///     batch.begin(id, Task::Generate { prompt, sampler: Sampler::default(), limits })?;
/// }
/// let budget = StepBudget { rows: count(32)? };
/// while batch.requests().any(|(_, request)| request.is_busy()) {
///     for ended in batch.step(budget, &mut |_, _| ControlFlow::Continue(()))? {
///         let request = batch.remove(ended.id)?;
///         println!("{:?}: {:?}", ended.end?, request.new_tokens());
///         assert_eq!(request.new_tokens().len(), 20);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Batch<'m, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> {
    pub(super) model: &'m Model<B, K>,
    /// Says what text each token stands for; without one, segmenters that go by text see none.
    pub(super) tokenizer: Option<&'m Tokenizer>,
    pub(super) session: Session<B, K>,
    pub(super) requests: BTreeMap<SequenceId, Request>,
    /// How many tasks have begun.
    begun: usize,
}

impl<'m, B: Backend, K: AttentionKernels<B> + LinearKernels<B>> Batch<'m, B, K> {
    /// A batch without requests. `kernels` are the provider's, on `device`, where the model is too.
    ///
    /// # Errors
    /// [`EngineError::Model`] where the session refuses the model's layers.
    pub fn new(
        model: &'m Model<B, K>,
        tokenizer: Option<&'m Tokenizer>,
        settings: Settings,
        kernels: K,
        device: &Device<B>,
    ) -> Result<Self, EngineError> {
        let session = Session::new(&model.config().layer_specs(), settings, kernels, device)?;
        Ok(Self { model, tokenizer, session, requests: BTreeMap::new(), begun: 0 })
    }

    /// Adds a request without tokens, and with nothing to do yet.
    pub fn add(&mut self, thinking: Thinking) -> SequenceId {
        let Thinking { segmenter, trigger, summary } = thinking;
        let id = self.session.add_sequence(segmenter, trigger);
        self.requests.insert(id, Request::new(summary));
        id
    }

    /// Adds a request that begins as the first `at` tokens of another one, and shares its pages; it has nothing to do
    /// yet. The other one goes on undisturbed.
    ///
    /// A prompt to continue has at least one token. Several texts that continue the same prompt are forks one token before
    /// its end, which are given that token. A text to score may have no prompt.
    ///
    /// # Errors
    /// As [`Session::fork`]: where the policy has dropped what would be needed at `at`, or there is no room.
    pub fn fork(&mut self, id: SequenceId, at: usize) -> Result<SequenceId, EngineError> {
        let request = self.request(id)?.fork(at);
        let fork = self.session.fork(id, at)?;
        self.requests.insert(fork, request);
        Ok(fork)
    }

    /// Gives a request something to do, after the tokens that it has.
    ///
    /// # Errors
    /// [`EngineError::Busy`], [`EngineError::EmptyPrompt`], [`EngineError::NothingToScore`],
    /// [`EngineError::TooLong`]; the request is then as it was.
    pub fn begin(&mut self, id: SequenceId, task: Task) -> Result<(), EngineError> {
        let (context, number) = (self.model.config().context_length(), self.begun);
        self.request_mut(id)?.begin(task, context, number)?;
        self.begun += 1;
        Ok(())
    }

    /// Takes a request out, and frees its pages; if it still has something to do, that ends here.
    ///
    /// # Errors
    /// Where there is no such request.
    pub fn remove(&mut self, id: SequenceId) -> Result<Request, EngineError> {
        self.session.remove_sequence(id)?;
        let mut request = self.requests.remove(&id).ok_or(missing(id))?;
        if request.is_busy() {
            // Text that was held back is text.
            let _ = request.end(Ok(Stop::Interrupted), &mut |_| ControlFlow::Continue(()));
        }
        Ok(request)
    }

    /// Records a request from its first token on.
    ///
    /// # Errors
    /// [`EngineError::RecordedLate`] where it has tokens already, as a fork has.
    pub fn record(&mut self, id: SequenceId) -> Result<(), EngineError> {
        let layers = self.model.config().layer_specs();
        self.request_mut(id)?.record(&layers)
    }

    /// A request: what it has written so far.
    ///
    /// # Errors
    /// Where there is no such request.
    pub fn request(&self, id: SequenceId) -> Result<&Request, EngineError> {
        self.requests.get(&id).ok_or(missing(id))
    }

    /// All requests, in the order in which they were added.
    pub fn requests(&self) -> impl Iterator<Item = (SequenceId, &Request)> {
        self.requests.iter().map(|(&id, request)| (id, request))
    }

    /// The session: what is cached where, and what was counted.
    pub fn session(&self) -> &Session<B, K> {
        &self.session
    }

    fn request_mut(&mut self, id: SequenceId) -> Result<&mut Request, EngineError> {
        self.requests.get_mut(&id).ok_or(missing(id))
    }
}

fn missing(id: SequenceId) -> EngineError {
    zoomr_core::Error::NoSequence(id.number()).into()
}
