//! `zoomr data annotate`: traces in, thoughts and summaries out, and everything that may come between.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    support::{Ran, trace},
    teacher::{Reply, Request, Server},
};

const TRACES: &str = "traces.jsonl";
/// What a test's server takes for a key.
const KEY: &str = "sk-very-secret";

/// A directory with traces of 4 and of 8 paragraphs.
fn traces() -> TempDir {
    let dir = TempDir::new().unwrap();
    let line = |count: usize| {
        let paragraphs: Vec<String> =
            (0..count).map(|j| format!("Let me see, step {j} of {count}. So v{j} = {j}7.")).collect();
        json!({"question": "What?", "trace": paragraphs.join("\n\n"), "answer": "7", "source": "a book"})
            .to_string()
    };
    fs::write(dir.path().join(TRACES), [line(4), line(8)].join("\n")).unwrap();
    dir
}

fn annotate(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.args(["data", "annotate", TRACES, "--thought-tokens", "1..30"]).args(args.split_whitespace());
    // What a run may find in the environment of whoever runs the tests.
    for name in ["OPENAI_API_KEY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(name);
    }
    command.current_dir(dir).stdin(Stdio::null());
    command
}

fn ran(dir: &TempDir, args: &str) -> Ran {
    annotate(dir.path(), args).output().unwrap().into()
}

fn asking(server: &Server, more: &str) -> String {
    format!("--out out.jsonl --endpoint {} --model tiny {more}", server.url())
}

/// Runs it in the background until the server was asked so many times.
fn started(dir: &TempDir, server: &Server, requests: usize) -> Child {
    let mut command = annotate(dir.path(), &asking(server, "--concurrency 2"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while server.requests().len() < requests {
        sleep(Duration::from_millis(10));
    }
    child
}

fn names(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path()).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn good(request: &Request, _: usize) -> Reply {
    Reply::says(&format!("Then {}", request.thought().rsplit_once("So ").unwrap().1))
}

/// The details and summaries of all thoughts.
fn thoughts(dir: &TempDir) -> Vec<(String, String)> {
    let examples = trace(&dir.path().join("out.jsonl"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let thoughts = examples.iter().flat_map(|example| example["thoughts"].as_array().unwrap());
    thoughts.map(|thought| (text(&thought["detail"]), text(&thought["summary"]))).collect()
}

#[test]
fn sentences_are_taken_without_a_teacher() {
    let dir = traces();
    let table = ran(&dir, "--out out.jsonl --extractive --summary-tokens 4").succeeded();
    let examples = trace(&dir.path().join("out.jsonl"));
    assert_eq!((&examples[0]["question"], &examples[1]["answer"]), (&json!("What?"), &json!("7")));
    let thoughts = thoughts(&dir);
    assert_eq!(thoughts.len(), 12);
    for (detail, summary) in &thoughts {
        assert!(detail.ends_with(&**summary) && summary.starts_with("So v"), "{detail}: {summary}");
    }
    assert_eq!(names(&dir), ["out.jsonl", TRACES]);
    let row = |name: &str| -> Vec<&str> {
        let values = table.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        values.split_whitespace().collect()
    };
    assert_eq!(row("thoughts of a trace"), ["2", "4", "8", "8", "12"], "{table}");
    assert_eq!(row("words of a summary"), ["12", "4", "4", "4", "48"], "{table}");
    assert_eq!(row("summary : thought"), ["0.364"], "{table}");
    ran(&dir, "--out again.jsonl --extractive --summary-tokens 4").succeeded();
    let read = |name: &str| fs::read(dir.path().join(name)).unwrap();
    assert_eq!(read("out.jsonl"), read("again.jsonl"));
}

#[test]
fn an_endpoint_writes_summaries() {
    let dir = traces();
    let server = Server::start(|request, before| match before {
        1 => Reply { head: "Retry-After: 0\r\n".into(), ..Reply::status(429, "slow down") },
        2 => Reply { cut: 30, ..Reply::says("x") },
        _ => good(request, 0),
    });
    let mut command =
        annotate(dir.path(), &asking(&server, "--key-env THE_KEY --request {\"temperature\":0}"));
    let ran = Ran::from(command.env("THE_KEY", KEY).output().unwrap());
    assert!(!ran.stderr.contains(KEY) && !ran.stdout.contains(KEY), "{ran:?}");
    let table = ran.succeeded();
    for row in ["words of a summary", "14, of which 2 were tried again", "1200 read, 120 written"] {
        assert!(table.contains(row), "{table}");
    }
    for (detail, summary) in thoughts(&dir) {
        assert_eq!(summary, format!("Then {}", detail.rsplit_once("So ").unwrap().1));
    }
    for request in server.requests() {
        assert_eq!(request.path, "/v1/chat/completions");
        assert_eq!(request.authorization.as_deref(), Some("Bearer sk-very-secret"));
        assert_eq!((&request.body["model"], &request.body["temperature"]), (&json!("tiny"), &json!(0)));
    }
    assert_eq!(names(&dir), ["out.jsonl", TRACES]);
}

#[test]
fn what_is_asked_can_be_changed() {
    let dir = traces();
    fs::write(dir.path().join("prompt.txt"), "{question}! In {words} words, {\"json\"}:\nStep:\n{thought}")
        .unwrap();
    let server = Server::start(good);
    ran(&dir, &asking(&server, "--prompt prompt.txt --summary-tokens 9")).succeeded();
    let requests = server.requests();
    let asked = requests[0].body["messages"][0]["content"].as_str().unwrap();
    assert!(asked.starts_with("What?! In 9 words, {\"json\"}:\nStep:\nLet me see"), "{asked}");
    assert_eq!(requests[0].authorization, None);
}

#[test]
fn what_is_there_is_not_overwritten_unasked() {
    let dir = traces();
    let out = dir.path().join("out.jsonl");
    fs::write(&out, "mine").unwrap();
    ran(&dir, "--out out.jsonl --extractive").refused(&["out.jsonl exists already", "--overwrite"]);
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
    ran(&dir, "--out out.jsonl --extractive --force").succeeded();
    assert_ne!(fs::read_to_string(&out).unwrap(), "mine");
    ran(&dir, "--out out.jsonl --extractive --overwrite").succeeded();
    assert_eq!(names(&dir), ["out.jsonl", TRACES]);
    // Nor may the traces be, asked or not.
    let read = || fs::read_to_string(dir.path().join(TRACES)).unwrap();
    let before = read();
    ran(&dir, &format!("--out ./{TRACES} --extractive --overwrite")).refused(&["TRACES and --out"]);
    assert_eq!(read(), before);
}

#[test]
fn a_bad_line_is_named() {
    let dir = traces();
    let good = fs::read_to_string(dir.path().join(TRACES)).unwrap();
    for (bad, says) in [
        ("{\"question\": \"q\", \"answer\": \"a\"}", "missing field `trace`"),
        ("{\"question\": \"q\", \"trace\": \" \", \"answer\": \"a\"}", "the trace is empty"),
        ("question,trace,answer", "expected value"),
    ] {
        fs::write(dir.path().join(TRACES), format!("{good}\n{bad}\n")).unwrap();
        ran(&dir, "--out out.jsonl --extractive").refused(&["traces.jsonl, line 3", says]);
    }
    assert_eq!(names(&dir), [TRACES]);
}

#[test]
fn bad_flags_are_named() {
    let dir = traces();
    fs::write(dir.path().join("no-thought.txt"), "{question}").unwrap();
    let refused = |args: &str, says: &[&str]| ran(&dir, &format!("--out out.jsonl {args}")).refused(says);
    refused("", &["--extractive", "--endpoint"]);
    refused("--extractive --endpoint http://localhost --model x", &["--extractive", "--endpoint"]);
    refused("--endpoint http://localhost", &["--model"]);
    refused("--extractive --concurrency 2", &["--endpoint"]);
    refused("--extractive --retries 2", &["--endpoint"]);
    refused("--extractive --summary-tokens 0", &["at least 1"]);
    refused("--extractive --thought-tokens 9..3", &["--thought-tokens"]);
    refused("--extractive --tokenizer nowhere", &["--tokenizer", "nowhere"]);
    let asking =
        |args: &str, says: &[&str]| refused(&format!("--endpoint http://localhost --model x {args}"), says);
    asking("--concurrency 0", &["--concurrency"]);
    asking("--timeout 0", &["--timeout"]);
    asking("--request [1]", &["--request", "JSON object"]);
    asking("--request {\"messages\":[]}", &["--request", "`messages`"]);
    asking("--prompt nowhere.txt", &["--prompt", "nowhere.txt"]);
    asking("--prompt no-thought.txt", &["--prompt", "no-thought.txt", "{thought}"]);
    asking("--key-env ZOOMR_NO_SUCH_KEY", &["--key-env", "ZOOMR_NO_SUCH_KEY", "not set"]);
    refused("--endpoint localhost:8000 --model x", &["--endpoint", "localhost:8000", "http://"]);
    assert_eq!(names(&dir), ["no-thought.txt", TRACES]);
}

#[test]
fn help_says_what_is_asked() {
    let help = ran(&traces(), "--help").succeeded();
    for part in ["Summaries from an endpoint:", "FILE.journal", "{words} words", "Step:\n{thought}"] {
        assert!(help.contains(part), "{help}");
    }
}

#[test]
fn a_refused_key_is_said_and_nothing_stays_behind() {
    let dir = traces();
    let server = Server::start(|_, _| Reply::status(401, "no such key"));
    ran(&dir, &asking(&server, "")).refused(&["401", "no such key", "a key is needed"]);
    assert_eq!(names(&dir), [TRACES]);
}

/// A server that answers four requests at once, the next two after a while, and all others at once.
fn slow(a_while: Duration) -> Server {
    Server::start(move |request, before| {
        let delay = if (4..6).contains(&before) { a_while } else { Duration::ZERO };
        Reply { delay, ..good(request, 0) }
    })
}

#[test]
fn a_run_that_was_killed_is_gone_on_with() {
    let dir = traces();
    let server = slow(Duration::from_secs(60));
    let mut child = started(&dir, &server, 6);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(&dir), ["out.jsonl.journal", TRACES]);
    let journal = fs::read_to_string(dir.path().join("out.jsonl.journal")).unwrap();
    // The last may have been on its way to the medium.
    let paid = journal.matches('\n').count();
    assert!((3..=4).contains(&paid), "{journal}");
    ran(&dir, &asking(&server, "")).succeeded();
    assert_eq!(server.requests().len(), 6 + 12 - paid);
    assert_eq!((thoughts(&dir).len(), names(&dir).len()), (12, 2));
}

#[cfg(unix)]
#[test]
fn ctrl_c_waits_for_what_is_paid_for() {
    let dir = traces();
    let server = slow(Duration::from_secs(3));
    let child = started(&dir, &server, 6);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ended.code, &*ended.stdout), (Some(130), ""), "{}", ended.stderr);
    for part in
        ["waiting for answers", "6 of 12 thoughts done", "out.jsonl was not written", "out.jsonl.journal"]
    {
        assert!(ended.stderr.contains(part), "{}", ended.stderr);
    }
    assert_eq!(names(&dir), ["out.jsonl.journal", TRACES]);
    ran(&dir, &asking(&server, "")).succeeded();
    // Not one request more than there are thoughts.
    assert_eq!((server.requests().len(), thoughts(&dir).len()), (12, 12));
}

#[test]
fn standard_output_has_the_examples_where_nobody_is_paid() {
    let dir = traces();
    let piped = ran(&dir, "--out - --extractive --summary-tokens 4");
    assert!(piped.stderr.contains("summary : thought"), "{}", piped.stderr);
    ran(&dir, "--out out.jsonl --extractive --summary-tokens 4").succeeded();
    assert_eq!(piped.succeeded(), fs::read_to_string(dir.path().join("out.jsonl")).unwrap());
    // What is paid for has to be kept somewhere.
    let server = Server::start(good);
    for out in ["-", "/dev/null"].into_iter().take(if cfg!(unix) { 2 } else { 1 }) {
        ran(&dir, &asking(&server, "").replace("out.jsonl", out)).refused(&["--out", "give a file"]);
    }
    assert_eq!((server.requests().len(), names(&dir).len()), (0, 2));
}

#[test]
fn a_journal_that_is_none_is_refused_and_left() {
    let dir = traces();
    let server = Server::start(good);
    let journal = dir.path().join("out.jsonl.journal");
    for notes in ["my notes", "my notes\n", "{\"question\": 1", ""] {
        fs::write(&journal, notes).unwrap();
        let ran = ran(&dir, &asking(&server, ""));
        if notes.is_empty() {
            ran.succeeded();
            continue;
        }
        ran.refused(&["--out", "out.jsonl.journal, line 1", "nothing was changed"]);
        assert_eq!(fs::read_to_string(&journal).unwrap(), notes);
        assert_eq!(server.requests().len(), 0);
    }
}

#[test]
fn passwords_in_addresses_are_not_printed() {
    let dir = traces();
    for endpoint in
        ["http://me:secret@127.0.0.1:9", "me:secret@host", "http://me:secret@host:x", "http://me:se?cret@h"]
    {
        let ran = ran(&dir, &format!("--out out.jsonl --model tiny --retries 0 --endpoint {endpoint}"));
        assert!(!ran.stderr.contains("secret") && !ran.stderr.contains("se?cret"), "{}", ran.stderr);
        ran.refused(&["--endpoint"].map(|flag| if endpoint.ends_with(":9") { "127.0.0.1:9" } else { flag }));
    }
}
