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
    /// With `status`: the hub's own word for it.
    pub(crate) code: Option<&'static str>,
    /// What to call the contents of large files, in quotes; else a hash that is none of SHA-256.
    pub(crate) etag: Option<String>,
    /// Where large files are said to be, with `{name}` for the file; else on this server. Empty: nowhere.
    pub(crate) location: Option<String>,
    /// How many bytes large files are said to have, whatever they have.
    pub(crate) size: Option<u64>,
    /// Requests so far.
    pub(crate) log: Vec<Request>,
}

/// What may go wrong with a file's contents.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// Only so many bytes are sent, and nothing says that there should be more.
    Short(usize),
    /// More and more bytes are sent.
    Endless,
    /// A byte now and then.
    Slow,
    /// All bytes, whatever part of them was asked for.
    Whole,
    /// Another part than was asked for.
    Shifted,
}

/// A request that was made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    pub(crate) method: String,
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
    let describes = format!("/api/models/{}/revision/", state.id);
    if let Some(status) = state.status {
        let code = state.code.map(|code| ("X-Error-Code", code.to_owned()));
        respond(stream, status, &code.into_iter().collect::<Vec<_>>(), b"")
    } else if request.path.starts_with(&describes) {
        let siblings: Vec<_> =
            state.files.keys().map(|name| serde_json::json!({"rfilename": name})).collect();
        let info = serde_json::json!({"sha": state.sha, "siblings": siblings}).to_string();
        respond(stream, 200, &[("Content-Length", info.len().to_string())], info.as_bytes())
    } else if let Some(name) = request.path.strip_prefix(&resolve).filter(|n| state.files.contains_key(*n)) {
        let mut headers = vec![("x-repo-commit", state.sha.clone())];
        if name.ends_with(".safetensors") {
            // Large files lie elsewhere, as they do on the real hub.
            let here = format!("http://{host}/elsewhere/{{name}}");
            let location = state.location.as_ref().unwrap_or(&here).replace("{name}", name);
            headers.extend(Some(("Location", location)).filter(|(_, location)| !location.is_empty()));
            let tag = state.etag.clone().unwrap_or_else(|| etag(&state.files[name]));
            let size = state.size.unwrap_or(state.files[name].len() as u64);
            headers.extend([("X-Linked-Etag", tag), ("X-Linked-Size", size.to_string())]);
            respond(stream, 302, &headers, b"")
        } else {
            headers.push(("ETag", etag(&state.files[name])));
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
    let mut from = Some(start).filter(|_| range.is_some());
    if request.method == "HEAD" {
        headers.push(("Content-Length", bytes.len().to_string()));
        return respond(stream, 200, &headers, b"");
    }
    let fault = state.fault.as_ref().filter(|(faulty, _)| faulty == name).map(|(_, fault)| *fault);
    match fault {
        Some(Fault::Cut(sent)) => body = &body[..sent],
        Some(Fault::Short(sent)) => (body, length) = (&body[..sent], None),
        Some(Fault::Endless | Fault::Slow) => length = None,
        Some(Fault::Whole) => (body, length, from) = (bytes, Some(bytes.len()), None),
        Some(Fault::Shifted) => from = from.map(|from| from + 1),
        None => {}
    }
    headers.extend(from.map(|from| ("Content-Range", format!("bytes {from}-{}/{}", end - 1, bytes.len()))));
    headers.extend(length.map(|length| ("Content-Length", length.to_string())));
    let status = if from.is_some() { 206 } else { 200 };
    match fault {
        Some(Fault::Slow) => {
            respond(stream, status, &headers, b"")?;
            trickle(stream)
        }
        Some(Fault::Endless) => {
            respond(stream, status, &headers, body)?;
            loop {
                { stream }.write_all(&[0; 1 << 16])?;
            }
        }
        _ => respond(stream, status, &headers, body),
    }
}

/// Sends a byte now and then, until nobody listens any more.
fn trickle(mut stream: &TcpStream) -> io::Result<()> {
    loop {
        stream.write_all(b"x")?;
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
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
        method: first.split(' ').next().unwrap_or_default().to_owned(),
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
