//! Which problems: those of a file, or some made on the spot.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use zoomr_model::data::{
    example::Example,
    lines,
    synth::{Kind, Series},
};

use super::parse::{named, token_range};

/// How many problems are made where nothing else is said.
const COUNT: u64 = 30;

/// The problems.
#[derive(Debug, Args)]
#[command(next_help_heading = "Problems")]
pub(crate) struct ProblemArgs {
    /// Problems of a file: one JSON object per line, with question, thoughts and answer (see `zoomr data`).
    #[arg(long, value_name = "FILE", conflicts_with = "synth")]
    problems: Option<PathBuf>,

    /// Problems of these kinds, made on the spot, one of each in turn; those that `zoomr data synth` makes.
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', value_parser = named(Kind::ALL, Kind::name))]
    synth: Vec<Kind>,

    /// How many problems, of all kinds together [default: all of a file, 30 made on the spot].
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,

    /// How long problems made on the spot are with their reasoning, MIN..MAX tokens.
    #[arg(long, value_name = "MIN..MAX", requires = "synth", conflicts_with = "problems",
        default_value = "500..2000", value_parser = token_range)]
    tokens: RangeInclusive<usize>,

    /// Use only the first N labels (t0, t1, ...) in problems made on the spot, for a model that has not seen all.
    #[arg(long, value_name = "N", requires = "synth", conflicts_with = "problems")]
    labels: Option<usize>,

    /// Where the random numbers for them start: the same seed makes the same problems.
    #[arg(long, value_name = "SEED", requires = "synth", conflicts_with = "problems", default_value_t = 0)]
    seed: u64,
}

impl ProblemArgs {
    /// The file they are read from, if they are.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.problems.as_deref()
    }

    /// Reads or makes them.
    ///
    /// # Errors
    /// Where nothing says which, the file cannot be read or has no problems, or no problem is as long as was asked for.
    pub(crate) fn read(&self) -> Result<Vec<Example>> {
        if self.count == Some(0) {
            bail!("--count: 0 problems show nothing; give at least 1");
        }
        let Some(path) = &self.problems else { return self.make() };
        let most = self.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let examples = lines::read::<Example>(path).context("--problems")?.take(most);
        let examples: Vec<Example> = examples.collect::<Result<_, _>>().context("--problems")?;
        if examples.is_empty() {
            bail!("--problems: {} has no problems", path.display());
        }
        Ok(examples)
    }

    fn make(&self) -> Result<Vec<Example>> {
        if self.synth.is_empty() {
            bail!("nothing to solve: give --problems or --synth");
        }
        let series =
            Series::new(&self.synth, self.labels, self.tokens.clone(), self.seed).context("--synth")?;
        Ok((0..self.count.unwrap_or(COUNT)).map(|index| series.example(index)).collect::<Result<_, _>>()?)
    }
}
