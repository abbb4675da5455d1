//! `zoomr data synth`: problems made here, with their reasoning and their answers.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::{Args, builder::PossibleValuesParser};
use zoomr_model::data::{
    example::Example,
    lines::{Existing, Writer},
    synth::{Generator, Kind, draw::Draw, vocabulary},
};

use super::statistics::{Statistics, table};
use crate::{
    args::parse::token_range,
    interrupt::Interrupt,
    output::{note, print, status::Status},
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

    /// How long the problems are with their reasoning, in tokens, MIN..MAX; each length is as likely as any other.
    #[arg(long, value_name = "MIN..MAX", default_value = "500..2000", value_parser = token_range)]
    tokens: RangeInclusive<usize>,

    /// Where the random numbers start: the same seed makes the same problems.
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// The file to write: one JSON object per line, with question, thoughts and answer.
    #[arg(short, long, value_name = "FILE")]
    out: PathBuf,

    /// Also write the tokenizer of these problems, in which each word is a token, into this directory.
    #[arg(long, value_name = "DIR")]
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
    let generators = generators(args)?;
    let existing = if args.overwrite { Existing::Replace } else { Existing::Refuse };
    if let Some(dir) = &args.tokenizer {
        write_tokenizer(dir, existing).context("--tokenizer")?;
    }
    let writer = Writer::create(&args.out, existing).context("--out")?;
    let interrupt = Interrupt::listen(vec![writer.unfinished().to_owned()])?;
    interrupt.begin_steps();
    match write(args, &generators, writer, &interrupt)? {
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

/// A generator of each kind asked for; makes sure that each can do the shortest and the longest.
fn generators(args: &SynthArgs) -> Result<Vec<Box<dyn Generator>>> {
    if args.count == 0 {
        bail!("--count: 0 problems are no data; give at least 1");
    }
    let (min, max) = (*args.tokens.start(), *args.tokens.end());
    if min > max {
        bail!("--tokens: {min} to {max} is no range; give the smaller number first");
    }
    let wanted = Kind::ALL.iter().filter(|kind| [kind.name(), ALL].contains(&&*args.kind));
    let generators: Vec<Box<dyn Generator>> = wanted.map(|kind| kind.generator()).collect();
    for generator in &generators {
        for tokens in [min, max] {
            generator.example(tokens, &mut Draw::new(0, 0)).context("--tokens")?;
        }
    }
    Ok(generators)
}

fn write_tokenizer(dir: &Path, existing: Existing) -> Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    Ok(vocabulary::write_tokenizer(dir, existing)?)
}

/// Writes the problems; `None` where Ctrl-C came before they were finished.
fn write(
    args: &SynthArgs,
    generators: &[Box<dyn Generator>],
    mut writer: Writer,
    interrupt: &Interrupt,
) -> Result<Option<Vec<Statistics>>> {
    let mut statistics: Vec<_> =
        generators.iter().map(|generator| Statistics::new(generator.kind().name())).collect();
    let status = Status::new();
    for index in 0..args.count {
        if interrupt.stopping() {
            return Ok(None);
        }
        if index % SHOWN == 0 {
            status.say(&format!("{index} of {} problems", args.count));
        }
        let mut draw = Draw::new(args.seed, index);
        let turn = (index % generators.len() as u64) as usize;
        let example = generators[turn].example(draw.within(args.tokens.clone()), &mut draw)?;
        add(&mut statistics[turn], &example);
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
