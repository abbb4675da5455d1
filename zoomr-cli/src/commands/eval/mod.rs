//! `zoomr eval`: problems solved under several settings on one model; accuracy beside memory. Or, without the model,
//! settings applied to a recorded run.

mod posed;
mod replay;
mod report;
mod shown;

use std::{num::NonZeroUsize, path::PathBuf, process::ExitCode, thread::available_parallelism};

use anyhow::{Context, Result, bail};
use clap::Args;
use zoomr_model::{
    eval::{Bench, Description, Ended, Plan, Record, rows},
    pretrained::Usual,
    reasoning_format::ReasoningFormat,
    setting::Setting,
    text::sample::Sampler,
};

use self::{posed::LengthArgs, replay::Replaying, report::ReportArgs, shown::Shown};
use crate::{
    args::{
        method::{self, MethodArgs},
        model::ModelArgs,
        parse::{directory, sample_count},
        problems::ProblemArgs,
        sampling::SamplingArgs,
        text::Given,
    },
    interrupt::Interrupt,
    load::{Form, ModelFiles},
    output::{note, places::Places, status::Status},
    provider::{self, Job, Provider},
};

/// What is compared where nothing else is said.
const SETTINGS: [&str; 2] = ["full", "zoomr"];

/// Flags about problems, of which a recording has none.
const SOLVING: [&str; 20] = [
    "problems",
    "synth",
    "count",
    "tokens",
    "labels",
    "seed",
    "shots",
    "shots_from",
    "request",
    "chat",
    "patience",
    "max_tokens",
    "samples",
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "mass",
    "out",
];

/// Which files of problems are read, and how answers are graded: the short of `zoomr_model::data::exercise` and of
/// `zoomr_model::grade`.
const NOTES: &str = "\
Files of problems:

GSM8K: `question`, and `answer` with the result after `####`. MATH-500, AIME: `problem` (or `question`) and `answer`, text \
or number, maybe with `solution`; without `answer`, the result is in the last \\boxed{} of `solution`. Names may be in \
capitals, other fields are ignored. Such a question is followed by a request to reason, and to give the final answer in \
\\boxed{} (--request). With --chat it is a user's turn, and worked examples (--shots) are turns before it; without, all are \
blocks of `Question: ...` and `Answer: ...`.

With --samples, accuracy is pass@1, the mean over all texts, and its interval knows that texts to one problem belong \
together; `majority` is the share of problems where the answer that most texts give is right. Of equally frequent answers \
the first counts, and no answer is an answer of its own.

How answers are graded:

An answer is what stands in the last \\boxed{}, else after the last word `answer`, else the last number. Two \
quantities are the same where their values are and their units do not contradict each other: `\\frac{3}{4}`, `0.75` \
and `75%` are, `12 cm` and `12` are, `12 cm` and `12 m` are not. Rational numbers are compared exactly (`0.333` is not \
`1/3`); with roots, pi or more than 38 digits, one part in a million may be off. Units are not converted. Everything \
else is text, compared without regard to case and spacing: `x+1` is not `1+x`.";

/// Flags of `eval`.
#[derive(Debug, Args)]
#[command(after_long_help = NOTES)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    model: ModelArgs,

    /// A policy and its numbers, as in `zoomr:zoom=2,window=64`; may be given several times. Names are those of the
    /// method's flags; what is not named is as those flags say, or as the model was taught [default: full, zoomr].
    #[arg(long, short, value_name = "POLICY[:NAME=VALUE,..]")]
    setting: Vec<String>,

    /// Give each question as a user's turn, through the model's chat template.
    #[arg(long)]
    chat: bool,

    #[command(flatten)]
    length: LengthArgs,

    /// Write so many texts for each problem, drawn as the sampling flags say [default: 1, of the likeliest tokens, unless a
    /// sampling flag is given].
    #[arg(long, value_name = "K", value_parser = sample_count)]
    samples: Option<NonZeroUsize>,

    /// Measure, on the first text of the first N problems, the share of attention that goes to tokens which a policy does not show.
    #[arg(long, value_name = "N", default_value_t = 0)]
    mass: usize,

    /// Keep what comes of each run in this directory, from where the same command goes on.
    #[arg(long, short, value_name = "DIR", value_parser = directory)]
    out: Option<PathBuf>,

    /// Runs side by side; what comes of them does not depend on it [default: one for each processor].
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,

    /// Solve no problems: apply the settings to a run that `zoomr score --record` or `zoomr generate --record` wrote,
    /// without the model's weights. Says what each would have shown and held, which is no accuracy.
    #[arg(long, value_name = "FILE", conflicts_with_all = SOLVING)]
    replay: Option<PathBuf>,

    #[command(flatten)]
    report: ReportArgs,

    #[command(flatten)]
    problems: ProblemArgs,

    #[command(flatten)]
    sampling: SamplingArgs,

    #[command(flatten)]
    method: MethodArgs,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: EvalArgs) -> Result<ExitCode> {
    args.length.check()?;
    args.sampling.check()?;
    args.problems.check(args.draws())?;
    args.method.check()?;
    // What no model could make good should be said before one is loaded.
    args.settings(None, Usual::default())?;
    match args.replay.clone() {
        Some(path) => provider::on(args.model.start()?, Replaying { args, path }),
        None => provider::on(args.model.start()?, Eval { args }),
    }
}

impl EvalArgs {
    /// The settings, for a model that was taught `format`.
    fn settings(&self, format: Option<&ReasoningFormat>, usual: Usual) -> Result<Vec<Setting>> {
        method::settings(&self.setting, &SETTINGS, &self.method, format, usual)
    }

    /// Whether tokens are drawn, and not always the likeliest taken.
    fn draws(&self) -> bool {
        self.samples.is_some() || self.sampling.are_given()
    }

    /// How tokens are chosen.
    fn sampler(&self, files: &ModelFiles) -> Result<Sampler> {
        if !self.draws() {
            return Ok(Sampler::default());
        }
        let sampler = self.sampling.sampler(files.sampling().options(), self.problems.seed())?;
        match self.samples {
            Some(samples) if samples.get() > 1 && sampler.is_greedy() => bail!(
                "--samples: {samples} texts that always take the likeliest token would all be the same; give \
                 --temperature 0.7, say, or leave --samples out"
            ),
            _ => Ok(sampler),
        }
    }

    /// How many runs go on side by side.
    fn workers(&self) -> NonZeroUsize {
        self.workers.or_else(|| available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN)
    }
}

/// The command, ready to run on a backend.
struct Eval {
    args: EvalArgs,
}

impl Job for Eval {
    type Output = ExitCode;

    fn run<P: Provider>(self) -> Result<ExitCode> {
        let args = self.args;
        let mut places = Places::default();
        args.problems.files().try_for_each(|(flag, path)| places.input(flag, path))?;
        let kept = args.out.iter().flat_map(|dir| Record::FILES.map(|name| dir.join(name)));
        kept.into_iter().try_for_each(|path| places.output("--out", &path))?;
        let report = args.report.begin(&mut places)?;
        let interrupt = Interrupt::listen()?;
        let status = Status::new();
        // A problem is words: there has to be a tokenizer.
        let files = ModelFiles::open(&args.model, &Given::Text(String::new()), places, &status)?;
        let tokenizer = files.require_tokenizer()?;
        let (segmenter, options) = args.method.resolve(&files, P::USUAL)?;
        let form = if args.chat { Form::Chat { system: None } } else { Form::Plain };
        let system = files.system_tokens(&form)?;
        let settings = args.settings(files.reasoning_format(), P::USUAL)?;
        let settings: Vec<Setting> =
            settings.into_iter().map(|setting| setting.with_system_message(system)).collect();
        let sampler = args.sampler(&files)?;
        status.say("reading problems");
        let problems = posed::problems(&args, &files, tokenizer)?;

        let loaded = files.load_on::<P>(&status)?;
        let bench = Bench {
            model: &loaded.model,
            tokenizer,
            kernels: loaded.kernels.clone(),
            device: loaded.device.clone(),
            segmenter,
            options,
            markers: files.reasoning_format().map(|format| format.markers.clone()),
            end: files.end(),
            sampler,
            alone: P::alone,
        };
        let plan = Plan {
            problems: &problems,
            settings: &settings,
            samples: args.samples.unwrap_or(NonZeroUsize::MIN),
            mass: args.mass,
            workers: args.workers(),
        };
        plan.check(&bench)?;
        let (record, known) = match &args.out {
            Some(dir) => {
                status.say("reading what tells the model from others");
                let description = Description::new(files.digest(&loaded), &bench, &plan);
                let (record, known) = Record::open(dir, &description).context("--out")?;
                (Some(record), known)
            }
            None => (None, Vec::new()),
        };
        status.clear();

        interrupt.begin_steps();
        let mut shown = Shown::new(&interrupt, &settings, &known);
        let ended = plan.run(&bench, known, record, &mut |progress| shown.progress(&progress));
        shown.clear();
        match ended? {
            Ended::Done(outcomes) => {
                report.finish(&rows(&settings, &outcomes))?;
                Ok(ExitCode::SUCCESS)
            }
            Ended::Stopped { done, total } => {
                let kept = match &args.out {
                    Some(dir) => format!("; the same command goes on from {}", dir.display()),
                    None => "; nothing was kept, as there is no --out".to_owned(),
                };
                note(&format!("interrupted with {done} of {total} runs done{kept}"));
                Ok(Interrupt::code())
            }
        }
    }
}
