//! Decoding speed of a real model on the CPU, against what its memory allows: `cargo xtask bench decode`.
//!
//! A decoding step reads every weight once and does little else, so its limit is `read bandwidth / bytes of
//! weights`. Both sides of every comparison are measured in turn, in one run, and medians are compared: what
//! else the machine does then hits both. First of all, the kernels must be right.
//!
//! * `correct`: the fused kernels' logits against plain f64 loops.
//! * `decoder`: a policy at work on a text.
//! * `timed`: stopwatches that tell where a step's time goes.
//! * `heap`: how often a step asks the heap, and what it keeps.
//! * `measure`: steps and bandwidth in turn, and their medians.
//! * `report`: the tables.

mod correct;
mod decoder;
mod heap;
mod measure;
mod report;
mod timed;

use std::{path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use zoomr_backend_cpu::{CpuKernels, DEVICE};
use zoomr_core::{
    config::{Options, PolicyKind, Preset},
    kv::KvDtype,
};
use zoomr_model::{Model, config::ModelConfig, text::tokenizer::Tokenizer, weights::Weights};

use self::{
    decoder::Decoder,
    measure::{Competitor, Short, at_contexts, short},
    report::Report,
    timed::{Clock, Timed},
};

/// English prose with paragraphs, repeated as often as needed: speed does not depend on what it says.
const TEXT: &str = include_str!("../../../LICENSE-APACHE");

/// Measures decoding on the CPU.
#[derive(Parser)]
struct Args {
    /// A Hugging Face model directory, with a tokenizer.
    #[arg(long)]
    model: PathBuf,

    /// Tokens of context to decode at, ascending; cut to what the model's context has room for.
    #[arg(long, value_delimiter = ',', default_value = "1024,4096,8192")]
    contexts: Vec<usize>,

    /// What keys and values are stored as, on all sides.
    #[arg(long, default_value_t = KvDtype::F32)]
    kv: KvDtype,

    /// What `cargo bench` adds.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Result<ExitCode> {
    let begun = Instant::now();
    let Args { model: dir, contexts, kv, .. } = Args::parse();
    let default = Options { kv, ..Options::default() };
    ensure!(contexts.is_sorted() && !contexts.is_empty(), "--contexts: give them from the shortest on");
    let config = ModelConfig::from_dir(&dir)?;
    let tokenizer = Tokenizer::from_dir(&dir)?;
    let weights = Weights::open(&dir, &config.tensors())?;
    let steps = measure::STEPS;
    let room = config.context_length().saturating_sub(steps);
    ensure!(
        room >= contexts[0],
        "the model's context of {} tokens leaves no room for {} tokens and {steps} steps; use another model",
        config.context_length(),
        contexts[0]
    );
    let text = text(&tokenizer, room)?;

    progress("checking the kernels");
    let check = correct::check(&config, &weights, &text)?;
    ensure!(check.holds(), "the fused kernels are wrong, so their speed means nothing: {check}");

    let clock = Clock::default();
    let kernels = Timed::new(CpuKernels::new(), &clock);
    let model = Model::load(config.clone(), &weights, kernels, &DEVICE)?;
    let read = read_per_token(&config, &weights)?;
    progress("decoding at a short context, and reading memory");
    let competitor = |(name, options)| {
        let decoder = Decoder::new(&model, &tokenizer, &clock, options)?;
        anyhow::Ok(Competitor { name, decoder })
    };
    let mut competitors = sides(&default).into_iter().map(competitor).collect::<Result<Vec<_>>>()?;
    let full = Options { policy: PolicyKind::Full, ..default };
    let short: Short = short(&mut Decoder::new(&model, &tokenizer, &clock, full)?, &text, read)?;
    let contexts: Vec<usize> = contexts.into_iter().map(|context| context.min(room)).collect();
    let rows = at_contexts(&mut competitors, &text, &contexts, &progress)?;
    let report = Report { model: dir, config, check, read, short, rows, took: begun.elapsed() };
    print!("{report}");
    Ok(if report.reaches_target() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is compared, the first with the others: full attention; whole thoughts, as models taught the method have them;
/// blocks under the default preset; and blocks of which none is attended, so that base and estimate are left.
fn sides(default: &Options) -> [(&'static str, Options); 4] {
    let full = Options { policy: PolicyKind::Full, ..default.clone() };
    let blocks = Preset::default().over(default);
    let estimate = Options { zoom_tokens: Some(0), ..blocks.clone() };
    [("full", full), ("thoughts", default.clone()), ("blocks", blocks), ("estimate", estimate)]
}

/// `tokens` tokens of text.
fn text(tokenizer: &Tokenizer, tokens: usize) -> Result<Vec<u32>> {
    let once = tokenizer.encode(TEXT)?;
    ensure!(!once.is_empty(), "the tokenizer makes no tokens of English text");
    Ok(once.into_iter().cycle().take(tokens).collect())
}

/// Bytes of weights that a decoding step reads: all but an embedding that is not the output head as well.
fn read_per_token(config: &ModelConfig, weights: &Weights) -> Result<u64> {
    let embedding = weights.get("model.embed_tokens.weight").context("no embedding")?;
    let unread = if config.is_tied() { 0 } else { embedding.bytes().len() as u64 };
    Ok(weights.bytes() - unread)
}

fn progress(what: &str) {
    eprintln!("{what} ...");
}
