//! A small hub on 127.0.0.1: as much HTTP as fetching a model takes, and faults on demand.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
    thread::JoinHandle,
};

/// What the server has and does; change it between requests.
#[derive(Default)]
pub(crate) struct State {
    /// The only model there is.
    pub(crate) id: String,
    /// Its newest revision.
    pub(crate) sha: String,
    /// Its files.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// How to serve the contents of one file badly.
    pub(crate) fault: Option<(String, Fault)>,
    /// Answer everything with this status.
    pub(crate) status: Option<u16>,
    /// Requests so far: path, range, authorization.
    pub(crate) log: Vec<Request>,
}

/// What may go wrong with a file's contents.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// Only so many bytes are sent, and nothing says that there should be more.
    Short(usize),
}

/// A request that was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) authorization: Option<String>,
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<Option<State>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves one model.
    pub(crate) fn start(id: &str, sha: &str, files: &[(&str, &[u8])]) -> Self {
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect();
        let state = State { id: id.into(), sha: sha.into(), files, ..State::default() };
        let state = Arc::new(Mutex::new(Some(state)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                match shared.lock().unwrap().as_mut() {
                    // A client that hangs up is not the server's problem.
                    Some(state) => drop(stream.and_then(|stream| answer(&stream, state))),
                    None => break,
                }
            }
        });
        Self { address, state, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Looks at, or changes, what the server has and does.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        let mut state: MutexGuard<'_, Option<State>> = self.state.lock().unwrap();
        f(state.as_mut().unwrap())
    }

    /// The requests since the last call whose path has this in it.
    pub(crate) fn take_log(&self, part: &str) -> Vec<Request> {
        let mut log = self.with(|state| std::mem::take(&mut state.log));
        log.retain(|request| request.path.contains(part));
        log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        *self.state.lock().unwrap() = None;
        // Wakes the thread up, which then sees that there is nothing left to serve.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn answer(stream: &TcpStream, state: &mut State) -> io::Result<()> {
    let request = read_request(stream)?;
    state.log.push(request.clone());
    let resolve = format!("/{}/resolve/{}/", state.id, state.sha);
    let host = stream.local_addr()?;
    if let Some(status) = state.status {
        respond(stream, status, &[], b"")
    } else if request.path == format!("/api/models/{}/revision/main", state.id) {
        let siblings: Vec<_> =
            state.files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
        let info = serde_json::json!({"sha": state.sha, "siblings": siblings}).to_string();
        respond(stream, 200, &[("Content-Length", info.len().to_string())], info.as_bytes())
    } else if let Some(name) = request.path.strip_prefix(&resolve).filter(|n| state.files.contains_key(*n)) {
        let mut headers =
            vec![("x-repo-commit", state.sha.clone()), ("x-linked-etag", etag(&state.files[name]))];
        if name.ends_with(".safetensors") {
            // Large files lie elsewhere, as they do on the real hub.
            headers.push(("Location", format!("http://{host}/elsewhere/{name}")));
            respond(stream, 302, &headers, b"")
        } else {
            serve(stream, state, name, &request, headers)
        }
    } else if let Some(name) = request.path.strip_prefix("/elsewhere/") {
        serve(stream, state, name, &request, vec![])
    } else {
        respond(stream, 404, &[("Content-Length", "0".into())], b"")
    }
}

/// Sends the range of a file that was asked for.
fn serve(
    stream: &TcpStream,
    state: &State,
    name: &str,
    request: &Request,
    mut headers: Vec<(&str, String)>,
) -> io::Result<()> {
    let bytes = &state.files[name];
    let range = request.range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let (start, end) = range.unwrap_or(("0", ""));
    let start: usize = start.parse().unwrap();
    let end = end.parse().map_or(bytes.len(), |end: usize| bytes.len().min(end + 1));
    if start >= end {
        return respond(stream, 416, &[("Content-Length", "0".into())], b"");
    }
    let mut body = &bytes[start..end];
    let mut length = Some(body.len());
    match &state.fault {
        // The question for a file's size (`bytes=0-0`) is answered well.
        Some((faulty, fault)) if faulty == name && body.len() > 1 => match *fault {
            Fault::Cut(sent) => body = &body[..sent],
            Fault::Short(sent) => (body, length) = (&body[..sent], None),
        },
        _ => {}
    }
    headers.push(("Content-Range", format!("bytes {start}-{}/{}", end - 1, bytes.len())));
    headers.extend(length.map(|length| ("Content-Length", length.to_string())));
    respond(stream, 206, &headers, body)
}

fn read_request(stream: &TcpStream) -> io::Result<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut headers = HashMap::new();
    for line in lines {
        let line = line?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Ok(Request {
        path: first.split(' ').nth(1).unwrap_or_default().to_owned(),
        range: headers.remove("range"),
        authorization: headers.remove("authorization"),
    })
}

fn respond(mut stream: &TcpStream, status: u16, headers: &[(&str, String)], body: &[u8]) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\n");
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(body)
}

fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}
