//! What training starts from, and the directory that the trained model will have, but for its weights.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use burn::tensor::{Device, backend::Backend};
use serde_json::Value;
use zoomr_core::config::Options;
use zoomr_model::{
    atomic_file::{Existing, Scratch, write},
    config::ModelConfig,
    data::synth::vocabulary,
    pretrained::architecture,
    reasoning_format::{Markers, ReasoningFormat},
    text::{chat::ChatTemplate, grow, tokenizer::Tokenizer},
    text_file,
    train::{Parameters, has_run},
    weights::Weights,
};

use crate::{
    load::loading,
    output::{places::Places, status::Status},
};

/// What of a model directory goes along into the trained one's, beside configuration and tokenizer.
const COMPANIONS: [&str; 3] = ["tokenizer_config.json", "chat_template.jinja", "generation_config.json"];
/// What else a run writes to its directory.
const WRITTEN: [&str; 9] = [
    CONFIG,
    "tokenizer.json",
    "zoomr.json",
    "model.safetensors",
    "adapter_config.json",
    "adapter_model.safetensors",
    "checkpoint.safetensors",
    "log.jsonl",
    "loss.svg",
];
/// The file that says what a model's numbers mean; an adapter has none of its own.
const CONFIG: &str = "config.json";

/// What training starts from.
pub(super) enum Start {
    /// A model directory.
    Model {
        dir: PathBuf,
        /// As it was asked for.
        name: String,
    },
    /// A configuration.
    Config(PathBuf),
}

impl Start {
    /// Makes sure that the trained model will not take the place of another (the one that it starts from, or one that
    /// no run in `out` has left there), or of what it is made from, as `places` knows.
    ///
    /// # Errors
    /// Where it would.
    pub(super) fn check(&self, out: &Path, places: &mut Places) -> Result<()> {
        let place = |path: &Path| fs::canonicalize(path).ok();
        if let Self::Model { dir, .. } = self
            && place(out).is_some_and(|out| place(dir) == Some(out))
        {
            bail!("--out {} is the model itself; give another directory", out.display());
        }
        if out.join("model.safetensors").exists() && !has_run(out) {
            bail!(
                "--out {} holds a model that no run there has trained; give another directory",
                out.display()
            );
        }
        // Not its configuration: a run that goes on may have been given its own.
        if let Self::Model { dir, .. } = self {
            places.input_dir("--model", dir)?;
        }
        let mut written = WRITTEN.iter().chain(&COMPANIONS).map(|name| out.join(name));
        written.try_for_each(|path| places.output("--out", &path))
    }

    /// Makes everything of the trained model's directory but its weights. It will think between its model's markers,
    /// or between new ones; `method` is what it is trained under, `out` where it will be.
    ///
    /// # Errors
    /// Where a file is missing or of no use.
    pub(super) fn prepare(self, method: &Options, chat: bool, out: &Path) -> Result<Prepared> {
        let stage = Scratch::new().context("cannot make a temporary directory")?;
        let (original, new_tokens, markers) = match &self {
            Self::Config(path) => {
                let text = text_file::read(path).with_context(|| format!("--config {}", path.display()))?;
                let config =
                    ModelConfig::from_json(&text).with_context(|| format!("--config {}", path.display()))?;
                write(&stage.path().join(CONFIG), text.as_bytes(), Existing::Replace)?;
                vocabulary::write_tokenizer(stage.path(), Existing::Replace)?;
                (config, NewTokens::default(), vocabulary::markers())
            }
            Self::Model { dir, .. } => {
                let config = architecture(dir)?;
                let files = COMPANIONS.into_iter().chain([CONFIG]).filter(|name| dir.join(name).exists());
                files.into_iter().try_for_each(|name| copy(dir, stage.path(), name))?;
                let (new_tokens, markers) = teach_markers(dir, stage.path())?;
                (config, new_tokens, markers)
            }
        };
        let place = match &self {
            Self::Config(_) => out,
            Self::Model { dir, .. } => dir,
        };
        let tokenizer = Tokenizer::from_dir(stage.path())?.known_as(place);
        if tokenizer.vocab_size() > original.vocab_size() && !new_tokens.spelled.is_empty() {
            set(&stage.path().join(CONFIG), "vocab_size", tokenizer.vocab_size().into())?;
        }
        if ModelConfig::from_dir(stage.path())?.is_tied() != original.is_tied() {
            // The head that the files hold counts, not what was said of it.
            set(&stage.path().join(CONFIG), "tie_word_embeddings", original.is_tied().into())?;
        }
        let config = ModelConfig::from_dir(stage.path())?;
        tokenizer.check_vocabulary(config.vocab_size())?;
        let format = ReasoningFormat { markers, method: method.clone() };
        format.write(stage.path())?;
        let chat = chat.then(|| ChatTemplate::from_dir(place)).transpose()?;
        Ok(Prepared { start: self, stage, original, config, tokenizer, format, chat, new_tokens })
    }
}

/// Tokens that a model has not learnt.
#[derive(Default)]
struct NewTokens {
    /// The first one's id.
    first: usize,
    /// What each is spelled with, in tokens that the model knows.
    spelled: Vec<Vec<u32>>,
}

/// The markers of the model in `dir`: its own, or new ones. Writes its tokenizer to `stage` with a token for each;
/// returns those that are new.
fn teach_markers(dir: &Path, stage: &Path) -> Result<(NewTokens, Markers)> {
    let tokenizer = Tokenizer::from_dir(dir)?;
    let markers = match ReasoningFormat::from_dir(dir)? {
        Some(format) => format.markers,
        None => {
            let end = tokenizer.eos().first().context("the model has no token that ends a text")?;
            // Some tokenizers put a space before every word.
            Markers::on_lines(String::from_utf8_lossy(tokenizer.bytes_with_special(*end)).trim())
        }
    };
    let new = markers.tokens().into_iter().filter(|marker| tokenizer.id_of(marker).is_none());
    // A tokenizer of whole words cannot spell: then a marker begins as the end of a text, which stands between, too.
    let spell = |marker| tokenizer.encode_verbatim(marker).unwrap_or_else(|_| tokenizer.eos().to_vec());
    let new_tokens = NewTokens { first: tokenizer.vocab_size(), spelled: new.map(spell).collect() };
    grow::add_special(dir, &markers.tokens(), stage)?;
    Ok((new_tokens, markers))
}

/// Changes a field of a `config.json`.
fn set(path: &Path, field: &str, value: Value) -> Result<()> {
    let text = text_file::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut config: Value = serde_json::from_str(&text).context("config.json")?;
    config[field] = value;
    Ok(write(path, format!("{config:#}\n").as_bytes(), Existing::Replace)?)
}

fn copy(from: &Path, to: &Path, name: &str) -> Result<()> {
    let path = from.join(name);
    // Not by name: a run that goes on may have been given its own configuration.
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(write(&to.join(name), &bytes, Existing::Replace)?)
}

/// The trained model's directory, but for its weights, in a temporary place.
pub(super) struct Prepared {
    start: Start,
    stage: Scratch,
    /// The architecture of the weights that training starts from.
    original: ModelConfig,
    /// The trained model's: with more tokens, where markers are new.
    config: ModelConfig,
    tokenizer: Tokenizer,
    format: ReasoningFormat,
    chat: Option<ChatTemplate>,
    new_tokens: NewTokens,
}

impl Prepared {
    /// The trained model's architecture.
    pub(super) fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Its tokenizer.
    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Its markers.
    pub(super) fn markers(&self) -> Markers {
        self.format.markers.clone()
    }

    /// The template that questions go through, if they do.
    pub(super) fn chat(&self) -> Option<&ChatTemplate> {
        self.chat.as_ref()
    }

    /// Whether it has tokens that the model has not learnt.
    pub(super) fn has_new_tokens(&self) -> bool {
        !self.new_tokens.spelled.is_empty()
    }

    /// What the model is called that training starts from.
    pub(super) fn name(&self) -> &str {
        match &self.start {
            Start::Model { name, .. } => name,
            Start::Config(_) => "",
        }
    }

    /// The parameters that training starts from.
    ///
    /// # Errors
    /// Where the model's weights are missing or damaged.
    pub(super) fn parameters<B: Backend>(
        &self,
        seed: u64,
        device: &Device<B>,
        status: &Status,
    ) -> Result<Parameters<B>> {
        let Start::Model { dir, .. } = &self.start else {
            return Ok(Parameters::random(&self.config, seed, device));
        };
        let weights = Weights::open_watched(dir, &self.original.tensors(), &mut loading(dir, status))?;
        let parameters = Parameters::read(&self.original, &weights, device)?;
        let NewTokens { first, spelled } = &self.new_tokens;
        Ok(parameters.with_tokens(*first, spelled))
    }

    /// Writes the directory, but for the weights, to `out`; that of an `adapter` has no configuration of a model.
    ///
    /// # Errors
    /// Where a file cannot be written.
    pub(super) fn write(&self, out: &Path, adapter: bool) -> Result<()> {
        let names = COMPANIONS.into_iter().chain(["tokenizer.json", "zoomr.json", CONFIG]);
        names
            .filter(|name| self.stage.path().join(name).exists() && !(adapter && *name == CONFIG))
            .try_for_each(|name| copy(self.stage.path(), out, name))
    }
}
