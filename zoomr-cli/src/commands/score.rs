//! `zoomr score`: how likely a text is under a policy.

use std::{ops::ControlFlow, path::PathBuf, process::ExitCode, time::Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Serialize;
use zoomr_core::segment::Role;
use zoomr_model::engine::{EngineError, Event, Scored, Stop};

use super::run::{Watch, WatchArgs, progress};
use crate::{
    args::{
        method::MethodArgs,
        model::ModelArgs,
        text::{Given, TextArgs},
    },
    interrupt::Interrupt,
    load::{Form, ModelFiles},
    output::{
        account::{Account, Attended},
        logits::LogitsFile,
        note,
        places::Places,
        print, print_json,
        status::Status,
        table::aligned,
    },
    provider::{self, Job, Provider},
};

/// Flags of `score`.
#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    text: TextArgs,

    /// The text's first tokens, which are its prompt; the rest stands for what the model wrote.
    #[arg(long, value_name = "N", default_value_t = 32)]
    prompt_tokens: usize,

    /// Also give the loss of the tokens from this position on [default: the second half].
    #[arg(long, value_name = "POSITION")]
    from: Option<usize>,

    /// Write the logits after each token, `[tokens, vocab]` in f32, as safetensors (tensor `logits`).
    #[arg(long, value_name = "FILE")]
    logits: Option<PathBuf>,

    #[command(flatten)]
    watch: WatchArgs,

    /// Print one JSON object instead of a table: tokens, logprobs, nll, perplexity, stats.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    method: MethodArgs,
}

/// What `--json` prints. Losses are in nats.
#[derive(Serialize)]
struct Report<'a> {
    tokens: &'a [u32],
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

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: ScoreArgs) -> Result<ExitCode> {
    if args.prompt_tokens == 0 {
        bail!("--prompt-tokens: the first token has nothing before it to be scored by; give at least 1");
    }
    args.method.check()?;
    let mut places = Places::default();
    args.text.check(&mut places)?;
    args.logits.iter().try_for_each(|path| places.output("--logits", path))?;
    args.watch.check(&mut places)?;
    let logits = args.logits.as_deref().map(LogitsFile::create).transpose()?;
    let watch = Watch::new(&args.watch)?;
    let given = args.text.read()?.context("nothing to score: give TEXT, --file or --tokens")?;
    provider::on(args.model.backend(), Score { args, watch, logits, given, places })
}

/// The command, ready to run on a backend.
struct Score {
    args: ScoreArgs,
    watch: Watch,
    logits: Option<LogitsFile>,
    given: Given,
    /// What is read and written.
    places: Places,
}

impl Job for Score {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self { args, mut watch, mut logits, given, places } = self;
        let status = Status::new();
        let files = ModelFiles::open(&args.model, &given, places, &status)?;
        let text = files.tokens(given, &Form::Plain)?;
        if text.len() < 2 {
            return Err(EngineError::NothingToScore { tokens: text.len() }.into());
        }
        files.check_length("text", text.len())?;
        let from = args.from.unwrap_or(text.len() / 2);
        if from >= text.len() {
            bail!("--from: position {from} is past the text's {} tokens", text.len());
        }
        let tokenizer = files.tokenizer();
        let (segmenter, options) = args.method.resolve(&files)?;
        let loaded = files.load_on::<P>(&status)?;
        if let Some(file) = &mut logits {
            file.begin(text.len(), files.config().vocab_size())?;
        }

        let mut engine = loaded.engine(tokenizer, segmenter, options)?;
        watch.begin(&mut engine)?;
        let mut progress =
            Progress { status: &status, done: 0, from, tail: Attended::default(), begun: Instant::now() };
        let scored = engine.score(&text, args.prompt_tokens, &mut |event| {
            progress.note(&event, &mut watch, logits.as_mut())
        });
        status.clear();
        let scored = scored?;
        let tail = progress.tail;
        let prompt = args.prompt_tokens.min(text.len());
        let account = watch.finish(&engine, prompt, &scored.timing)?;
        if scored.stop == Stop::Interrupted {
            note(&format!("interrupted after {} of {} tokens", scored.logprobs.len(), text.len()));
            return Ok(Interrupt::code());
        }
        logits.map_or(Ok(()), LogitsFile::finish)?;
        report(&args, &text, &scored, from, &tail, &account)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// How far the run is.
struct Progress<'a> {
    status: &'a Status,
    /// Tokens of the text that have been scored.
    done: usize,
    from: usize,
    tail: Attended,
    begun: Instant,
}

impl Progress<'_> {
    fn note(
        &mut self,
        event: &Event<'_>,
        watch: &mut Watch,
        logits: Option<&mut LogitsFile>,
    ) -> ControlFlow<()> {
        match event {
            Event::Step { role, stats, .. } => {
                if *role == Role::Stream && self.done + stats.rows > self.from {
                    self.tail.add(*role, stats);
                }
                let per_second = self.done as f64 / self.begun.elapsed().as_secs_f64();
                self.status.say(&progress(self.done, per_second, stats));
                watch.step(*role, stats)
            }
            Event::Scored { logprobs, logits: rows } => {
                self.done += logprobs.len();
                watch.go_on(logits.map_or(Ok(()), |file| file.rows(rows)))
            }
            _ => watch.go_on(Ok(())),
        }
    }
}

fn report(
    args: &ScoreArgs,
    text: &[u32],
    scored: &Scored,
    from: usize,
    attended: &Attended,
    account: &Account,
) -> Result<()> {
    let (nll, count) = scored.nll(0);
    let mean_nll = nll / count as f64;
    let tail = Tail {
        from,
        tokens: scored.nll(from).1,
        mean_nll: scored.mean_nll(from),
        attended_tokens: attended.mean(),
        attended_times_fewer: attended.times_fewer(),
    };
    if args.json {
        let logprobs = &scored.logprobs;
        let perplexity = mean_nll.exp();
        print_json(&Report { tokens: text, logprobs, nll, mean_nll, perplexity, tail, stats: account })?;
    } else {
        let rows = [
            ("tokens", text.len().to_string()),
            ("nll", format!("{nll:.4} nats")),
            ("nll per token", format!("{mean_nll:.4} nats")),
            ("perplexity", format!("{:.4}", mean_nll.exp())),
            ("nll per token, tail", tail_row(&tail)),
        ];
        print(&aligned(&rows))?;
    }
    args.watch.say(account);
    Ok(())
}

fn tail_row(tail: &Tail) -> String {
    let Tail { from, tokens, attended_tokens, attended_times_fewer, .. } = tail;
    let mean = tail.mean_nll.map_or("none".to_owned(), |mean| format!("{mean:.4} nats"));
    format!(
        "{mean} ({tokens} tokens from position {from} on; {attended_tokens:.0} attended on average, \
         {attended_times_fewer:.1}x fewer than full)"
    )
}
