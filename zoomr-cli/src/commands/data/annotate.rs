//! `zoomr data annotate`: reasoning traces in, thoughts with summaries out.

use std::{
    ops::{ControlFlow, RangeInclusive},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Error, Result};
use clap::{ArgGroup, Args};
use zoomr_model::{
    atomic_file::Existing,
    data::{
        DataError,
        annotate::{AnnotateError, DEFAULT_PROMPT, Measure, Outcome, Plan, Progress, SummaryWriter, Tally},
    },
    text::tokenizer::Tokenizer,
};

use super::{summaries::report, teacher::TeacherArgs};
use crate::{
    args::parse::token_range,
    interrupt::Interrupt,
    output::{counter::Counter, note, places::Places, print, status::Status},
};

/// Flags of `data annotate`.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("source").args(["extractive", "endpoint"]).required(true)))]
#[command(after_long_help = format!("What an endpoint is asked:\n\n{DEFAULT_PROMPT}"))]
pub(crate) struct AnnotateArgs {
    /// The traces: one JSON object per line, with question, trace and answer.
    #[arg(value_name = "TRACES")]
    traces: PathBuf,

    /// The file to write, or `-`: one JSON object per line, with question, thoughts and answer. Until it is complete, what
    /// an endpoint was paid for is in FILE.journal, from where the same command goes on.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Replace the file if it exists.
    #[arg(long, visible_alias = "force")]
    overwrite: bool,

    /// Take sentences of the thoughts as summaries, and ask nobody.
    #[arg(long)]
    extractive: bool,

    #[command(flatten)]
    teacher: TeacherArgs,

    /// A model's directory whose tokenizer counts lengths [default: words are counted].
    #[arg(long, value_name = "DIR")]
    tokenizer: Option<PathBuf>,

    /// How long thoughts should be, MIN..MAX: shorter paragraphs are joined, longer ones cut at sentences.
    #[arg(long, value_name = "MIN..MAX", default_value = "30..400", value_parser = token_range)]
    thought_tokens: RangeInclusive<usize>,

    /// The longest that a summary may be.
    #[arg(long, value_name = "TOKENS", default_value_t = 40)]
    summary_tokens: usize,
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: AnnotateArgs) -> Result<ExitCode> {
    let mut places = Places::default();
    places.input("TRACES", &args.traces)?;
    args.teacher.prompt_file().map_or(Ok(()), |path| places.input("--prompt", path))?;
    args.tokenizer.iter().try_for_each(|dir| places.input_dir("--tokenizer", dir))?;
    places.output("--out", &args.out)?;
    let writer = match args.teacher.teacher()? {
        Some(teacher) => SummaryWriter::Teacher(Box::new(teacher)),
        None => SummaryWriter::Extractive,
    };
    let measure = match &args.tokenizer {
        Some(dir) => Measure::Tokens(Box::new(Tokenizer::from_dir(dir).context("--tokenizer")?)),
        None => Measure::Words,
    };
    let plan = Plan {
        traces: &args.traces,
        output: &args.out,
        existing: if args.overwrite { Existing::Replace } else { Existing::Refuse },
        measure,
        thoughts: args.thought_tokens,
        summary: args.summary_tokens,
        writer,
    };
    places.output("the journal of --out", &plan.journal())?;
    let interrupt = Interrupt::listen()?;
    interrupt.begin_steps();
    let mut shown = Shown { interrupt, status: Status::new(), counter: None, told: false };
    let outcome = plan.run(&mut |progress| shown.progress(progress));
    shown.clear();
    let journal = plan.journal();
    let ended_early = matches!(outcome, Ok(Outcome::Stopped { .. }) | Err(AnnotateError::Thought { .. }));
    if ended_early && journal.exists() {
        note(&format!("what was paid for is in {}: the same command goes on from there", journal.display()));
    }
    match outcome.map_err(flagged)? {
        Outcome::Written(statistics) => {
            let tally = match &plan.writer {
                SummaryWriter::Teacher(teacher) => Some(teacher.tally()),
                SummaryWriter::Extractive => None,
            };
            print(&report(&statistics, &plan.thoughts, tally.as_ref()))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stopped { done, total } => {
            note(&format!(
                "interrupted with {done} of {total} thoughts done; {} was not written",
                args.out.display()
            ));
            Ok(Interrupt::code())
        }
    }
}

/// An error with the flag that is to be changed.
fn flagged(error: AnnotateError) -> Error {
    let flag = match error {
        AnnotateError::Data(DataError::Write { .. } | DataError::File(_))
        | AnnotateError::Busy { .. }
        | AnnotateError::Journal { .. }
        | AnnotateError::NoJournal => "--out",
        AnnotateError::Range { .. } => "--thought-tokens",
        AnnotateError::NoRoom => "--summary-tokens",
        _ => return error.into(),
    };
    Error::new(error).context(flag)
}

/// What is seen of a run.
struct Shown {
    interrupt: Interrupt,
    status: Status,
    /// There is one as soon as it is known how much there is to do.
    counter: Option<Counter>,
    /// Whether it was said that the end may take a while.
    told: bool,
}

impl Shown {
    /// Shows how far it is; ends the run after Ctrl-C.
    fn progress(&mut self, progress: Progress) -> ControlFlow<()> {
        match progress {
            Progress::Reading { traces } => self.status.say(&format!("{traces} traces read")),
            Progress::Writing { done, total, tally } => {
                let counter = self.counter.get_or_insert_with(|| {
                    self.status.clear();
                    Counter::new("thoughts", done, total)
                });
                counter.at(done, &remark(&tally));
                if self.interrupt.stopping() && !self.told && done < total {
                    counter.note(
                        "interrupted: waiting for answers that are paid for; Ctrl-C again gives them up",
                    );
                    self.told = true;
                }
            }
        }
        if self.interrupt.stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn clear(&self) {
        self.status.clear();
        self.counter.iter().for_each(Counter::clear);
    }
}

/// What stands behind the bar: whatever went wrong.
fn remark(tally: &Tally) -> String {
    let trouble = tally.trouble.as_ref();
    trouble.map_or(String::new(), |what| format!("; {} tried again, last after: {what}", tally.failures))
}
