//! `zoomr score`: how likely a text is under a policy, or under several, beside each other.

mod report;

use std::{
    ops::ControlFlow,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use burn::tensor::backend::Backend;
use clap::Args;
use indicatif::HumanDuration;
use zoomr_core::{
    config::Settings,
    kernels::{AttentionKernels, LinearKernels},
    segment::Role,
    stats::StepStats,
};
use zoomr_model::{
    engine::{Engine, EngineError, EngineOptions, Event, Scored, Stop},
    pretrained::Usual,
    reasoning_format::ReasoningFormat,
    setting::Setting,
};

use super::run::{Watch, WatchArgs, progress};
use crate::{
    args::{
        method::{self, MethodArgs},
        model::ModelArgs,
        piped::Patience,
        text::{Given, TextArgs},
    },
    interrupt::Interrupt,
    load::{Form, ModelFiles},
    output::{
        account::{Account, Attended},
        logits::LogitsFile,
        note,
        places::Places,
        status::Status,
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

    /// Score under a policy and its numbers, as in `zoomr:zoom=2,window=64`; may be given several times, and gives a
    /// table with the difference to the first. Names are those of the method's flags; what is not named is as those
    /// flags say, or as the model was taught.
    #[arg(long, value_name = "POLICY[:NAME=VALUE,..]")]
    setting: Vec<String>,

    #[command(flatten)]
    watch: WatchArgs,

    /// Print one JSON object instead of a table: tokens, logprobs, nll, perplexity, stats.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    method: MethodArgs,
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
    // What no model could make good should be said before one is loaded.
    args.settings(None, Usual::default())?;
    let mut places = Places::default();
    args.text.check(&mut places)?;
    args.logits.iter().try_for_each(|path| places.output("--logits", path))?;
    args.watch.check(&mut places)?;
    let logits = args.logits.as_deref().map(LogitsFile::create).transpose()?;
    let watch = Watch::new(&args.watch)?;
    if args.setting.len() > 1 && (logits.is_some() || watch.writes()) {
        bail!("--logits, --trace and --record are of one run; give one --setting with them");
    }
    let given =
        args.text.read(Patience::Endless)?.context("nothing to score: give TEXT, --file or --tokens")?;
    provider::on(args.model.start()?, Score { args, watch, logits, given, places })
}

impl ScoreArgs {
    /// The settings, for a model that was taught `format`.
    fn settings(&self, format: Option<&ReasoningFormat>, usual: Usual) -> Result<Vec<Setting>> {
        method::settings(&self.setting, &[], &self.method, format, usual)
    }
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
        let Self { args, watch, mut logits, given, places } = self;
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
        let (segmenter, options) = args.method.resolve(&files, P::USUAL)?;
        let loaded = files.load_on::<P>(&status)?;
        if let Some(file) = &mut logits {
            file.begin(text.len(), files.config().vocab_size())?;
        }

        let settings = args.settings(files.reasoning_format(), P::USUAL)?;
        let text = Text { ids: &text, prompt: args.prompt_tokens.min(text.len()), from };
        let run = |name: Option<&str>, settings: &Settings, watch, logits: Option<&mut LogitsFile>| {
            let options = EngineOptions { settings: settings.clone(), ..options.clone() };
            let mut engine = loaded.engine(tokenizer, segmenter.fresh(), options)?;
            score(&mut engine, &text, name, watch, logits, &status)
        };
        let mut runs = Vec::new();
        let others: Vec<Watch> = settings.iter().skip(1).map(|_| watch.another()).collect();
        let named = settings.iter().map(|setting| (Some(setting.name()), setting.settings()));
        let first = settings.is_empty().then_some((None, &options.settings));
        for ((name, settings), watch) in
            first.into_iter().chain(named).zip(std::iter::once(watch).chain(others))
        {
            match run(name, settings, watch, logits.as_mut())? {
                Some(run) => runs.push(run),
                None => return Ok(Interrupt::code()),
            }
        }
        logits.map_or(Ok(()), LogitsFile::finish)?;
        report::print(&args, &text, &runs)?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A text to be scored.
struct Text<'a> {
    ids: &'a [u32],
    /// Its first tokens, which are its prompt.
    prompt: usize,
    /// Where its tail begins.
    from: usize,
}

/// What came of a text under some setting.
struct Run {
    /// The setting's name, where it has one.
    setting: Option<String>,
    scored: Scored,
    /// What the tail attended.
    tail: Attended,
    account: Account,
}

/// Scores the text; `None` after Ctrl-C.
fn score<B: Backend, K: AttentionKernels<B> + LinearKernels<B>>(
    engine: &mut Engine<'_, B, K>,
    text: &Text<'_>,
    setting: Option<&str>,
    mut watch: Watch,
    mut logits: Option<&mut LogitsFile>,
    status: &Status,
) -> Result<Option<Run>> {
    watch.begin(engine)?;
    let tail = Attended::default();
    let mut progress = Progress { status, setting, text, done: 0, tail, begun: Instant::now() };
    let scored = engine
        .score(text.ids, text.prompt, &mut |event| progress.note(&event, &mut watch, logits.as_deref_mut()));
    status.clear();
    let scored = scored?;
    let tail = progress.tail;
    let account = watch.finish(engine, text.prompt, &scored.timing)?;
    if scored.stop == Stop::Interrupted {
        note(&format!("interrupted after {} of {} tokens", scored.logprobs.len(), text.ids.len()));
        return Ok(None);
    }
    Ok(Some(Run { setting: setting.map(str::to_owned), scored, tail, account }))
}

/// How far the run is.
struct Progress<'a> {
    status: &'a Status,
    setting: Option<&'a str>,
    text: &'a Text<'a>,
    /// Tokens of the text that have been scored.
    done: usize,
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
                if *role == Role::Stream && self.done + stats.rows > self.text.from {
                    self.tail.add(*role, stats);
                }
                self.status.say(&self.line(stats));
                watch.step(*role, stats)
            }
            Event::Scored { logprobs, logits: rows } => {
                self.done += logprobs.len();
                watch.go_on(logits.map_or(Ok(()), |file| file.rows(rows)))
            }
            _ => watch.go_on(Ok(())),
        }
    }

    /// How far it is, how long the rest will take, and what the cache is like.
    fn line(&self, stats: &StepStats) -> String {
        let seconds = self.begun.elapsed().as_secs_f64();
        let per_second = self.done as f64 / seconds.max(1e-9);
        let total = self.text.ids.len();
        let left = match self.done {
            0 => String::new(),
            done => {
                let left = Duration::from_secs_f64(seconds * (total - done) as f64 / done as f64);
                format!(" of {total}, {} left", HumanDuration(left))
            }
        };
        let setting = self.setting.map_or(String::new(), |name| format!("{name}: "));
        format!("{setting}{}{left}", progress(self.done, per_second, stats))
    }
}
