//! From `--model` and what was given to a model in memory; what that takes is `zoomr_model::pretrained`'s.

use std::{ops::Deref, path::Path};

use anyhow::Result;
use zoomr_model::pretrained::{self, Pretrained};

use crate::{
    args::{
        model::{ModelArgs, ModelDir},
        text::Given,
    },
    output::{note, places::Places, status::Status},
    provider::Provider,
};

/// A model on its backend.
pub(crate) type Loaded<P> = pretrained::Loaded<<P as Provider>::Backend, <P as Provider>::Kernels>;

/// A model's directory, with everything read but the weights.
pub(crate) struct ModelFiles {
    pretrained: Pretrained,
    /// The built-in model's directory goes with it.
    _dir: ModelDir,
}

impl Deref for ModelFiles {
    type Target = Pretrained;

    fn deref(&self) -> &Pretrained {
        &self.pretrained
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
    /// Finds (or fetches) the model; `given` says whether a tokenizer is needed, `places` what is written.
    ///
    /// # Errors
    /// Where there is no such model, or a file of it is missing or of no use, or is to be written.
    pub(crate) fn open(args: &ModelArgs, given: &Given, mut places: Places, status: &Status) -> Result<Self> {
        let dir = args.locate(status)?;
        places.input_dir("--model", &dir)?;
        args.adapter.iter().try_for_each(|adapter| places.input_dir("--adapter", adapter))?;
        let pretrained = Pretrained::open(&dir, args.adapter.as_deref())?.encoded(args.encoding());
        if let Given::Text(_) = given {
            pretrained.require_tokenizer()?;
        }
        let vocab_size = pretrained.config().vocab_size();
        given.check(vocab_size)?;
        if let Some(Err(error)) =
            pretrained.tokenizer().map(|tokenizer| tokenizer.check_vocabulary(vocab_size))
        {
            note(&format!("note: {error}"));
        }
        Ok(Self { pretrained, _dir: dir })
    }

    /// The token ids of what was given.
    ///
    /// # Errors
    /// Where it cannot be tokenized, or the model has no usable chat template and needs one.
    pub(crate) fn tokens(&self, given: Given, form: &Form) -> Result<Vec<u32>> {
        Ok(match (given, form) {
            (Given::Tokens(ids), _) => ids,
            (Given::Text(text), Form::Plain) => self.encode(&text)?,
            (Given::Text(text), Form::Chat { system }) => self.encode_chat(system.as_deref(), &text)?,
        })
    }

    /// How many tokens a chat has before what the user says: a system message, if there is any, and what frames it.
    ///
    /// # Errors
    /// As [`tokens`](Self::tokens).
    pub(crate) fn system_tokens(&self, form: &Form) -> Result<usize> {
        let Form::Chat { system } = form else { return Ok(0) };
        // What chats of two users have in common.
        let [one, other] = ["a", "b"].map(|text| self.encode_chat(system.as_deref(), text));
        Ok(one?.iter().zip(&other?).take_while(|(one, other)| one == other).count())
    }

    /// Reads the weights, for the backend `P`.
    ///
    /// # Errors
    /// Where a weight file is missing, damaged or of another model, or the backend cannot run here.
    pub(crate) fn load_on<P: Provider>(&self, status: &Status) -> Result<Loaded<P>> {
        let (kernels, device) = P::open()?;
        Ok(self.load_watched(kernels, &device, &mut loading(self.dir(), status))?)
    }
}

/// What shows how far weights in `dir` have been read, and of how many numbers.
pub(crate) fn loading<'a>(dir: &Path, status: &'a Status) -> impl FnMut(u64, u64) + use<'a> {
    progress(format!("loading {}", dir.display()), status)
}

/// What shows how far `what` is.
pub(crate) fn progress(what: String, status: &Status) -> impl FnMut(u64, u64) {
    move |done, all| status.say(&format!("{what}: {:.0}%", 100.0 * done as f64 / all.max(1) as f64))
}
