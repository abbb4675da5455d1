//! From a file of traces to a file of examples.
//!
//! All traces are read and split before the first summary is written, so that a bad line costs nothing; they stay in
//! memory. The output appears when everything is in it, and the journal beside it is gone then.

use std::{
    collections::{HashMap, HashSet},
    ops::{ControlFlow, Range, RangeInclusive},
    path::{Path, PathBuf},
};

use super::{
    AnnotateError, Measure, Splitter, Statistics, Summary, Tally, Teacher,
    extract::Extractor,
    journal::{self, Journal},
    statistics,
    summary::Limit,
};
use crate::{
    atomic_file::{Existing, is_stream},
    data::{
        example::{Example, Thought, Trace},
        lines::{self, Writer},
    },
    digest::Digest,
    pool,
};

/// Who writes the summaries.
#[derive(Debug)]
pub enum SummaryWriter {
    /// Nobody: sentences of the thoughts are taken.
    Extractive,
    /// A model behind an endpoint.
    Teacher(Box<Teacher>),
}

/// What is to be done.
#[derive(Debug)]
pub struct Plan<'a> {
    /// A file of [`Trace`]s.
    pub traces: &'a Path,
    /// The file of [`Example`]s to write; `-` is standard output.
    pub output: &'a Path,
    /// What to do where that is there already.
    pub existing: Existing,
    /// What lengths are counted in.
    pub measure: Measure,
    /// How long thoughts should be.
    pub thoughts: RangeInclusive<usize>,
    /// The longest that a summary may be.
    pub summary: usize,
    /// Who writes the summaries.
    pub writer: SummaryWriter,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// So many traces have been read and split.
    Reading {
        /// How many.
        traces: usize,
    },
    /// So many thoughts have summaries, those from the journal included.
    Writing {
        /// How many.
        done: usize,
        /// How many there are.
        total: usize,
        /// What that took so far; nothing where nobody is asked.
        tally: Tally,
    },
}

/// How it ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The output is there.
    Written(Statistics),
    /// The observer ended it. What was paid for is in the journal.
    Stopped {
        /// Thoughts that have summaries.
        done: usize,
        /// Thoughts.
        total: usize,
    },
}

/// Told how far it is, several times a second while a teacher is asked; may end it.
pub type Observer<'o> = dyn FnMut(Progress) -> ControlFlow<()> + 'o;

/// A trace and the places of its thoughts.
#[derive(Debug)]
struct Split {
    line: usize,
    trace: Trace,
    thoughts: Vec<Range<usize>>,
}

impl Split {
    fn details(&self) -> impl Iterator<Item = &str> {
        self.thoughts.iter().map(|place| &self.trace.trace[place.clone()])
    }
}

/// The summaries of each trace.
type Summaries = Vec<Vec<Summary>>;

/// Summaries as far as they got.
enum Got {
    All(Summaries),
    Some { done: usize, total: usize },
}

impl Plan<'_> {
    /// Does it.
    ///
    /// # Errors
    /// [`AnnotateError`]. What was paid for by then is in the journal beside the output, and the next call goes on
    /// from there.
    pub fn run(&self, observer: &mut Observer<'_>) -> Result<Outcome, AnnotateError> {
        if self.summary == 0 {
            return Err(AnnotateError::NoRoom);
        }
        if matches!(self.writer, SummaryWriter::Teacher(_)) && is_stream(self.output) {
            return Err(AnnotateError::NoJournal);
        }
        // What stands in the way of the output should be known before anything is paid for; but a run that is
        // killed should leave no unfinished file, so this one is given up.
        drop(Writer::create(self.output, self.existing)?);
        let Some(traces) = self.read(observer)? else { return Ok(Outcome::Stopped { done: 0, total: 0 }) };
        let (got, journal) = match &self.writer {
            SummaryWriter::Extractive => (self.extract(&traces, observer)?, None),
            SummaryWriter::Teacher(teacher) => {
                let (mut journal, known) = Journal::open(self.output)?;
                (self.ask(teacher, &traces, &mut journal, known, observer)?, Some(journal))
            }
        };
        let summaries = match got {
            Got::All(summaries) => summaries,
            Got::Some { done, total } => return Ok(Outcome::Stopped { done, total }),
        };
        let statistics = self.write(traces, summaries)?;
        journal.map_or(Ok(()), Journal::remove)?;
        Ok(Outcome::Written(statistics))
    }

    /// Where the journal is: beside the output, until that is complete.
    pub fn journal(&self) -> PathBuf {
        journal::path_for(self.output)
    }

    fn limit(&self) -> Limit<'_> {
        Limit { measure: &self.measure, most: self.summary }
    }

    /// Reads and splits the traces; `None` where the observer ends it.
    fn read(&self, observer: &mut Observer<'_>) -> Result<Option<Vec<Split>>, AnnotateError> {
        let splitter = Splitter::new(&self.measure, self.thoughts.clone())?;
        let mut records = lines::read::<Trace>(self.traces)?;
        let mut traces = Vec::new();
        while let Some(trace) = records.next() {
            let (trace, line, path) = (trace?, records.line(), || self.traces.to_owned());
            let thoughts = splitter.split(&trace.trace);
            let thoughts = thoughts.map_err(|source| AnnotateError::Trace { path: path(), line, source })?;
            if thoughts.is_empty() {
                return Err(AnnotateError::EmptyTrace { path: path(), line });
            }
            traces.push(Split { line, trace, thoughts });
            if observer(Progress::Reading { traces: traces.len() }).is_break() {
                return Ok(None);
            }
        }
        match traces.is_empty() {
            true => Err(AnnotateError::NoTraces { path: self.traces.to_owned() }),
            false => Ok(Some(traces)),
        }
    }

    /// Takes sentences of the thoughts.
    fn extract(&self, traces: &[Split], observer: &mut Observer<'_>) -> Result<Got, AnnotateError> {
        let total = traces.iter().map(|split| split.thoughts.len()).sum();
        let (mut done, mut summaries) = (0, Vec::new());
        for split in traces {
            if observer(Progress::Writing { done, total, tally: Tally::default() }).is_break() {
                return Ok(Got::Some { done, total });
            }
            let extractor = Extractor::new(split.details());
            let chosen = split.details().map(|detail| extractor.summary(detail, self.limit()));
            summaries.push(chosen.collect::<Result<Vec<_>, _>>()?);
            done += split.thoughts.len();
        }
        Ok(Got::All(summaries))
    }

    /// Has summaries written that are not known yet.
    fn ask(
        &self,
        teacher: &Teacher,
        traces: &[Split],
        journal: &mut Journal,
        mut known: HashMap<Digest, Summary>,
        observer: &mut Observer<'_>,
    ) -> Result<Got, AnnotateError> {
        let key = |split: &Split, detail: &str| teacher.key(&split.trace.question, detail, self.limit());
        let keys: Vec<Vec<Digest>> =
            traces.iter().map(|split| split.details().map(|detail| key(split, detail)).collect()).collect();
        let mut seen: HashSet<Digest> = known.keys().copied().collect();
        let thoughts = traces.iter().zip(&keys).flat_map(|(split, keys)| {
            (1..)
                .zip(split.details())
                .zip(keys)
                .map(move |((number, detail), key)| (split, number, detail, *key))
        });
        // The same thought may come several times, and is paid for once.
        let open: Vec<(&Split, usize, &str, Digest)> =
            thoughts.filter(|(.., key)| seen.insert(*key)).collect();
        let total = keys.iter().map(Vec::len).sum();
        let done = |known: &HashMap<Digest, Summary>| {
            keys.iter().flatten().filter(|key| known.contains_key(key)).count()
        };

        let mut count = done(&known);
        pool::work(
            teacher.concurrency(),
            &open,
            |&(split, number, detail, _), stop| {
                let summary = teacher.summary(&split.trace.question, detail, self.limit(), stop);
                summary.map_err(|source| AnnotateError::Thought {
                    line: split.line,
                    thought: number,
                    source: Box::new(source),
                })
            },
            |got| {
                if let Some((&(.., key), summary)) = got {
                    journal.add(key, &summary)?;
                    known.insert(key, summary);
                    count += 1;
                }
                Ok(observer(Progress::Writing { done: count, total, tally: teacher.tally() }))
            },
        )?;
        let done = done(&known);
        if done < total {
            return Ok(Got::Some { done, total });
        }
        let summaries =
            keys.iter().map(|keys| keys.iter().filter_map(|key| known.get(key).cloned()).collect());
        Ok(Got::All(summaries.collect()))
    }

    /// Writes the examples, each checked.
    fn write(&self, traces: Vec<Split>, summaries: Summaries) -> Result<Statistics, AnnotateError> {
        let mut writer = Writer::create(self.output, self.existing)?;
        let mut statistics = Statistics::new(self.measure.unit());
        for (split, summaries) in traces.into_iter().zip(summaries) {
            statistics.cut += summaries.iter().filter(|summary| summary.cut).count();
            let texts = summaries.into_iter().map(|summary| summary.text);
            let thoughts = split
                .details()
                .zip(texts)
                .map(|(detail, summary)| Thought { detail: detail.to_owned(), summary });
            let thoughts = thoughts.collect();
            let Trace { question, answer, .. } = split.trace.clone();
            let example = Example { kind: None, question, thoughts, answer };
            statistics::check(split.line, &split.trace, &example)?;
            statistics.add(&example, &self.thoughts, self.limit())?;
            writer.write(&example)?;
        }
        writer.finish()?;
        Ok(statistics)
    }
}
