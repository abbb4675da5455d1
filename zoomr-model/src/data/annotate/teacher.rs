//! A model behind an OpenAI-compatible endpoint that writes summaries; asks again where that may help.
//!
//! - After a busy or broken server (429, 408, 5xx, a cut or silent connection, an empty answer) it waits and asks
//!   again: twice as long each time, at random within that, and at least as long as `Retry-After` says, which all
//!   workers keep to.
//! - After a summary that is too long it asks once for a shorter one, and cuts that at the end of a sentence.
//! - Anything else (a wrong key, an unknown model, an answer of another shape) is final, and said at once.

use std::{
    num::NonZeroUsize,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};

use super::{
    AnnotateError, TeacherError,
    cut::shorten,
    endpoint::{Answer, Endpoint, Failure},
    prompt::{Prompt, shorter, tidy},
    retry::{Pause, back_off},
    summary::{Limit, Summary},
};
use crate::digest::Digest;

/// The longest `Retry-After` that is waited for.
const PATIENCE: Duration = Duration::from_secs(600);

/// How to reach a teacher, and how patient to be; [`Teacher`] has checked it.
#[derive(Clone)]
pub struct TeacherOptions {
    /// The server's address: `https://host`, with or without `/v1` and `/chat/completions`.
    pub endpoint: String,
    /// The model's name there.
    pub model: String,
    /// What lets us in; without one, requests have no `Authorization`.
    pub key: Option<String>,
    /// What is asked.
    pub prompt: Prompt,
    /// More fields of each request, such as `temperature`.
    pub request: Map<String, Value>,
    /// How many requests may be under way at a time.
    pub concurrency: NonZeroUsize,
    /// The longest time that a request may take.
    pub timeout: Duration,
    /// How often a request that failed is tried again.
    pub retries: u32,
    /// About how long to wait before the first time; 1 s is customary.
    pub back_off: Duration,
}

/// What was asked so far, by this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests sent.
    pub requests: u64,
    /// Those of them that failed and were tried again.
    pub failures: u64,
    /// Tokens read by the teacher, as far as the server says.
    pub prompt_tokens: u64,
    /// Tokens written by the teacher, as far as the server says.
    pub completion_tokens: u64,
    /// What went wrong last.
    pub trouble: Option<String>,
}

/// Writes summaries, for several threads at a time.
#[derive(Debug)]
pub struct Teacher {
    endpoint: Endpoint,
    model: String,
    prompt: Prompt,
    request: Map<String, Value>,
    concurrency: NonZeroUsize,
    retries: u32,
    back_off: Duration,
    pause: Pause,
    /// Whether the server has ever been there.
    reached: AtomicBool,
    requests: AtomicU64,
    failures: AtomicU64,
    prompt_tokens: AtomicU64,
    completion_tokens: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl TryFrom<TeacherOptions> for Teacher {
    type Error = TeacherError;

    fn try_from(options: TeacherOptions) -> Result<Self, TeacherError> {
        let TeacherOptions { endpoint, model, key, prompt, request, concurrency, timeout, retries, back_off } =
            options;
        if let Some(field) =
            ["model", "messages", "stream", "n"].into_iter().find(|&it| request.contains_key(it))
        {
            return Err(TeacherError::Field { field });
        }
        Ok(Self {
            endpoint: Endpoint::new(&endpoint, key, timeout, concurrency)?,
            model,
            prompt,
            request,
            concurrency,
            retries,
            back_off,
            pause: Pause::over(),
            reached: AtomicBool::new(false),
            requests: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            prompt_tokens: AtomicU64::new(0),
            completion_tokens: AtomicU64::new(0),
            trouble: Mutex::new(None),
        })
    }
}

impl Teacher {
    /// How many requests may be under way at a time.
    pub fn concurrency(&self) -> NonZeroUsize {
        self.concurrency
    }

    /// What was asked so far.
    pub fn tally(&self) -> Tally {
        Tally {
            requests: self.requests.load(Relaxed),
            failures: self.failures.load(Relaxed),
            prompt_tokens: self.prompt_tokens.load(Relaxed),
            completion_tokens: self.completion_tokens.load(Relaxed),
            trouble: self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }

    /// What a thought's summary depends on; not on the address, as the same model may move.
    pub(super) fn key(&self, question: &str, thought: &str, limit: Limit<'_>) -> Digest {
        let prompt = self.render(question, thought, limit);
        let request = Value::Object(self.request.clone()).to_string();
        let most = limit.most.to_string();
        Digest::of([self.model.as_str(), &request, limit.measure.unit(), &most, &prompt])
    }

    /// The summary of a thought; `None` where `stop` came first. Takes as long as it takes.
    ///
    /// # Errors
    /// [`AnnotateError::Teacher`] where the server refuses or remains out of reach.
    pub(super) fn summary(
        &self,
        question: &str,
        thought: &str,
        limit: Limit<'_>,
        stop: &AtomicBool,
    ) -> Result<Option<Summary>, AnnotateError> {
        let mut messages = vec![json!({"role": "user", "content": self.render(question, thought, limit)})];
        let Some(first) = self.ask(&messages, stop)? else { return Ok(None) };
        if limit.measure.length(&first)? <= limit.most {
            return Ok(Some(Summary { text: first, cut: false }));
        }
        messages.push(json!({"role": "assistant", "content": first}));
        messages.push(json!({"role": "user", "content": shorter(limit.measure.in_words(limit.most))}));
        // Who is stopped here has paid for the first one: it is cut, not thrown away.
        let text = self.ask(&messages, stop)?.unwrap_or(first);
        let shortened = shorten(&text, limit.measure, limit.most)?;
        Ok(Some(Summary { cut: shortened.len() < text.len(), text: shortened.to_owned() }))
    }

    fn render(&self, question: &str, thought: &str, limit: Limit<'_>) -> String {
        self.prompt.render(question, thought, limit.measure.in_words(limit.most))
    }

    /// The summary in the answer to some messages, asked for until there is one.
    fn ask(&self, messages: &[Value], stop: &AtomicBool) -> Result<Option<String>, TeacherError> {
        let mut body = self.request.clone();
        body.insert("model".into(), self.model.clone().into());
        body.insert("messages".into(), messages.into());
        let body = Value::Object(body).to_string();
        let mut not_before = Instant::now();
        for retry in 0.. {
            if !self.pause.wait(not_before, self.back_off, stop) {
                return Ok(None);
            }
            self.requests.fetch_add(1, Relaxed);
            let failure = match self.endpoint.ask(body.as_bytes()) {
                Ok(answer) => return Ok(Some(self.received(&answer))),
                Err(failure) => failure,
            };
            let wait = self.failed(failure, retry)?;
            not_before = Instant::now() + wait;
        }
        Ok(None)
    }

    /// Notes an answer, and returns the summary in it.
    fn received(&self, answer: &Answer) -> String {
        self.reached.store(true, Relaxed);
        self.prompt_tokens.fetch_add(answer.prompt_tokens, Relaxed);
        self.completion_tokens.fetch_add(answer.completion_tokens, Relaxed);
        tidy(&answer.text)
    }

    /// Notes a failure; how long to wait before asking again.
    fn failed(&self, failure: Failure, retry: u32) -> Result<Duration, TeacherError> {
        let (what, after, reached) = match failure {
            Failure::Final(error) => return Err(error),
            Failure::Passing { what, after, reached } => (what, after, reached),
        };
        let url = || self.endpoint.url();
        // Who was never there has a wrong address; who was there comes back.
        if !self.reached.fetch_or(reached, Relaxed) && !reached {
            return Err(TeacherError::Unreachable { url: url(), what });
        }
        if retry >= self.retries {
            return Err(TeacherError::Exhausted { url: url(), tries: u64::from(retry) + 1, what });
        }
        if let Some(wait) = after.filter(|wait| *wait > PATIENCE) {
            return Err(TeacherError::TooLong { url: url(), seconds: wait.as_secs(), what });
        }
        self.failures.fetch_add(1, Relaxed);
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(what);
        if let Some(wait) = after {
            self.pause.hold(wait);
        }
        Ok(back_off(self.back_off, retry))
    }
}
