//! From a model's directory to a model that decodes: configuration, tokenizer, adapter, settings, segmenter, weights.
//!
//! | file | what is in it |
//! |---|---|
//! | `mod` | [`Pretrained`]: the directory, with everything read but the weights |
//! | `loaded` | [`Loaded`]: the model on its backend, and engines that run it |
//! | `method` | [`MethodOptions`]: what a caller asks of the method, and what the rest is by default |
//! | `usual` | [`Usual`]: what that is on a device |
//! | `foreign` | models in formats that zoomr does not read |
//! | `error` | what can be wrong with the directory, or with what is asked |
//!
//! In two parts, so that whatever is wrong with a prompt or a setting is said before the weights are read.
//!
//! ```rust
//! use zoomr_core::portable::Portable;
//! use zoomr_model::{
//!     engine::Limits,
//!     pretrained::{MethodOptions, Pretrained},
//!     text::{sample::{Sampler, SamplingOptions}, stop::StopStrings},
//! };
//!
//! type Cpu = burn_ndarray::NdArray;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/llama");
//! let pretrained = Pretrained::open(&dir, None)?;
//! let (segmenter, options) = pretrained.method(&MethodOptions { window: Some(16), ..MethodOptions::default() })?;
//!
//! let loaded = pretrained.load::<Cpu, _>(Portable, &Default::default())?;
//! let mut engine = loaded.engine(pretrained.tokenizer(), segmenter, options)?;
//! let greedy = Sampler::new(SamplingOptions { temperature: 0.0, ..SamplingOptions::default() })?;
//! let limits = Limits { max_tokens: 40, tokens: pretrained.end(), strings: StopStrings::new(Vec::new())? };
//! // This model has no tokenizer; with one, `pretrained.encode` makes token ids of a text.
//! let generated = engine.generate(&[46, 210, 305], greedy, limits, &mut |_| std::ops::ControlFlow::Continue(()))?;
//! assert!(!generated.tokens.is_empty());
//! # Ok(())
//! # }
//! ```

mod error;
mod foreign;
mod loaded;
mod method;
mod unit;
mod usual;

use std::{
    num::NonZeroUsize,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use burn::tensor::{Device, backend::Backend};
use zoomr_core::{
    kernels::{AttentionKernels, LinearKernels},
    segment::Segmenter,
    weight::Encoding,
};

pub use self::{
    error::{MethodError, PretrainedError},
    foreign::{Foreign, Format},
    loaded::Loaded,
    method::{MethodOptions, SegmenterKind},
    usual::Usual,
};
use crate::{
    Error, Model,
    adapter::Adapter,
    config::ModelConfig,
    engine::{EngineError, EngineOptions},
    gguf::located,
    reasoning_format::ReasoningFormat,
    text::{
        chat::{ChatTemplate, Message},
        defaults::SamplingDefaults,
        stop::StopTokens,
        tokenizer::{Tokenizer, TokenizerError},
    },
    weights::Weights,
};

/// A model's directory, with everything read but the weights.
#[derive(Debug)]
pub struct Pretrained {
    dir: PathBuf,
    /// The architecture of its weights.
    base: ModelConfig,
    adapter: Option<Adapter>,
    /// The architecture, an adapter's tokens included.
    config: ModelConfig,
    /// Where its tokenizer is, or would be.
    tokenizer_dir: PathBuf,
    tokenizer: Option<Tokenizer>,
    sampling: SamplingDefaults,
    format: Option<ReasoningFormat>,
    /// What matrices of floats are made into when they are loaded.
    encoding: Option<Encoding>,
}

impl Pretrained {
    /// Reads a Hugging Face model directory, or a GGUF file (or a directory with one), and an adapter's directory for it; what an adapter brings (tokenizer,
    /// reasoning format) goes before what the model has. A tokenizer may be missing: token ids will do.
    ///
    /// # Errors
    /// Where a file is missing, damaged or of another model; names it.
    pub fn open(dir: &Path, adapter: Option<&Path>) -> Result<Self, PretrainedError> {
        if let Some(foreign) = Foreign::at(dir) {
            return Err(foreign.into());
        }
        let dir = &*located(dir);
        let base = architecture(dir)?;
        let opened = adapter.map(|adapter| Adapter::open(adapter, &base)).transpose()?;
        let config = opened.as_ref().map_or(&base, Adapter::adapted).clone();
        let with = |file: &str| adapter.filter(|adapter| adapter.join(file).exists()).unwrap_or(dir);
        let tokenizer_dir = with("tokenizer.json").to_owned();
        let tokenizer = match Tokenizer::from_dir(&tokenizer_dir) {
            Err(TokenizerError::Missing { .. }) => None,
            tokenizer => Some(tokenizer?),
        };
        let sampling = SamplingDefaults::from_dir(dir)?;
        let format = ReasoningFormat::from_dir(with("zoomr.json"))?;
        let dir = dir.to_owned();
        Ok(Self {
            dir,
            base,
            adapter: opened,
            config,
            tokenizer_dir,
            tokenizer,
            sampling,
            format,
            encoding: None,
        })
    }

    /// The same model, whose matrices of floats become blocks when they are loaded, where there is an `encoding`.
    #[must_use]
    pub fn encoded(self, encoding: Option<Encoding>) -> Self {
        Self { encoding, ..self }
    }

    /// The directory, or the GGUF file.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The architecture, an adapter's tokens included.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// The tokenizer, if there is one.
    pub fn tokenizer(&self) -> Option<&Tokenizer> {
        self.tokenizer.as_ref()
    }

    /// The tokenizer, where nothing can be done without.
    ///
    /// # Errors
    /// [`TokenizerError::Missing`].
    pub fn require_tokenizer(&self) -> Result<&Tokenizer, TokenizerError> {
        self.tokenizer.as_ref().ok_or_else(|| TokenizerError::missing(&self.tokenizer_dir))
    }

    /// How the model's makers would have its tokens chosen.
    pub fn sampling(&self) -> &SamplingDefaults {
        &self.sampling
    }

    /// What the model was taught about thinking, if anything.
    pub fn reasoning_format(&self) -> Option<&ReasoningFormat> {
        self.format.as_ref()
    }

    /// The model's chat template.
    ///
    /// # Errors
    /// Where it has none that can be used.
    pub fn chat_template(&self) -> Result<ChatTemplate, PretrainedError> {
        Ok(ChatTemplate::from_dir(&self.dir)?)
    }

    /// The token ids of a text as it is.
    ///
    /// # Errors
    /// Where there is no tokenizer, the text cannot be tokenized, has a token that the model has not, or is empty.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, PretrainedError> {
        self.known(self.require_tokenizer()?.encode(text)?)
    }

    /// The token ids of a text as a user's turn, after what the `system` says, through the model's chat template.
    ///
    /// # Errors
    /// As [`encode`](Self::encode), and as [`chat_template`](Self::chat_template).
    pub fn encode_chat(&self, system: Option<&str>, user: &str) -> Result<Vec<u32>, PretrainedError> {
        let tokenizer = self.require_tokenizer()?;
        let mut messages: Vec<Message> = system.into_iter().map(Message::system).collect();
        messages.push(Message::user(user));
        self.known(tokenizer.encode_verbatim(&self.chat_template()?.render(&messages, true)?)?)
    }

    /// Token ids, of which there must be one, and all of them the model's. A tokenizer may have more tokens than that, as
    /// Gemma 3's has one for images: they matter where a text has them.
    fn known(&self, ids: Vec<u32>) -> Result<Vec<u32>, PretrainedError> {
        if ids.is_empty() {
            return Err(PretrainedError::EmptyText);
        }
        let vocab_size = self.config.vocab_size();
        match ids.iter().find(|id| **id as usize >= vocab_size) {
            None => Ok(ids),
            Some(&id) => {
                let bytes =
                    self.tokenizer.as_ref().map_or(&[][..], |tokenizer| tokenizer.bytes_with_special(id));
                let token = String::from_utf8_lossy(bytes).into_owned();
                Err(PretrainedError::UnknownToken { token, id, vocab_size })
            }
        }
    }

    /// The tokens that end the model's text.
    pub fn end(&self) -> StopTokens {
        let known = self.tokenizer.as_ref().map_or(self.config.eos_token_ids(), Tokenizer::eos);
        known.iter().copied().collect()
    }

    /// Makes sure that the model's context holds a `what` (`prompt` or `text`) of so many tokens.
    ///
    /// # Errors
    /// [`EngineError::TooLong`].
    pub fn check_length(&self, what: &'static str, tokens: usize) -> Result<(), EngineError> {
        let context = self.config.context_length();
        if tokens > context { Err(EngineError::TooLong { what, tokens, context }) } else { Ok(()) }
    }

    /// The segmenter, and everything else that an engine goes by; what `options` leave open follows the model.
    ///
    /// # Errors
    /// As [`MethodOptions::resolve`].
    pub fn method(
        &self,
        options: &MethodOptions,
    ) -> Result<(Box<dyn Segmenter>, EngineOptions), MethodError> {
        options.resolve(self.tokenizer(), self.end(), self.reasoning_format())
    }

    /// Reads the weights. `kernels` are the provider's, on `device`.
    ///
    /// # Errors
    /// Where a weight file is missing, damaged or of another model.
    pub fn load<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone>(
        &self,
        kernels: K,
        device: &Device<B>,
    ) -> Result<Loaded<B, K>, Error> {
        self.load_watched(kernels, device, &mut |_, _| {})
    }

    /// As [`load`](Self::load); `watch` hears how far it is, as from [`Weights::open_watched`].
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_watched<B: Backend, K: AttentionKernels<B> + LinearKernels<B> + Clone>(
        &self,
        kernels: K,
        device: &Device<B>,
        watch: &mut dyn FnMut(u64, u64),
    ) -> Result<Loaded<B, K>, Error> {
        let mut weights = Weights::open_watched(&self.dir, &self.base.tensors(), watch)?;
        if let Some(encoding) = self.encoding {
            let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
            weights = weights.encoded(encoding, threads, watch)?;
        }
        let (config, adapter) = (self.config.clone(), self.adapter.as_ref());
        let model = Model::load_adapted(config, &weights, adapter, kernels.clone(), device)?;
        Ok(Loaded { model, kernels, device: device.clone(), weights })
    }

    /// A hash of the weights that were [loaded](Self::load), the adapter's included.
    pub fn digest<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
        &self,
        loaded: &Loaded<B, K>,
    ) -> String {
        let adapter = self.adapter.iter().map(Adapter::digest);
        std::iter::once(loaded.weights.digest()).chain(adapter).collect::<Vec<_>>().join(" ")
    }
}

/// The architecture of the model in `dir`: what `config.json` says, and whether the output head is the embedding, as its
/// weight files have it ([`Weights::settle_head`]).
///
/// # Errors
/// Where `config.json` is missing or describes no model that the decoder runs, or a weight file is damaged.
pub fn architecture(dir: &Path) -> Result<ModelConfig, Error> {
    Ok(Weights::settle_head(dir, ModelConfig::from_dir(dir)?)?)
}
