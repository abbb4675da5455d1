//! `zoomr inspect`: what a model is, and what zoomr cannot do with it; from headers and configuration alone.

use std::{collections::BTreeMap, io::stdout, path::Path, process::ExitCode};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use zoomr_model::{
    Error,
    config::{ConfigError, ModelConfig},
    text::{
        chat::{ChatError, ChatTemplate},
        tokenizer::{Tokenizer, TokenizerError},
    },
    weights::{Inventory, WeightsError},
};

use crate::{
    args::model::{BaseArgs, Described},
    output::{
        bytes, complain, print, print_json,
        status::Status,
        table::{aligned, width},
    },
};

/// Bytes of a cached number as the CPU computes it, and as accelerators often do.
const F32: usize = 4;
const F16: usize = 2;

/// Flags of `inspect`.
#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    #[command(flatten)]
    model: BaseArgs,

    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// What is to be known of a model; what `--json` prints.
#[derive(Debug, Default, Serialize)]
struct Report {
    /// As it was asked for.
    model: String,
    /// `null` where the configuration is refused.
    architecture: Option<Architecture>,
    /// `null` without weight files.
    weights: Option<Weights>,
    /// Tokens of the tokenizer; `null` without one.
    tokenizer_tokens: Option<usize>,
    chat_template: bool,
    /// What keeps the model from being run.
    unsupported: Vec<String>,
    /// What works, but not as one might think.
    notes: Vec<String>,
}

/// What `config.json` says.
#[derive(Debug, Serialize)]
struct Architecture {
    model_type: &'static str,
    parameters: u64,
    layers: usize,
    hidden_size: usize,
    intermediate_size: usize,
    query_heads: usize,
    kv_heads: usize,
    head_dim: usize,
    vocabulary: usize,
    context: usize,
    tied_embeddings: bool,
    /// Each layer's rotary embedding; `null` where it has none.
    rope: Vec<Option<String>>,
    /// Each layer's own sliding window in tokens; `null` where it has none, and ZoomR acts.
    sliding_windows: Vec<Option<usize>>,
    kv_bytes_per_token: KvBytes,
    kv_bytes_full_context: KvBytes,
}

/// Bytes of keys and values of a full cache, by the type of the cached numbers.
#[derive(Debug, Serialize)]
struct KvBytes {
    f32: u64,
    f16: u64,
}

/// What the weight files hold.
#[derive(Debug, Serialize)]
struct Weights {
    files: usize,
    bytes: u64,
    /// By element type.
    bytes_by_type: BTreeMap<String, u64>,
}

/// Runs the command.
///
/// # Errors
/// Where there is no model, or a file of it is damaged. What zoomr merely cannot run is part of the report.
pub(crate) fn run(args: &InspectArgs) -> Result<ExitCode> {
    let status = Status::new();
    let model = args.model.describe(&status)?;
    status.clear();
    let report = inspect(&model, args.model.name())?;
    if args.json {
        print_json(&report)?;
    } else {
        print(&table(&report, width(&stdout(), false)))?;
    }
    if report.unsupported.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    complain(&anyhow::anyhow!("zoomr cannot run this model; `unsupported` above says why"));
    Ok(ExitCode::FAILURE)
}

fn inspect(model: &Described, name: &str) -> Result<Report> {
    let mut report = Report { model: name.to_owned(), ..Report::default() };
    let config = match model.config() {
        Err(Error::Config {
            problem: problem @ (ConfigError::UnknownModelType { .. } | ConfigError::Unsupported { .. }),
            path,
        }) => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            report.unsupported.push(format!("{file}: {problem}"));
            None
        }
        config => Some(config?),
    };
    if let Some(config) = &config {
        let architecture = Architecture::of(config);
        if architecture.sliding_windows.iter().all(Option::is_some) {
            report.notes.push("every layer has a sliding window of its own: ZoomR acts in none".to_owned());
        }
        report.architecture = Some(architecture);
    }
    match (model.dir(), &config) {
        (None, _) => {
            report.notes.push("this is a configuration alone: nothing else was looked at".to_owned());
        }
        (Some(dir), config) => {
            config.as_ref().map_or(Ok(()), |config| report.weights(dir, config))?;
            report.text(dir, config.as_ref());
        }
    }
    Ok(report)
}

impl Report {
    fn weights(&mut self, dir: &Path, config: &ModelConfig) -> Result<()> {
        match Inventory::read(dir, &config.tensors()) {
            Err(WeightsError::NoWeights { .. }) => {
                self.notes.push("no weights here: all of this is from config.json".to_owned());
            }
            inventory => {
                let Inventory { files, bytes, problems } = inventory?;
                self.unsupported.extend(problems.iter().map(ToString::to_string));
                self.weights = Some(Weights { files, bytes: bytes.values().sum(), bytes_by_type: bytes });
            }
        }
        Ok(())
    }

    fn text(&mut self, dir: &Path, config: Option<&ModelConfig>) {
        match Tokenizer::from_dir(dir) {
            Ok(tokenizer) => {
                self.tokenizer_tokens = Some(tokenizer.vocab_size());
                // Only a text that has one of them cannot be run.
                let fits = config.map_or(Ok(()), |config| tokenizer.check_vocabulary(config.vocab_size()));
                self.notes.extend(fits.err().map(|error| error.to_string()));
            }
            Err(TokenizerError::Missing { .. }) => {
                self.notes.push("no tokenizer.json: only token ids (--tokens) will do".to_owned());
            }
            Err(error) => self.unsupported.push(error.to_string()),
        }
        match ChatTemplate::from_dir(dir) {
            Ok(_) => self.chat_template = true,
            Err(ChatError::None { .. }) => {}
            // Everything but --chat works without it.
            Err(error) => self.notes.push(error.to_string()),
        }
    }
}

impl Architecture {
    fn of(config: &ModelConfig) -> Self {
        let specs = config.layer_specs();
        let (query_heads, kv_heads) = specs.first().map_or((0, 0), |spec| (spec.query_heads, spec.kv_heads));
        let context = config.context_length();
        let kv = |tokens, element| -> u64 {
            let most = |window: Option<usize>| window.map_or(tokens, |window| window.min(tokens));
            let held: usize = specs.iter().map(|spec| most(spec.sliding_window.map(Into::into))).sum();
            (2 * held * kv_heads * config.head_dim() * element) as u64
        };
        Self {
            model_type: config.family().model_type(),
            parameters: config.parameter_count(),
            layers: specs.len(),
            hidden_size: config.hidden_size(),
            intermediate_size: config.intermediate_size(),
            query_heads,
            kv_heads,
            head_dim: config.head_dim(),
            vocabulary: config.vocab_size(),
            context,
            tied_embeddings: config.is_tied(),
            rope: config.ropes().map(|rope| rope.map(ToString::to_string)).collect(),
            sliding_windows: specs.iter().map(|spec| spec.sliding_window.map(Into::into)).collect(),
            kv_bytes_per_token: KvBytes {
                f32: config.kv_bytes_per_token(F32),
                f16: config.kv_bytes_per_token(F16),
            },
            kv_bytes_full_context: KvBytes { f32: kv(context, F32), f16: kv(context, F16) },
        }
    }
}

fn table(report: &Report, width: Option<usize>) -> String {
    let mut rows = vec![("model", report.model.clone())];
    if let Some(architecture) = &report.architecture {
        rows.extend(architecture_rows(architecture));
    }
    if let Some(Weights { files, bytes: total, bytes_by_type }) = &report.weights {
        let types: Vec<&str> = bytes_by_type.keys().map(String::as_str).collect();
        let (total, types) = (bytes(*total), types.join(" and "));
        rows.push(("weights", format!("{total} of {types} in {files} file{}", plural(*files))));
    }
    let tokenizer = report.tokenizer_tokens.map_or("none".to_owned(), |tokens| format!("{tokens} tokens"));
    rows.push(("tokenizer", tokenizer));
    rows.push(("chat template", if report.chat_template { "yes" } else { "none" }.to_owned()));
    rows.extend(report.notes.iter().map(|note| ("note", note.clone())));
    if report.unsupported.is_empty() {
        rows.push(("unsupported", "nothing".to_owned()));
    }
    rows.extend(report.unsupported.iter().map(|problem| ("unsupported", problem.clone())));
    aligned(&rows, width)
}

fn architecture_rows(a: &Architecture) -> Vec<(&'static str, String)> {
    let kv = |kv: &KvBytes| format!("{} in f32, {} in f16", bytes(kv.f32), bytes(kv.f16));
    let head = if a.tied_embeddings { "is the embedding" } else { "is a matrix of its own" };
    let heads = format!("{} query heads and {} KV heads of {}", a.query_heads, a.kv_heads, a.head_dim);
    vec![
        ("architecture", a.model_type.to_owned()),
        ("parameters", a.parameters.to_string()),
        ("layers", format!("{}, each with {heads}", a.layers)),
        ("width", format!("{}, feed-forward {}", a.hidden_size, a.intermediate_size)),
        ("vocabulary", format!("{} tokens; the output head {head}", a.vocabulary)),
        ("context", format!("{} tokens", a.context)),
        ("rope", by_layer(&a.rope, "none", ToString::to_string)),
        ("sliding window", by_layer(&a.sliding_windows, "none", |window| format!("{window} tokens"))),
        ("KV per token", kv(&a.kv_bytes_per_token)),
        ("KV of a full context", kv(&a.kv_bytes_full_context)),
    ]
}

/// What the layers have, said once where it is the same in all of them.
fn by_layer<T: PartialEq>(layers: &[Option<T>], none: &str, name: impl Fn(&T) -> String) -> String {
    let mut kinds: Vec<(&Option<T>, usize)> = Vec::new();
    for layer in layers {
        match kinds.iter_mut().find(|(kind, _)| *kind == layer) {
            Some((_, count)) => *count += 1,
            None => kinds.push((layer, 1)),
        }
    }
    let name = |kind: &Option<T>| kind.as_ref().map_or(none.to_owned(), &name);
    match &kinds[..] {
        [(kind, _)] => format!("{} in every layer", name(kind)),
        kinds => {
            let each = kinds
                .iter()
                .map(|(kind, count)| format!("{} in {count} layer{}", name(kind), plural(*count)));
            each.collect::<Vec<_>>().join("; ")
        }
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_that_differ_are_counted() {
        let name = |window: &usize| format!("{window} tokens");
        assert_eq!(by_layer(&[None, None], "none", name), "none in every layer");
        let mixed = [Some(512), Some(512), None, Some(512)];
        assert_eq!(by_layer(&mixed, "none", name), "512 tokens in 3 layers; none in 1 layer");
    }
}
