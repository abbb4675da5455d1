//! `zoomr generate`: continues a prompt, streams the text, and accounts for the memory it took.

use std::{ops::ControlFlow, process::ExitCode, time::Instant};

use anyhow::{Result, anyhow, bail};
use clap::Args;
use serde::Serialize;
use zoomr_core::segment::Kind;
use zoomr_model::{
    engine::{Event, Generated, Limits, Stop},
    text::stop::{StopStrings, StopTokens},
};

use super::run::{Watch, WatchArgs, progress};
use crate::{
    args::{
        method::MethodArgs,
        model::ModelArgs,
        parse::{seed, token_count},
        piped::Patience,
        pose::{PoseArgs, Problem},
        sampling::SamplingArgs,
        text::{Given, TextArgs},
    },
    interrupt::Interrupt,
    load::{Form, ModelFiles},
    output::{
        account::{Account, ratio},
        bytes, note,
        places::Places,
        print, print_json,
        screen::Screen,
        status::Status,
        thoughts::{Thoughts, heading},
    },
    provider::{self, Job, Provider},
};

/// New tokens, where nobody says how many.
const MAX_TOKENS: usize = 512;

/// The exit code where the cap on KV memory ended the text.
const CAP_REACHED: u8 = 3;

/// Flags of `generate`.
#[derive(Debug, Args)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    model: ModelArgs,

    #[command(flatten)]
    text: TextArgs,

    /// Give the text as a user's turn, through the model's chat template.
    #[arg(long, conflicts_with = "tokens")]
    chat: bool,

    /// What the model is told before the user's turn.
    #[arg(long, value_name = "TEXT", requires = "chat")]
    system: Option<String>,

    /// The most new tokens, those of summaries included [default: 512; as many as fit its context for the built-in
    /// model].
    #[arg(long, short = 'n', visible_alias = "max-new-tokens", aliases = ["n-predict", "predict"], value_name = "N", value_parser = token_count)]
    max_tokens: Option<usize>,

    /// The most tokens in all, those of the prompt included [default, and for 0: the model's context].
    #[arg(long, short = 'c', value_name = "TOKENS", value_parser = token_count)]
    ctx_size: Option<usize>,

    /// Go on where the model ends its text.
    #[arg(long)]
    ignore_eos: bool,

    /// Stop at this string, which is not printed; may be given several times.
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,

    #[command(flatten)]
    watch: WatchArgs,

    /// Of the built-in model's reasoning, show all thoughts, and not the first few alone.
    #[arg(long)]
    verbose: bool,

    /// Print one JSON object at the end instead of the text: tokens, text, stats.
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pose: PoseArgs,

    #[command(flatten)]
    sampling: SamplingArgs,

    /// Where the random numbers start: the same seed gives the same text.
    #[arg(long, short, default_value_t = 0, value_parser = seed, help_heading = "Sampling")]
    seed: u64,

    #[command(flatten)]
    method: MethodArgs,
}

impl GenerateArgs {
    /// How many new tokens --ctx-size leaves room for after the prompt.
    fn room(&self, prompt: usize) -> Result<usize> {
        match self.ctx_size {
            None | Some(0) => Ok(usize::MAX),
            Some(context) => match context.checked_sub(prompt) {
                Some(room) if room > 0 => Ok(room),
                _ => bail!("--ctx-size: {context} tokens leave no room after a prompt of {prompt}; raise it"),
            },
        }
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    tokens: &'a [u32],
    text: &'a str,
    stop: Stop,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<Checked<'a>>,
    stats: &'a Account,
}

/// What became of a problem.
#[derive(Serialize)]
struct Checked<'a> {
    question: &'a str,
    /// The right answer.
    answer: &'a str,
    /// Whether the model gave it.
    right: bool,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: GenerateArgs) -> Result<ExitCode> {
    if args.max_tokens == Some(0) {
        bail!("--max-tokens: 0 tokens are no text; give at least 1");
    }
    args.sampling.check()?;
    args.method.check()?;
    let stops = StopStrings::new(args.stop.clone()).map_err(|error| anyhow!("--stop: {error}"))?;
    let mut places = Places::default();
    args.text.check(&mut places)?;
    args.watch.check(&mut places)?;
    let watch = Watch::new(&args.watch)?;
    let patience = if args.model.is_builtin() { Patience::Short } else { Patience::Endless };
    let given = args.text.read(patience)?;
    let (given, problem) = match given {
        given if args.model.is_builtin() => args.pose.problem(given, args.seed)?,
        Some(given) => (given, None),
        None => {
            bail!("nothing to continue: give TEXT, --file or --tokens (only the built-in model needs none)")
        }
    };
    provider::on(args.model.start()?, Generate { args, stops, watch, given, problem, places })
}

/// The command, ready to run on a backend.
struct Generate {
    args: GenerateArgs,
    stops: StopStrings,
    watch: Watch,
    given: Given,
    /// The problem that the text is, for the built-in model.
    problem: Option<Problem>,
    /// What is read and written.
    places: Places,
}

impl Job for Generate {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let Self { args, stops, mut watch, given, problem, places } = self;
        let status = Status::new();
        let files = ModelFiles::open(&args.model, &given, places, &status)?;
        if !args.stop.is_empty() && files.tokenizer().is_none() {
            bail!("--stop: the model has no tokenizer, so there is no text to look for it in; leave it out");
        }
        let form = if args.chat { Form::Chat { system: args.system.clone() } } else { Form::Plain };
        let prompt = files.tokens(given, &form)?;
        files.check_length("prompt", prompt.len())?;
        let tokenizer = files.tokenizer();
        let (segmenter, mut options) = args.method.resolve(&files, P::USUAL)?;
        options.settings = options.settings.with_system_message(files.system_tokens(&form)?);
        let sampler = args.sampling.sampler(files.sampling().options(), args.seed)?;
        let loaded = files.load_on::<P>(&status)?;

        let mut engine = loaded.engine(tokenizer, segmenter, options)?;
        let ends = if args.ignore_eos { StopTokens::default() } else { files.end() };
        let most = args.max_tokens.unwrap_or(if problem.is_some() { usize::MAX } else { MAX_TOKENS });
        let room = args.room(prompt.len())?;
        let limits = Limits { max_tokens: most.min(room), tokens: ends, strings: stops };
        let mut screen = Screen::new(args.json, &status);
        let mut thoughts = problem.as_ref().map(|_| Thoughts::new(args.verbose));
        if let Some(problem) = &problem {
            screen.text(Kind::Prompt, &format!("{}{}\n\n", heading("problem"), problem.question()))?;
        }
        watch.begin(&mut engine)?;
        let generated = {
            let mut observer = observer(&mut screen, &mut watch, &mut thoughts, tokenizer.is_none());
            engine.generate(&prompt, sampler, limits, &mut observer)
        };
        let ended = thoughts.map_or(Ok(()), |mut view| screen.text(Kind::Summary, &view.finish()));
        let ended = ended.and(screen.finish());
        let mut generated = generated?;
        if generated.stop == Stop::MaxTokens && room < most {
            generated.stop = Stop::Context;
        }

        let account = watch.finish(&engine, prompt.len(), &generated.timing)?;
        ended?;
        report(&args, &generated, problem.as_ref(), &account)
    }
}

/// Shows text, or ids where there is no text, and how far it is.
fn observer<'a>(
    screen: &'a mut Screen<'_>,
    watch: &'a mut Watch,
    thoughts: &'a mut Option<Thoughts>,
    ids: bool,
) -> impl FnMut(Event<'_>) -> ControlFlow<()> + 'a {
    let mut tokens = 0;
    let mut begun = Instant::now();
    move |event| match event {
        Event::Step { role, stats, .. } => {
            if let Some(view) = thoughts {
                view.step(stats);
            }
            if tokens > 0 {
                let usual = || progress(tokens, tokens as f64 / begun.elapsed().as_secs_f64(), stats);
                screen.progress(thoughts.as_ref().and_then(Thoughts::line).unwrap_or_else(usual));
            }
            watch.step(role, stats)
        }
        Event::Prompt { done, total } => {
            screen.progress(format!("prompt: {done} of {total} tokens"));
            begun = Instant::now();
            watch.go_on(Ok(()))
        }
        Event::Token { id, kind } => {
            tokens += 1;
            let shown = match thoughts {
                Some(view) => head(screen, &view.before(kind)),
                None if ids => show_id(screen, id, tokens == 1),
                None => Ok(()),
            };
            watch.go_on(shown)
        }
        Event::Text { kind, .. } if thoughts.as_ref().is_some_and(|view| view.hides(kind)) => {
            watch.go_on(Ok(()))
        }
        Event::Text { kind, text } => watch.go_on(screen.text(kind, text)),
        _ => ControlFlow::Continue(()),
    }
}

fn show_id(screen: &mut Screen<'_>, id: u32, first: bool) -> Result<()> {
    let gap = if first { "" } else { " " };
    screen.text(Kind::Answer, &format!("{gap}{id}"))
}

/// Shows what stands before a segment, faintly.
fn head(screen: &mut Screen<'_>, text: &str) -> Result<()> {
    if text.is_empty() { Ok(()) } else { screen.text(Kind::Summary, text) }
}

/// Whether the answer is right, and what it took.
fn verdict(checked: &Checked<'_>, account: &Account) -> String {
    let answer = match checked.right {
        true => "right: solving the problem without a model gives the same".to_owned(),
        false => format!("wrong: it is {}", checked.answer),
    };
    let (peak, full) = (account.kv_bytes_resident_peak, account.kv_bytes_full);
    let cache = format!("KV memory {} at most, a full cache {}", bytes(peak), bytes(full));
    let result = match peak < full {
        true => format!("{:.1}x less", ratio(full as f64, peak as f64)),
        false => "the cache came out no smaller, as the text is short for this window".to_owned(),
    };
    let tokens = account.prompt_tokens + account.new_tokens;
    let memory = format!("{cache}: {result} ({tokens} tokens, {:.0} per second)", account.tokens_per_second);
    format!("\n{}{answer}\n{}{memory}\n", heading("check"), heading("memory"))
}

fn report(
    args: &GenerateArgs,
    generated: &Generated,
    problem: Option<&Problem>,
    account: &Account,
) -> Result<ExitCode> {
    let Generated { tokens, text, stop, .. } = generated;
    let checked = problem.map(|problem| Checked {
        question: problem.question(),
        answer: problem.answer(),
        right: problem.is_solved_by(text),
    });
    match checked {
        checked if args.json => {
            print_json(&Report { tokens, text, stop: *stop, problem: checked, stats: account })?;
        }
        Some(checked) => print(&verdict(&checked, account))?,
        None => {}
    }
    args.watch.say(account);
    match generated.stop {
        Stop::Interrupted => {
            note(&format!("interrupted after {} new tokens", account.new_tokens));
            Ok(Interrupt::code())
        }
        Stop::Cap => {
            let cap = args.method.cap().unwrap_or_default();
            note(&format!(
                "the cap on KV memory (--cap, {}) is reached after {} new tokens: the text ends here; raise it, lower \
                 --window, --zoom or --keep-prompt, or, with blocks, --at-hand",
                bytes(cap),
                account.new_tokens
            ));
            Ok(CAP_REACHED.into())
        }
        Stop::Context => {
            note("the context is full: the text ends here");
            Ok(ExitCode::SUCCESS)
        }
        Stop::MaxTokens => {
            note(&format!("the text ends after {} new tokens, as --max-tokens says", account.new_tokens));
            Ok(ExitCode::SUCCESS)
        }
        Stop::EndOfText | Stop::StopString | Stop::TextOver => Ok(ExitCode::SUCCESS),
    }
}
