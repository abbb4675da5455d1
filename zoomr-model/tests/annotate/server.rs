//! A small teacher on 127.0.0.1: as much HTTP as chat completions take, behaving as badly as a test wants.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use serde_json::{Value, json};

/// A request that was made.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) body: Value,
}

impl Request {
    /// The thought that it is about: what follows `Step:` in the built-in prompt.
    pub(crate) fn thought(&self) -> &str {
        self.body["messages"][0]["content"].as_str().unwrap().split_once("\nStep:\n").unwrap().1
    }
}

/// What comes back.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// More lines of the head.
    pub(crate) head: String,
    pub(crate) body: String,
    /// Hang up after so many bytes of head and body.
    pub(crate) cut: usize,
    /// How long it takes.
    pub(crate) delay: Duration,
}

impl Reply {
    /// A chat completion.
    pub(crate) fn says(text: &str) -> Self {
        let choice =
            json!({"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"});
        let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
        let body = json!({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage});
        Self {
            status: 200,
            head: String::new(),
            body: body.to_string(),
            cut: usize::MAX,
            delay: Duration::ZERO,
        }
    }

    /// A status, and what the server says about it.
    pub(crate) fn status(status: u16, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": "x"}}).to_string();
        Self { status, body, ..Self::says("") }
    }
}

/// A running server; it ends when dropped.
pub(crate) struct Server {
    address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Serves; `behave` is given each request and the number of those before it.
    pub(crate) fn start(behave: impl Fn(&Request, usize) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (log, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let (shared, ended, behave) = (Arc::clone(&log), Arc::clone(&over), Arc::new(behave));
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming().take_while(|_| !ended.load(Ordering::SeqCst)) {
                let (log, behave) = (Arc::clone(&shared), Arc::clone(&behave));
                // A client that hangs up is not the server's problem.
                std::thread::spawn(move || drop(stream.and_then(|stream| answer(&stream, &log, &*behave))));
            }
        });
        Self { address, log, over, thread: Some(thread) }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Wakes the thread up, which then sees that there is nothing left to serve.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

fn answer(
    mut stream: &TcpStream,
    log: &Mutex<Vec<Request>>,
    behave: &dyn Fn(&Request, usize) -> Reply,
) -> io::Result<()> {
    let Some(request) = read_request(stream)? else { return Ok(()) };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    let Reply { status, head, body, cut, delay } = behave(&request, before);
    std::thread::sleep(delay);
    let length = body.len();
    let sent = format!(
        "HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {length}\r\n{head}\r\n{body}"
    );
    stream.write_all(&sent.as_bytes()[..cut.min(sent.len())])
}

/// `None` where the client hangs up at once.
fn read_request(stream: &TcpStream) -> io::Result<Option<Request>> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    for line in reader.by_ref().lines() {
        match line? {
            line if line.is_empty() => break,
            line => head.push(line),
        }
    }
    let Some(path) = head.first().and_then(|line| line.split(' ').nth(1)) else { return Ok(None) };
    let header = |name: &str| {
        let fields = head.iter().filter_map(|line| line.split_once(':'));
        fields
            .filter(|field| field.0.eq_ignore_ascii_case(name))
            .map(|field| field.1.trim().to_owned())
            .next()
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = serde_json::from_slice(&body).unwrap();
    Ok(Some(Request { path: path.to_owned(), authorization: header("authorization"), body }))
}
