//! What `score` prints: one run as it is, or several settings in one table, each against the first.

use std::io::stdout;

use anyhow::Result;
use serde::Serialize;
use zoomr_model::engine::Scored;

use super::{Run, ScoreArgs, Text};
use crate::output::{
    account::Account,
    bytes, note, print_json,
    table::{aligned, columns_within, width},
};

/// How likely a text is. Losses are in nats.
#[derive(Serialize)]
struct Loss<'a> {
    logprobs: &'a [Option<f64>],
    /// Summed over all tokens but the first.
    nll: f64,
    /// Per token.
    mean_nll: f64,
    perplexity: f64,
    tail: Tail,
    stats: &'a Account,
}

/// The tokens from some position on, where old thoughts have left the window.
#[derive(Serialize)]
struct Tail {
    from: usize,
    tokens: usize,
    mean_nll: Option<f64>,
    attended_tokens: f64,
    attended_times_fewer: f64,
}

/// What `--json` prints of one run.
#[derive(Serialize)]
struct One<'a> {
    tokens: &'a [u32],
    #[serde(flatten)]
    loss: Loss<'a>,
}

/// What `--json` prints where there are settings.
#[derive(Serialize)]
struct Several<'a> {
    tokens: &'a [u32],
    settings: Vec<Compared<'a>>,
}

/// A setting against the first.
#[derive(Serialize)]
struct Compared<'a> {
    setting: &'a str,
    /// How much greater the loss per token is than under the first setting.
    mean_nll_difference: f64,
    /// The same of the tail.
    tail_mean_nll_difference: Option<f64>,
    #[serde(flatten)]
    loss: Loss<'a>,
}

/// Prints what came of the runs, of which there is at least one, and their accounts, where they were asked for.
///
/// # Errors
/// Where standard output is closed or full.
pub(super) fn print(args: &ScoreArgs, text: &Text<'_>, runs: &[Run]) -> Result<()> {
    let width = width(&stdout(), args.watch.wide);
    match runs {
        [run] if run.setting.is_none() => {
            let loss = Loss::of(text, run);
            match args.json {
                true => print_json(&One { tokens: text.ids, loss })?,
                false => crate::output::print(&one(&loss, text.ids.len(), width))?,
            }
        }
        runs => {
            let settings = compared(text, runs);
            match args.json {
                true => print_json(&Several { tokens: text.ids, settings })?,
                false => crate::output::print(&several(&settings, width))?,
            }
        }
    }
    for run in runs {
        if let (Some(name), true) = (&run.setting, args.watch.says()) {
            note(&format!("\n{name}"));
        }
        args.watch.say(&run.account);
    }
    Ok(())
}

impl<'a> Loss<'a> {
    fn of(text: &Text<'_>, run: &'a Run) -> Self {
        let Run { scored, tail, account, .. } = run;
        let (nll, count) = scored.nll(0);
        let mean_nll = nll / count as f64;
        let tail = Tail {
            from: text.from,
            tokens: scored.nll(text.from).1,
            mean_nll: scored.mean_nll(text.from),
            attended_tokens: tail.mean(),
            attended_times_fewer: tail.times_fewer(),
        };
        let Scored { logprobs, .. } = scored;
        Self { logprobs, nll, mean_nll, perplexity: mean_nll.exp(), tail, stats: account }
    }
}

fn compared<'a>(text: &Text<'_>, runs: &'a [Run]) -> Vec<Compared<'a>> {
    let losses: Vec<Loss<'a>> = runs.iter().map(|run| Loss::of(text, run)).collect();
    let first = losses.first().map(|loss| (loss.mean_nll, loss.tail.mean_nll));
    let (mean, tail) = first.unwrap_or_default();
    let compared = losses.into_iter().zip(runs).map(|(loss, run)| Compared {
        setting: run.setting.as_deref().unwrap_or_default(),
        mean_nll_difference: loss.mean_nll - mean,
        tail_mean_nll_difference: loss.tail.mean_nll.zip(tail).map(|(own, first)| own - first),
        loss,
    });
    compared.collect()
}

fn one(loss: &Loss<'_>, tokens: usize, width: Option<usize>) -> String {
    let rows = [
        ("tokens", tokens.to_string()),
        ("nll", format!("{:.4} nats", loss.nll)),
        ("nll per token", format!("{:.4} nats", loss.mean_nll)),
        ("perplexity", format!("{:.4}", loss.perplexity)),
        ("nll per token, tail", tail_row(&loss.tail)),
    ];
    aligned(&rows, width)
}

fn tail_row(tail: &Tail) -> String {
    let Tail { from, tokens, attended_tokens, attended_times_fewer, .. } = tail;
    let mean = tail.mean_nll.map_or("none".to_owned(), |mean| format!("{mean:.4} nats"));
    format!(
        "{mean} ({tokens} tokens from position {from} on; {attended_tokens:.0} attended on average, \
         {attended_times_fewer:.1}x fewer than full)"
    )
}

/// A row for each setting.
fn several(settings: &[Compared<'_>], width: Option<usize>) -> String {
    let headings = [
        "setting",
        "nats per token",
        "to the first",
        "perplexity",
        "tail",
        "to the first, tail",
        "attended",
        "KV at most",
        "reduction",
    ];
    let spare = ["perplexity", "attended", "tail", "KV at most", "reduction", "to the first, tail"];
    let row = |compared: &Compared<'_>| {
        let Loss { mean_nll, perplexity, tail, stats, .. } = &compared.loss;
        let nats = |nats: Option<f64>| nats.map_or("-".to_owned(), |nats| format!("{nats:.4}"));
        let difference = |nats: Option<f64>| nats.map_or("-".to_owned(), |nats| format!("{nats:+.4}"));
        vec![
            compared.setting.to_owned(),
            nats(Some(*mean_nll)),
            difference(Some(compared.mean_nll_difference)),
            format!("{perplexity:.4}"),
            nats(tail.mean_nll),
            difference(compared.tail_mean_nll_difference),
            format!("{:.0}", tail.attended_tokens),
            bytes(stats.kv_bytes_resident_peak),
            format!("{:.2}x", stats.reduction_of_device),
        ]
    };
    columns_within(&headings, &settings.iter().map(row).collect::<Vec<_>>(), &spare, width)
}
