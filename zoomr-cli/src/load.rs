//! From `--model` to a model in memory: directory, configuration, tokenizer, weights.
//!
//! In two parts, so that whatever is wrong with the prompt is said before the weights are read.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use burn::tensor::Device;
use zoomr_core::segment::Segmenter;
use zoomr_model::{
    Model,
    adapter::Adapter,
    config::ModelConfig,
    engine::{Engine, EngineError, EngineOptions},
    habits::Habits,
    text::{
        chat::{ChatTemplate, Message},
        defaults::SamplingDefaults,
        stop::StopTokens,
        tokenizer::{Tokenizer, TokenizerError},
    },
    weights::Weights,
};

use crate::{
    args::{
        model::{ModelArgs, ModelDir},
        text::Given,
    },
    output::status::Status,
    provider::Provider,
};

/// A model's directory, with everything read but the weights.
pub(crate) struct ModelFiles {
    dir: ModelDir,
    /// The architecture of its weights.
    base: ModelConfig,
    adapter: Option<Adapter>,
    /// The architecture, an adapter's tokens included.
    pub(crate) config: ModelConfig,
    /// `None` where there is none and none is needed.
    pub(crate) tokenizer: Option<Tokenizer>,
    pub(crate) sampling: SamplingDefaults,
    /// What the model was taught about thinking, if anything.
    pub(crate) habits: Option<Habits>,
}

/// A model on its backend.
pub(crate) struct Loaded<P: Provider> {
    pub(crate) model: Model<P::Backend, P::Kernels>,
    pub(crate) kernels: P::Kernels,
    pub(crate) device: Device<P::Backend>,
    /// The weights as their files hold them.
    pub(crate) weights: Weights,
}

impl<P: Provider> Loaded<P> {
    /// An engine that runs the model.
    ///
    /// # Errors
    /// Where the settings do not suit the model.
    pub(crate) fn engine<'a>(
        &'a self,
        tokenizer: Option<&'a Tokenizer>,
        segmenter: Box<dyn Segmenter>,
        options: EngineOptions,
    ) -> Result<Engine<'a, P::Backend, P::Kernels>, EngineError> {
        Engine::new(&self.model, tokenizer, self.kernels.clone(), &self.device, segmenter, options)
    }
}

/// How a text becomes a prompt.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    /// As it is.
    Plain,
    /// As a user's turn, through the model's chat template.
    Chat {
        /// What the model is told before.
        system: Option<String>,
    },
}

impl ModelFiles {
    /// Finds (or fetches) the model; `given` says whether a tokenizer is needed.
    ///
    /// # Errors
    /// Where there is no such model, or a file of it is missing or of no use.
    pub(crate) fn open(args: &ModelArgs, given: &Given, status: &Status) -> Result<Self> {
        let dir = args.locate(status)?;
        let base = ModelConfig::from_dir(&dir)?;
        let adapter = args.adapter.as_ref().map(|adapter| Adapter::open(adapter, &base)).transpose()?;
        let config = adapter.as_ref().map_or(&base, Adapter::adapted).clone();
        // What an adapter brings goes before what the model has.
        let own = |file: &str| args.adapter.as_ref().filter(|adapter| adapter.join(file).exists());
        let with = |file: &str| own(file).map_or(&*dir, PathBuf::as_path);
        let tokenizer = match (Tokenizer::from_dir(with("tokenizer.json")), given) {
            (Err(TokenizerError::Missing { .. }), Given::Tokens(_)) => None,
            (tokenizer, _) => Some(tokenizer?),
        };
        if let Some(tokenizer) = &tokenizer {
            tokenizer.check_vocabulary(config.vocab_size())?;
        }
        given.check(config.vocab_size())?;
        let sampling = SamplingDefaults::from_dir(&dir)?;
        let habits = Habits::from_dir(with("zoomr.json"))?;
        Ok(Self { dir, base, adapter, config, tokenizer, sampling, habits })
    }

    /// The token ids of what was given.
    ///
    /// # Errors
    /// Where it cannot be tokenized, or the model has no usable chat template and needs one.
    pub(crate) fn encode(&self, given: Given, form: &Form) -> Result<Vec<u32>> {
        let text = match given {
            Given::Tokens(ids) => return Ok(ids),
            Given::Text(text) => text,
        };
        let tokenizer = self.tokenizer.as_ref().context("the model has no tokenizer; give --tokens")?;
        let ids = match form {
            Form::Plain => tokenizer.encode(&text)?,
            Form::Chat { system } => {
                let mut messages: Vec<Message> = system.iter().map(Message::system).collect();
                messages.push(Message::user(text));
                let rendered = self.chat_template()?.render(&messages, true)?;
                tokenizer.encode_verbatim(&rendered)?
            }
        };
        if ids.is_empty() {
            bail!("the text is empty; give at least one word");
        }
        Ok(ids)
    }

    /// The model's chat template.
    ///
    /// # Errors
    /// Where it has none that can be used.
    pub(crate) fn chat_template(&self) -> Result<ChatTemplate> {
        Ok(ChatTemplate::from_dir(&self.dir)?)
    }

    /// A hash of the weights, the adapter's included.
    pub(crate) fn digest<P: Provider>(&self, loaded: &Loaded<P>) -> String {
        let adapter = self.adapter.iter().map(Adapter::digest);
        std::iter::once(loaded.weights.digest()).chain(adapter).collect::<Vec<_>>().join(" ")
    }

    /// Makes sure that the model's context holds a prompt or text of so many tokens.
    ///
    /// # Errors
    /// [`EngineError::TooLong`].
    pub(crate) fn check_length(&self, what: &'static str, tokens: usize) -> Result<(), EngineError> {
        let context = self.config.context_length();
        if tokens > context { Err(EngineError::TooLong { what, tokens, context }) } else { Ok(()) }
    }

    /// The tokens that end the model's text.
    pub(crate) fn end(&self) -> StopTokens {
        let known = self.tokenizer.as_ref().map_or(self.config.eos_token_ids(), Tokenizer::eos);
        known.iter().copied().collect()
    }

    /// Reads the weights.
    ///
    /// # Errors
    /// Where a weight file is missing, damaged or of another model, or the backend cannot run here.
    pub(crate) fn load<P: Provider>(&self, status: &Status) -> Result<Loaded<P>> {
        status.say(&format!("loading {}", self.dir.display()));
        let (kernels, device) = P::open()?;
        let weights = Weights::open(&self.dir, &self.base.tensors())?;
        let model = Model::load_adapted(
            self.config.clone(),
            &weights,
            self.adapter.as_ref(),
            kernels.clone(),
            &device,
        )?;
        Ok(Loaded { model, kernels, device, weights })
    }
}
