//! `zoomr quantize`: a checkpoint as a GGUF file, which zoomr and llama.cpp load.

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode, thread::available_parallelism};

use anyhow::{Result, bail};
use clap::Args;
use zoomr_model::{
    atomic_file::{AtomicFile, Existing},
    gguf::{is_gguf, write::Model},
    pretrained::{Pretrained, architecture},
    weights::{Precision, Weights},
};

use crate::{
    args::{model::BaseArgs, parse::precision},
    load::{loading, progress},
    output::{bytes, note, places::Places, status::Status},
};

/// Flags of `quantize`.
#[derive(Debug, Args)]
pub(crate) struct QuantizeArgs {
    #[command(flatten)]
    model: BaseArgs,

    /// The GGUF file to write.
    #[arg(long, value_name = "FILE")]
    to: PathBuf,

    /// What matrices are stored as; vectors are in f32, and with 4 bits embedding and output head in q8_0. Where rows are no
    /// whole blocks, q5_0 stands for q4_K, and f16 for the others.
    #[arg(long, value_name = "FORMAT", default_value = "q8_0", value_parser = precision(&Precision::ALL),
          ignore_case = true)]
    weights: Precision,

    /// Replace a file that is there.
    #[arg(long)]
    overwrite: bool,
}

/// Runs the command.
///
/// # Errors
/// Where the model cannot be read, or GGUF has no words for it, or the file cannot be written.
pub(crate) fn run(args: &QuantizeArgs) -> Result<ExitCode> {
    let status = Status::new();
    let dir = args.model.locate(&status)?;
    if is_gguf(&dir) {
        bail!(
            "{} is in GGUF already; give the checkpoint that it was made from, since numbers that are cut twice are worse \
             than those that are cut once",
            dir.display()
        );
    }
    let mut places = Places::default();
    places.input_dir("--model", &dir)?;
    places.output("--to", &args.to)?;
    let existing = if args.overwrite { Existing::Replace } else { Existing::Refuse };
    let file = AtomicFile::create(&args.to, existing)?;

    let pretrained = Pretrained::open(&dir, None)?;
    let config = architecture(&dir)?;
    let weights = Weights::open_watched(&dir, &config.tensors(), &mut loading(&dir, &status))?;
    let model = Model { dir: &dir, config: &config, weights: &weights, tokenizer: pretrained.tokenizer() };
    let threads = available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let what = format!("writing {} in {}", args.to.display(), args.weights);
    model.write(file, args.weights, threads, &mut progress(what, &status))?;
    status.clear();
    let (before, after) = (weights.bytes(), args.to.metadata().map_or(0, |file| file.len()));
    note(&format!("{}: {}, from {} of weights", args.to.display(), bytes(after), bytes(before)));
    Ok(ExitCode::SUCCESS)
}
