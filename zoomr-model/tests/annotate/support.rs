//! Traces to annotate, and runs on them.

use std::{fs, num::NonZeroUsize, ops::ControlFlow, path::PathBuf, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use zoomr_model::{
    atomic_file::Existing,
    data::{
        annotate::{
            AnnotateError, DEFAULT_PROMPT, Measure, Outcome, Plan, Progress, Prompt, Statistics,
            SummaryWriter, Teacher, TeacherOptions,
        },
        example::Example,
        lines,
    },
};

use crate::server::{Reply, Request, Server};

/// A directory with traces of some thoughts each, and the output beside them.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
}

impl Bench {
    /// One trace per item, of so many paragraphs.
    pub(crate) fn new(paragraphs: &[usize]) -> Self {
        let dir = TempDir::new().unwrap();
        let trace = |(number, count): (usize, &usize)| {
            let thoughts: Vec<String> =
                (0..*count).map(|j| format!("Trace {number}, thought {j}. It is so.")).collect();
            json!({"question": format!("Question {number}?"), "trace": thoughts.join("\n\n"), "answer": "42"})
        };
        let lines: Vec<String> = paragraphs.iter().enumerate().map(|item| trace(item).to_string()).collect();
        fs::write(dir.path().join("traces.jsonl"), lines.join("\n")).unwrap();
        Self { dir }
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.dir.path().join("out.jsonl")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.dir.path().join("out.jsonl.journal")
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.dir.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Annotates, each paragraph a thought, with summaries of at most 12 words; the observer may end it.
    pub(crate) fn run(
        &self,
        options: TeacherOptions,
        observer: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Outcome, AnnotateError> {
        let plan = Plan {
            traces: &self.dir.path().join("traces.jsonl"),
            output: &self.output(),
            existing: Existing::Refuse,
            measure: Measure::Words,
            thoughts: 1..=50,
            summary: 12,
            writer: SummaryWriter::Teacher(Box::new(Teacher::try_from(options)?)),
        };
        plan.run(observer)
    }

    /// Annotates to the end.
    pub(crate) fn written(&self, options: TeacherOptions) -> Result<Statistics, AnnotateError> {
        match self.run(options, &mut |_| ControlFlow::Continue(()))? {
            Outcome::Written(statistics) => Ok(statistics),
            Outcome::Stopped { .. } => panic!("nobody ended it"),
        }
    }

    /// The details and summaries written.
    pub(crate) fn thoughts(&self) -> Vec<(String, String)> {
        let examples: Vec<Example> = lines::read(&self.output()).unwrap().collect::<Result<_, _>>().unwrap();
        let thoughts = examples.into_iter().flat_map(|example| example.thoughts);
        thoughts.map(|thought| (thought.detail, thought.summary)).collect()
    }
}

/// Options that do not make a test wait.
pub(crate) fn hasty(server: &Server) -> TeacherOptions {
    TeacherOptions {
        endpoint: server.url(),
        model: "tiny".into(),
        key: Some("sk-secret".into()),
        prompt: Prompt::parse(DEFAULT_PROMPT).unwrap(),
        request: serde_json::Map::new(),
        concurrency: NonZeroUsize::new(3).unwrap(),
        timeout: Duration::from_secs(20),
        retries: 5,
        back_off: Duration::from_millis(4),
    }
}

/// A summary that tells which thought it is of.
pub(crate) fn summary_of(thought: &str) -> String {
    format!("In short: {}", thought.split_once('.').unwrap().0)
}

/// A server that does its work.
pub(crate) fn good(request: &Request, _: usize) -> Reply {
    Reply::says(&summary_of(request.thought()))
}
