//! Which problems: those of a file, or some made on the spot; and what goes around them.

use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use zoomr_model::{
    data::{
        exercise::{self, Exercise},
        synth::{Kind, Series},
    },
    eval::Shots,
};

use super::parse::{named, token_range};

/// How many problems are made where nothing else is said.
const COUNT: u64 = 30;

/// The problems.
#[derive(Debug, Args)]
#[command(next_help_heading = "Problems")]
pub(crate) struct ProblemArgs {
    /// Problems of a file, one JSON object per line: `question`, `thoughts` and `answer` (see `zoomr data`), or as in
    /// GSM8K, MATH-500 and AIME (see below).
    #[arg(long, value_name = "FILE", conflicts_with = "synth")]
    problems: Option<PathBuf>,

    /// Problems of these kinds, made on the spot, one of each in turn; those that `zoomr data synth` makes.
    #[arg(long, value_name = "KIND,..", value_delimiter = ',', value_parser = named(Kind::ALL, Kind::name))]
    synth: Vec<Kind>,

    /// How many problems, of all kinds together [default: all of a file, 30 made on the spot].
    #[arg(short = 'n', long, visible_alias = "limit", value_name = "N")]
    count: Option<u64>,

    /// How long problems made on the spot are with their reasoning, MIN..MAX tokens.
    #[arg(long, value_name = "MIN..MAX", requires = "synth", conflicts_with = "problems",
        default_value = "500..2000", value_parser = token_range)]
    tokens: RangeInclusive<usize>,

    /// Use only the first N labels (t0, t1, ...) in problems made on the spot, for a model that has not seen all.
    #[arg(long, value_name = "N", requires = "synth", conflicts_with = "problems")]
    labels: Option<usize>,

    /// Where random numbers start: the same seed makes the same problems on the spot, and draws the same texts
    /// [default: 0].
    #[arg(long, value_name = "SEED")]
    seed: Option<u64>,

    /// Show N worked examples before each problem, the first of --shots-from; never the problem itself.
    #[arg(long, visible_alias = "num-fewshot", alias = "num_fewshot", value_name = "N")]
    shots: Option<usize>,

    /// Where worked examples come from: a file as for --problems.
    #[arg(long, value_name = "FILE", requires = "shots")]
    shots_from: Option<PathBuf>,

    /// What follows each question; nothing, if empty [default: for the problems of others, to reason step by step and
    /// give the final answer in \boxed{}].
    #[arg(long, value_name = "TEXT")]
    request: Option<String>,
}

impl ProblemArgs {
    /// The files that are read, with their flags.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let files = [("--problems", &self.problems), ("--shots-from", &self.shots_from)];
        files.into_iter().filter_map(|(flag, path)| Some((flag, path.as_deref()?)))
    }

    /// Refuses examples from nowhere, and a seed that nothing starts from; `drawn` says whether texts are drawn.
    ///
    /// # Errors
    /// Names the flag.
    pub(crate) fn check(&self, drawn: bool) -> Result<()> {
        if self.seed.is_some() && self.problems.is_some() && !drawn {
            bail!("--seed: nothing is drawn; ask for --samples or a --temperature, or leave it out");
        }
        if self.shots.is_some_and(|count| count > 0) && self.shots_from.is_none() {
            bail!(
                "--shots: nothing says where the worked examples are; give --shots-from FILE, or leave it out"
            );
        }
        Ok(())
    }

    /// Where random numbers start.
    pub(crate) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    /// What follows each question, where that is said.
    pub(crate) fn request(&self) -> Option<&str> {
        self.request.as_deref()
    }

    /// Refuses what has no place where a question is all that a model was taught to read.
    ///
    /// # Errors
    /// Names the flag.
    pub(crate) fn check_taught(&self) -> Result<()> {
        let given = [("--shots", self.shots.is_some()), ("--request", self.request.is_some())];
        match given.into_iter().find(|(_, given)| *given) {
            Some((flag, _)) => {
                bail!(
                    "{flag}: this model was taught to answer bare questions (its zoomr.json says so); leave it out"
                )
            }
            None => Ok(()),
        }
    }

    /// Reads the worked examples.
    ///
    /// # Errors
    /// Where the file cannot be read, or has too few.
    pub(crate) fn shots(&self) -> Result<Option<Shots>> {
        match (&self.shots_from, self.shots) {
            (Some(path), Some(count)) => Ok(Some(Shots::read(path, count).context("--shots")?)),
            _ => Ok(None),
        }
    }

    /// Reads or makes them.
    ///
    /// # Errors
    /// Where nothing says which, the file cannot be read or has no problems, or no problem is as long as was asked for.
    pub(crate) fn read(&self) -> Result<Vec<Exercise>> {
        if self.count == Some(0) {
            bail!("--count: 0 problems show nothing; give at least 1");
        }
        let Some(path) = &self.problems else { return self.make() };
        let most = self.count.map_or(usize::MAX, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let exercises = exercise::read(path).context("--problems")?.take(most);
        let exercises: Vec<Exercise> = exercises.collect::<Result<_, _>>().context("--problems")?;
        if exercises.is_empty() {
            bail!("--problems: {} has no problems", path.display());
        }
        Ok(exercises)
    }

    fn make(&self) -> Result<Vec<Exercise>> {
        if self.synth.is_empty() {
            bail!("nothing to solve: give --problems or --synth");
        }
        let series =
            Series::new(&self.synth, self.labels, self.tokens.clone(), self.seed()).context("--synth")?;
        let made = (0..self.count.unwrap_or(COUNT)).map(|index| series.example(index).map(Exercise::from));
        Ok(made.collect::<Result<_, _>>()?)
    }
}
