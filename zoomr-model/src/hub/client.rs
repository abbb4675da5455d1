//! Questions to a hub over HTTP: what a revision is, what a file is, and a file's bytes.
//!
//! Redirects are followed here and not by the transport: what the hub says of a large file is in the answer that
//! leads to it, and the token must not leave the hub's own origin. Nothing that a server says is believed beyond what
//! [`Commit`] and [`Etag`] check, and no answer is longer than it may be.

use serde::Deserialize;
use ureq::{
    Agent, Body,
    http::{Method, Request, Response, StatusCode, header::HeaderMap},
};

use super::{
    ModelId,
    environment::Environment,
    error::TransportError,
    id::{Commit, Etag},
};
use crate::address::Address;

/// The most redirects on the way to one answer.
const REDIRECTS: usize = 8;
/// The longest description of a revision, in bytes: that of a repository with 100,000 files.
const LONGEST: u64 = 16 << 20;

/// A hub that can be asked.
pub(super) struct Client<'a> {
    agent: Agent,
    environment: &'a Environment,
}

/// What the hub says of a revision.
#[derive(Debug)]
pub(super) struct Revision {
    pub(super) commit: Commit,
    /// The names of its files; not to be taken for paths.
    pub(super) files: Vec<String>,
}

/// What the hub says of a file.
#[derive(Debug)]
pub(super) struct Description {
    pub(super) etag: Etag,
    /// The SHA-256 of the contents in hexadecimal digits, where the hub says it: of large files.
    pub(super) sha256: Option<String>,
    /// Bytes.
    pub(super) size: u64,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl<'a> Client<'a> {
    pub(super) fn new(environment: &'a Environment) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(environment.question))
            .timeout_recv_response(Some(environment.question))
            .timeout_per_read(Some(environment.stall))
            // A compressed answer would have another length than the file.
            .accept_encoding("identity")
            .user_agent(concat!("zoomr/", env!("CARGO_PKG_VERSION")));
        Self { agent: config.build().into(), environment }
    }

    /// What the revision `id` asks for is.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) fn revision(&self, id: &ModelId) -> Result<Revision, TransportError> {
        let path = format!("api/models/{}/revision/{}", id.path(), quoted(id.revision()));
        let mut answer = self.get(self.environment.endpoint.join(&path), 0)?;
        let bytes = answer.body_mut().with_config().limit(LONGEST).read_to_vec();
        let bytes = bytes.map_err(|error| TransportError::broken(&error))?;
        let useless = |reason: String| TransportError::Answer { reason };
        let info: Info = serde_json::from_slice(&bytes).map_err(|error| useless(error.to_string()))?;
        let files = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
        Ok(Revision { commit: Commit::parse(&info.sha).map_err(useless)?, files })
    }

    /// Where a file of a commit is.
    pub(super) fn file(&self, id: &ModelId, commit: &Commit, name: &str) -> Address {
        let path = format!("{}/resolve/{}/{}", id.path(), commit.as_str(), quoted(name));
        self.environment.endpoint.join(&path)
    }

    /// What a file is.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) fn describe(&self, file: Address) -> Result<Description, TransportError> {
        let (mut linked_etag, mut linked_size) = (None, None);
        let answer = self.follow(&Method::HEAD, file, 0, |headers| {
            // Said on the way to a large file, which may lie where its contents have no such name.
            linked_etag = linked_etag.take().or_else(|| text(headers, "x-linked-etag"));
            linked_size = linked_size.take().or_else(|| text(headers, "x-linked-size"));
            linked_etag.is_some() && linked_size.is_some()
        })?;
        let useless = |reason: &str| TransportError::Answer { reason: reason.to_owned() };
        let etag = linked_etag.clone().or_else(|| text(answer.headers(), "etag"));
        let etag = Etag::parse(&etag.ok_or_else(|| useless("it names no contents (ETag)"))?);
        let etag = etag.map_err(|reason| TransportError::Answer { reason })?;
        let size = linked_size.or_else(|| text(answer.headers(), "content-length"));
        let size = size.and_then(|size| size.parse().ok()).ok_or_else(|| useless("it gives no size"))?;
        let sha256 = linked_etag.is_some() && etag.is_sha256();
        Ok(Description { sha256: sha256.then(|| etag.as_str().to_owned()), etag, size })
    }

    /// The bytes at an address from the byte `from` on, or all of them: see the answer's status.
    ///
    /// # Errors
    /// [`TransportError`].
    pub(super) fn get(&self, url: Address, from: u64) -> Result<Response<Body>, TransportError> {
        self.follow(&Method::GET, url, from, |_| false)
    }

    /// Asks, and follows redirects until `is_enough` has been seen in the headers of an answer, or one is none.
    fn follow(
        &self,
        method: &Method,
        mut url: Address,
        from: u64,
        mut is_enough: impl FnMut(&HeaderMap) -> bool,
    ) -> Result<Response<Body>, TransportError> {
        for _ in 0..=REDIRECTS {
            let answer = self.ask(method, &url, from)?;
            let (status, headers) = (answer.status(), answer.headers());
            let useful = status.is_success() || status.is_redirection();
            if useful && is_enough(headers) || status.is_success() {
                return Ok(answer);
            }
            if !is_redirect(status) {
                let code = text(headers, "x-error-code");
                return Err(TransportError::Status { status: status.as_u16(), code });
            }
            let location = text(headers, "location").ok_or("it says not where to");
            url = location.and_then(|to| url.follow(&to)).map_err(|reason| TransportError::Answer {
                reason: format!("it leads elsewhere, but {reason}"),
            })?;
        }
        Err(TransportError::Answer { reason: format!("it leads elsewhere more than {REDIRECTS} times") })
    }

    fn ask(&self, method: &Method, url: &Address, from: u64) -> Result<Response<Body>, TransportError> {
        let mut request = Request::builder().method(method).uri(url.as_str());
        let environment = self.environment;
        if let Some(token) =
            environment.token.as_ref().filter(|_| url.origin() == environment.endpoint.origin())
        {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header("Range", format!("bytes={from}-"));
        }
        let request =
            request.body(()).map_err(|error| TransportError::Answer { reason: error.to_string() })?;
        self.agent.run(request).map_err(|error| TransportError::unsent(url, &error))
    }
}

/// Whether a status says that the answer is elsewhere.
fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// A header's value, where it is text.
pub(super) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// A part of a path, as a URL has it.
fn quoted(part: &str) -> String {
    let byte = |byte: u8| match byte {
        b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    part.bytes().map(byte).collect()
}
