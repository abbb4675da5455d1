//! The prompt or text to work on: words or token ids, from the command line, a file or standard input.

use std::{
    io::{Read, stdin},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use zoomr_model::text_file;

use super::{
    parse::token_ids,
    piped::{Patience, piped},
};
use crate::output::places::Places;

/// Where the text comes from: one of these at most.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct TextArgs {
    /// The text; `-` reads it from standard input, which is also read where none of these is given and it is no
    /// terminal.
    #[arg(value_name = "TEXT")]
    text: Option<String>,

    /// The text, as other programs take it.
    #[arg(long, short, value_name = "TEXT")]
    prompt: Option<String>,

    /// Read the text from a file; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Give token ids instead of text, as in `5,17,3`, or `@FILE` to read them; needs no tokenizer.
    #[arg(long, value_name = "IDS|@FILE")]
    tokens: Option<String>,
}

/// What was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Given {
    /// Words, for the tokenizer.
    Text(String),
    /// Token ids.
    Tokens(Vec<u32>),
}

/// A text to try something on, where one that is built in will do.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct SampleArgs {
    /// Try it on the text of a file, not on the built-in one; `-` is standard input.
    #[arg(long, short, value_name = "FILE")]
    file: Option<PathBuf>,

    /// Try it on token ids, as in `5,17,3`, or `@FILE` to read them; needs no tokenizer.
    #[arg(long, value_name = "IDS|@FILE")]
    tokens: Option<String>,
}

impl TextArgs {
    /// Makes sure that the file it is read from, if there is one, is not written.
    ///
    /// # Errors
    /// Where it is.
    pub(crate) fn check(&self, places: &mut Places) -> Result<()> {
        self.file.iter().try_for_each(|file| places.input("--file", file))?;
        let listed = self.tokens.iter().filter_map(|tokens| tokens.strip_prefix('@'));
        listed.into_iter().try_for_each(|file| places.input("--tokens", Path::new(file)))
    }

    /// Reads what was given, if anything was; what comes on standard input is waited for as `patience` says.
    ///
    /// # Errors
    /// Where a file cannot be read, is no text, or holds something else than token ids.
    pub(crate) fn read(&self, patience: Patience) -> Result<Option<Given>> {
        let given = match (self.text.as_ref().or(self.prompt.as_ref()), &self.file, &self.tokens) {
            (_, _, Some(list)) => tokens(list).map(Given::Tokens),
            (_, Some(file), _) => read_text("--file", file).map(Given::Text),
            (Some(given), ..) if given == "-" => read_text("--file", Path::new("-")).map(Given::Text),
            (Some(text), ..) => Ok(Given::Text(text.clone())),
            (None, None, None) => return Ok(piped(patience)?.map(Given::Text)),
        };
        given.map(Some)
    }
}

impl SampleArgs {
    /// Reads what was given; else takes the text `built_in`.
    ///
    /// # Errors
    /// As [`TextArgs::read`].
    pub(crate) fn read(&self, built_in: &str) -> Result<Given> {
        match (&self.file, &self.tokens) {
            (_, Some(list)) => tokens(list).map(Given::Tokens),
            (Some(file), None) => read_text("--file", file).map(Given::Text),
            (None, None) => Ok(Given::Text(built_in.to_owned())),
        }
    }
}

/// The text of a file that a flag names; `-` is standard input.
///
/// # Errors
/// Where it cannot be read, or is no text; names flag and file.
pub(crate) fn read_text(flag: &str, file: &Path) -> Result<String> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        return text_file::decode(bytes).context("standard input");
    }
    text_file::read(file).with_context(|| format!("{flag}: cannot read {}", file.display()))
}

fn tokens(list: &str) -> Result<Vec<u32>> {
    let ids = match list.strip_prefix('@') {
        Some(file) => {
            let text =
                text_file::read(Path::new(file)).with_context(|| format!("--tokens: cannot read {file}"))?;
            token_ids(&text).map_err(|reason| anyhow!("--tokens: {file}: {reason}"))?
        }
        None => token_ids(list).map_err(|reason| anyhow!("--tokens: {reason}"))?,
    };
    if ids.is_empty() {
        bail!("--tokens: no token id in `{list}`; give at least one");
    }
    Ok(ids)
}

impl Given {
    /// Makes sure that all token ids are the model's.
    ///
    /// # Errors
    /// Names the first one that is not.
    pub(crate) fn check(&self, vocab_size: usize) -> Result<()> {
        let Self::Tokens(ids) = self else { return Ok(()) };
        match ids.iter().position(|&id| id as usize >= vocab_size) {
            Some(at) => bail!(
                "--tokens: id {} (number {} of the list) is not in the model's vocabulary of {vocab_size}",
                ids[at],
                at + 1
            ),
            None => Ok(()),
        }
    }
}
