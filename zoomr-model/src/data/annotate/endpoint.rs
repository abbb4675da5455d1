//! One request to an OpenAI-compatible server, and what its answer means.
//!
//! Only `POST .../chat/completions`, without streaming and without retries: see [`teacher`](super::teacher).

use std::{fmt, io, num::NonZeroUsize, time::Duration};

use serde::Deserialize;
use ureq::{Agent, http::Response};

use super::{TeacherError, prompt::tidy, retry::retry_after, summary::one_line};
use crate::address::{Address, shown};

/// The longest answer that is read, in bytes.
const LONGEST: u64 = 8 << 20;
/// The most of a server's own words that a message repeats, in characters.
const SHOWN: usize = 300;
/// The longest time to wait for a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// The server, and what lets us in.
pub(super) struct Endpoint {
    agent: Agent,
    url: Address,
    key: Option<String>,
}

impl fmt::Debug for Endpoint {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a teacher said, and what that took.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) prompt_tokens: u64,
    pub(super) completion_tokens: u64,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The next try may go well.
    Passing {
        /// What happened, for people.
        what: String,
        /// How long the server wants to be left alone.
        after: Option<Duration>,
        /// Whether the server was there at all.
        reached: bool,
    },
    /// Asking again would be of no use.
    Final(TeacherError),
}

/// The part that matters of what a server sends.
#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

impl Endpoint {
    /// A server's address, with or without `/v1` and `/chat/completions`. An answer may take so long.
    ///
    /// # Errors
    /// [`TeacherError::Url`] and [`TeacherError::Key`], where they cannot be used.
    pub(super) fn new(
        url: &str,
        key: Option<String>,
        timeout: Duration,
        connections: NonZeroUsize,
    ) -> Result<Self, TeacherError> {
        let key = key.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty());
        if key.as_ref().is_some_and(|key| !key.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(TeacherError::Key);
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A POST that is sent elsewhere becomes a GET: better to say so.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(timeout))
            .timeout_connect(Some(CONNECT))
            .max_idle_connections(connections.get())
            .max_idle_connections_per_host(connections.get())
            .user_agent(concat!("zoomr/", env!("CARGO_PKG_VERSION")));
        Ok(Self { agent: config.build().into(), url: full_url(url)?, key })
    }

    /// The address that requests go to, as it may be shown.
    pub(super) fn url(&self) -> String {
        self.url.to_string()
    }

    /// Asks once.
    pub(super) fn ask(&self, body: &[u8]) -> Result<Answer, Failure> {
        let mut request = self.agent.post(self.url.as_str()).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|error| self.unsent(&error))?;
        let read = response.body_mut().with_config().limit(LONGEST).read_to_vec();
        let bytes = read.map_err(|error| match error {
            ureq::Error::BodyExceedsLimit(_) => {
                Failure::Final(self.garbled(format!("more than {} MiB", LONGEST >> 20)))
            }
            error => passing(format!("the answer broke off: {error}"), None),
        })?;
        if response.status().is_success() { self.read(&bytes) } else { Err(self.refusal(&response, &bytes)) }
    }

    /// Takes an answer apart.
    fn read(&self, bytes: &[u8]) -> Result<Answer, Failure> {
        let completion: Completion = serde_json::from_slice(bytes).map_err(|error| match error.is_eof() {
            true => passing("the answer broke off".into(), None),
            false => Failure::Final(self.garbled(format!("{error}: {}", self.says(bytes)))),
        })?;
        let usage = completion.usage.unwrap_or_default();
        let Some(choice) = completion.choices.into_iter().next() else {
            return Err(Failure::Final(self.garbled(format!("no choices: {}", self.says(bytes)))));
        };
        let text = choice.message.content.unwrap_or_default();
        if tidy(&text).is_empty() {
            let reason =
                choice.finish_reason.map_or(String::new(), |reason| format!(" (finish reason: {reason})"));
            return Err(passing(format!("the answer is empty{reason}"), None));
        }
        Ok(Answer { text, prompt_tokens: usage.prompt_tokens, completion_tokens: usage.completion_tokens })
    }

    /// What a status other than success means.
    fn refusal<B>(&self, response: &Response<B>, bytes: &[u8]) -> Failure {
        let (status, says, url) = (response.status().as_u16(), self.says(bytes), self.url());
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let is_spent = bytes.windows(b"insufficient_quota".len()).any(|part| part == b"insufficient_quota");
        Failure::Final(match status {
            300..=399 => {
                TeacherError::Moved { url, status, to: shown(header("location").unwrap_or("nowhere")) }
            }
            401 | 403 => TeacherError::Denied { url, status, says, with_key: self.key.is_some() },
            404 => TeacherError::NotFound { url, says },
            429 if is_spent => TeacherError::Refused { url, status, says },
            408 | 425 | 429 | 500.. => {
                return passing(
                    format!("status {status}: {says}"),
                    header("retry-after").and_then(retry_after),
                );
            }
            _ => TeacherError::Refused { url, status, says },
        })
    }

    /// What it means that there is no response.
    fn unsent(&self, error: &ureq::Error) -> Failure {
        use ureq::Error as E;
        match error {
            E::HostNotFound | E::ConnectionFailed => {
                Failure::Passing { what: error.to_string(), after: None, reached: false }
            }
            E::Io(io) if io.kind() == io::ErrorKind::ConnectionRefused => {
                Failure::Passing { what: "the connection was refused".into(), after: None, reached: false }
            }
            E::Timeout(_) => passing(format!("no answer in time ({error})"), None),
            E::Io(_) | E::Protocol(_) | E::BodyStalled => {
                passing(format!("the connection broke: {error}"), None)
            }
            // The transport would name the whole address, with the password that may be in it.
            E::BadUri(_) | E::Http(_) => {
                Failure::Final(TeacherError::Transport { url: self.url(), says: "it is no address".into() })
            }
            _ => Failure::Final(TeacherError::Transport { url: self.url(), says: error.to_string() }),
        }
    }

    fn garbled(&self, what: String) -> TeacherError {
        TeacherError::Garbled { url: self.url(), what }
    }

    /// The server's own words, on one line: its message where there is one, else the beginning of what it sent.
    fn says(&self, bytes: &[u8]) -> String {
        let body: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
        let places = ["/error/message", "/error", "/message", "/detail"];
        let message = places.iter().find_map(|place| body.pointer(place)?.as_str().map(str::to_owned));
        let text = message.unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned());
        let line = one_line(&text);
        let text: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        // Some servers repeat the key that they refuse.
        let text = self.key.as_ref().map_or(text.clone(), |key| text.replace(key, "[key]"));
        if text.is_empty() { "nothing".to_owned() } else { format!("`{text}`") }
    }
}

fn passing(what: String, after: Option<Duration>) -> Failure {
    Failure::Passing { what, after, reached: true }
}

/// The address of chat completions at a server.
fn full_url(url: &str) -> Result<Address, TeacherError> {
    let base = Address::base(url).map_err(|reason| TeacherError::Url { url: shown(url), reason })?;
    let is_version =
        |part: &str| part.strip_prefix('v').is_some_and(|n| n.starts_with(|c: char| c.is_ascii_digit()));
    Ok(match base.path() {
        path if path.ends_with("chat/completions") => base,
        path if path.split('/').any(is_version) => base.join("chat/completions"),
        _ => base.join("v1/chat/completions"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_completed() {
        let full = |url| full_url(url).unwrap().as_str().to_owned();
        assert_eq!(full("http://localhost:8000"), "http://localhost:8000/v1/chat/completions");
        assert_eq!(full("https://example.org/v1/"), "https://example.org/v1/chat/completions");
        assert_eq!(
            full("https://example.org/api/v1beta/openai"),
            "https://example.org/api/v1beta/openai/chat/completions"
        );
        assert_eq!(full("https://example.org/x/chat/completions"), "https://example.org/x/chat/completions");
        assert_eq!(full("http://a:b@[::1]:80/v1"), "http://a:b@[::1]:80/v1/chat/completions");
        let error = full_url("http://me:secret@host:x").unwrap_err().to_string();
        assert!(error.contains("http://host:x") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_server_that_repeats_the_key_is_not_repeated() {
        let timeout = Duration::from_secs(1);
        let endpoint =
            Endpoint::new("http://localhost", Some(" sk-secret\n".into()), timeout, NonZeroUsize::MIN)
                .unwrap();
        let says = endpoint.says(br#"{"error": {"message": "sk-secret\nis wrong"}}"#);
        assert_eq!(says, "`[key] is wrong`");
        assert_eq!(endpoint.says(br#"{"error": "no"}"#), "`no`");
        assert_eq!(endpoint.says(b"<html>\n"), "`<html>`");
        assert_eq!(endpoint.says(b""), "nothing");
        assert!(!format!("{endpoint:?}").contains("secret"));
        let bad = Endpoint::new("http://localhost", Some("a\nb".into()), timeout, NonZeroUsize::MIN);
        assert!(matches!(bad, Err(TeacherError::Key)));
    }
}
