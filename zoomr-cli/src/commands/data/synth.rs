//! `zoomr data synth`: problems made here, with their reasoning and their answers.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Args, builder::PossibleValuesParser};
use zoomr_model::{
    atomic_file::Existing,
    data::{
        example::Example,
        lines::Writer,
        synth::{Kind, Series, vocabulary},
    },
};

use super::statistics::{Statistics, table};
use crate::{
    args::parse::{directory, token_range},
    interrupt::Interrupt,
    output::{note, places::Places, print, status::Status},
};

/// What stands for every kind.
const ALL: &str = "all";
/// Examples between two looks at the status line.
const SHOWN: u64 = 16;

/// Flags of `data synth`.
#[derive(Debug, Args)]
pub(crate) struct SynthArgs {
    /// The kind of problem; with `all`, one of each in turn.
    #[arg(long, value_name = "KIND", default_value = ALL, value_parser = kinds())]
    kind: String,

    /// How many problems.
    #[arg(short = 'n', long, value_name = "N")]
    count: u64,

    /// How long the problems are with their reasoning, in tokens (words and markers), MIN..MAX: none is shorter or longer.
    #[arg(long, value_name = "MIN..MAX", default_value = "500..2000", value_parser = token_range)]
    tokens: RangeInclusive<usize>,

    /// Where the random numbers start: the same seed makes the same problems.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// The file to write, or `-`: one JSON object per line, with question, thoughts and answer.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Also write the tokenizer of these problems, in which each word is a token, into this directory; where it is already,
    /// it stays.
    #[arg(long, value_name = "DIR", value_parser = directory)]
    tokenizer: Option<PathBuf>,

    /// Replace files that exist.
    #[arg(long)]
    overwrite: bool,
}

fn kinds() -> PossibleValuesParser {
    PossibleValuesParser::new(Kind::ALL.iter().map(|kind| kind.name()).chain([ALL]))
}

/// Runs the command.
///
/// # Errors
/// Whatever went wrong, ready to be shown.
pub(crate) fn run(args: &SynthArgs) -> Result<ExitCode> {
    let (kinds, series) = series(args)?;
    let existing = if args.overwrite { Existing::Replace } else { Existing::Refuse };
    let mut places = Places::default();
    places.output("--out", &args.out)?;
    let tokenizer = args.tokenizer.iter().flat_map(|dir| vocabulary::FILES.map(|name| dir.join(name)));
    tokenizer.into_iter().try_for_each(|path| places.output("--tokenizer", &path))?;
    let writer = Writer::create(&args.out, existing).context("--out")?;
    if let Some(dir) = &args.tokenizer {
        write_tokenizer(dir, existing).context("--tokenizer")?;
    }
    let interrupt = Interrupt::listen()?;
    interrupt.begin_steps();
    match write(args, &kinds, &series, writer, &interrupt)? {
        Some(statistics) => {
            print(&table(&statistics))?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            note("interrupted; nothing was written");
            Ok(Interrupt::code())
        }
    }
}

/// The kinds asked for, and their problems.
fn series(args: &SynthArgs) -> Result<(Vec<Kind>, Series)> {
    if args.count == 0 {
        bail!("--count: 0 problems are no data; give at least 1");
    }
    let kinds = Kind::ALL.iter().copied().filter(|kind| [kind.name(), ALL].contains(&&*args.kind));
    let kinds: Vec<Kind> = kinds.collect();
    let series = Series::new(&kinds, None, args.tokens.clone(), args.seed).context("--tokens")?;
    Ok((kinds, series))
}

fn write_tokenizer(dir: &Path, existing: Existing) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    Ok(vocabulary::write_tokenizer(dir, existing)?)
}

/// Writes the problems; `None` where Ctrl-C came before they were finished.
fn write(
    args: &SynthArgs,
    kinds: &[Kind],
    series: &Series,
    mut writer: Writer,
    interrupt: &Interrupt,
) -> Result<Option<Vec<Statistics>>> {
    let mut statistics: Vec<_> = kinds.iter().map(|kind| Statistics::new(kind.name())).collect();
    let status = Status::new();
    for index in 0..args.count {
        if interrupt.stopping() {
            return Ok(None);
        }
        if index % SHOWN == 0 {
            status.say(&format!("{index} of {} problems", args.count));
        }
        let example = series.example(index)?;
        add(&mut statistics[(index % kinds.len() as u64) as usize], &example);
        writer.write(&example)?;
    }
    status.clear();
    writer.finish().context("--out")?;
    Ok(Some(statistics))
}

/// Adds an example's tokens: each word is one.
fn add(statistics: &mut Statistics, example: &Example) {
    let words = |text: &str| text.split_ascii_whitespace().count();
    let thoughts = example.thoughts.iter().map(|thought| (words(&thought.detail), words(&thought.summary)));
    statistics.add(vocabulary::count(example), thoughts);
}
