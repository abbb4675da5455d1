//! A teacher that is busy, broken, silent, or no teacher at all.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use zoomr_model::data::annotate::TeacherOptions;

use crate::{
    server::{Reply, Server},
    support::{Bench, good, hasty, summary_of},
};

fn alone(server: &Server) -> TeacherOptions {
    TeacherOptions { concurrency: NonZeroUsize::MIN, ..hasty(server) }
}

fn body(body: &str) -> Reply {
    Reply { body: body.into(), ..Reply::says("") }
}

fn head(line: &str, reply: Reply) -> Reply {
    Reply { head: format!("{line}\r\n"), ..reply }
}

#[test]
fn every_thought_gets_its_own_summary() {
    let bench = Bench::new(&[3, 1, 4]);
    let server = Server::start(good);
    let request = json!({"temperature": 0.2}).as_object().unwrap().clone();
    let statistics = bench.written(TeacherOptions { request, ..hasty(&server) }).unwrap();
    let thoughts = bench.thoughts();
    assert_eq!(thoughts.len(), 8);
    for (detail, summary) in &thoughts {
        assert_eq!(*summary, summary_of(detail));
    }
    assert_eq!((statistics.thoughts.count(), statistics.details.count(), statistics.cut), (3, 8, 0));
    assert_eq!(bench.names(), ["out.jsonl", "traces.jsonl"]);
    for request in server.requests() {
        assert_eq!(request.path, "/v1/chat/completions");
        assert_eq!(request.authorization.as_deref(), Some("Bearer sk-secret"));
        assert_eq!((&request.body["model"], &request.body["temperature"]), (&json!("tiny"), &json!(0.2)));
        let asked = request.body["messages"][0]["content"].as_str().unwrap();
        assert!(asked.contains("Question ") && asked.contains("t most 12 words"), "{asked}");
    }
}

#[test]
fn whatever_passes_is_tried_again() {
    let silent = || Reply { delay: Duration::from_secs(3), ..Reply::says("late") };
    let faults: [(&str, Reply); 11] = [
        ("busy", head("Retry-After: 0", Reply::status(429, "slow down"))),
        ("busy, without a time", Reply::status(429, "slow down")),
        ("broken", Reply::status(500, "oops")),
        ("overloaded", head("Retry-After: Sun, 06 Nov 1994 08:49:37 GMT", Reply::status(503, "later"))),
        ("behind a broken gateway", Reply { body: "<html>".into(), ..Reply::status(502, "") }),
        ("hanging up at once", Reply { cut: 0, ..Reply::says("cut") }),
        ("hanging up in the head", Reply { cut: 20, ..Reply::says("cut") }),
        ("hanging up in the answer", Reply { cut: 150, ..Reply::says("cut") }),
        ("announcing half an answer", body("{\"choices\": [{\"mess")),
        ("saying nothing", Reply::says(" \n")),
        ("silent", silent()),
    ];
    for (what, fault) in faults {
        let bench = Bench::new(&[2]);
        let server =
            Server::start(move |request, before| if before < 2 { fault.clone() } else { good(request, 0) });
        let timeout = if what == "silent" { Duration::from_millis(200) } else { Duration::from_secs(20) };
        bench
            .written(TeacherOptions { timeout, ..alone(&server) })
            .unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(bench.thoughts().iter().all(|(detail, summary)| *summary == summary_of(detail)), "{what}");
        assert_eq!(server.requests().len(), 4, "{what}");
    }
}

#[test]
fn whatever_does_not_pass_is_said_at_once() {
    let moved = head("Location: https://elsewhere.example", Reply::status(307, ""));
    let spent = Reply {
        body: r#"{"error": {"message": "pay", "code": "insufficient_quota"}}"#.into(),
        ..Reply::status(429, "")
    };
    let faults: [(Reply, &[&str]); 12] = [
        (Reply::status(401, "bad key sk-secret"), &["401", "`bad key [key]`", "check the key"]),
        (Reply::status(403, "not you"), &["403", "not you"]),
        (Reply::status(404, "no model tiny"), &["404", "no model tiny", "endpoint", "model's name"]),
        (Reply::status(400, "too many tokens"), &["400", "too many tokens", "thought 1", "line 1"]),
        (moved, &["307", "https://elsewhere.example"]),
        (spent, &["429", "pay"]),
        (body("<html>Welcome</html>"), &["<html>Welcome</html>", "OpenAI-compatible"]),
        (body("{\"text\": \"hello\"}"), &["missing field `choices`", "hello"]),
        (body("{\"choices\": []}"), &["no choices"]),
        (body("{\"choices\": [{\"message\": {\"content\": 7}}]}"), &["expected a string"]),
        (body(&" ".repeat(9 << 20)), &["more than 8 MiB"]),
        (
            head("Retry-After: 3600", Reply::status(429, "tomorrow")),
            &["3600 s", "tomorrow", "run again then"],
        ),
    ];
    for (fault, says) in faults {
        let bench = Bench::new(&[3]);
        let server = Server::start(move |_, _| fault.clone());
        let message = bench.written(alone(&server)).unwrap_err().to_string();
        for part in says {
            assert!(message.contains(part), "{message:?} does not say {part:?}");
        }
        assert!(!message.contains("sk-secret"), "{message}");
        assert_eq!(server.requests().len(), 1, "{message}");
        assert_eq!(bench.names(), ["traces.jsonl"], "nothing was paid for");
    }
}

#[test]
fn a_server_that_stays_broken_is_given_up() {
    let bench = Bench::new(&[1]);
    let server = Server::start(|_, _| Reply::status(503, "down for ever"));
    let message = bench.written(TeacherOptions { retries: 2, ..alone(&server) }).unwrap_err().to_string();
    assert!(message.contains("failed 3 times") && message.contains("down for ever"), "{message}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_is_not_there_is_not_waited_for() {
    let bench = Bench::new(&[1]);
    let options = alone(&Server::start(good));
    let begun = Instant::now();
    let message = bench
        .written(TeacherOptions { back_off: Duration::from_secs(60), ..options })
        .unwrap_err()
        .to_string();
    assert!(message.contains("cannot reach") && message.contains("refused"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn all_workers_wait_as_long_as_the_server_asks() {
    const WAIT: Duration = Duration::from_millis(1500);
    let bench = Bench::new(&[9]);
    let times = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&times);
    let server = Server::start(move |request, before| {
        seen.lock().unwrap().push(Instant::now());
        match before {
            // Those that are under way when the first is refused.
            0 => head("Retry-After: 1.5", Reply::status(429, "slow down")),
            1 | 2 => Reply { delay: Duration::from_millis(1000), ..good(request, 0) },
            _ => good(request, 0),
        }
    });
    bench.written(hasty(&server)).unwrap();
    let times = times.lock().unwrap();
    assert_eq!(times.len(), 10);
    let early = times.iter().filter(|time| time.duration_since(times[0]) < WAIT).count();
    assert!(early <= 3, "{early} requests before the time was over");
}

#[test]
fn a_summary_that_is_too_long_is_asked_for_again_and_then_cut() {
    let long = "It is so, and it is so for a reason. Besides, much more could be said about all of this.";
    let bench = Bench::new(&[1]);
    let server = Server::start(move |_, _| Reply::says(long));
    let statistics = bench.written(hasty(&server)).unwrap();
    assert_eq!(bench.thoughts()[0].1, "It is so, and it is so for a reason.");
    assert_eq!(statistics.cut, 1);
    let requests = server.requests();
    assert_eq!(requests.len(), 2);
    let messages = requests[1].body["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[1]["content"]), (3, &json!(long)));
    assert!(messages[2]["content"].as_str().unwrap().contains("at most 12 words"));

    let bench = Bench::new(&[1]);
    let server = Server::start(move |_, before| Reply::says(if before == 0 { long } else { "It is so." }));
    assert_eq!(bench.written(hasty(&server)).unwrap().cut, 0);
    assert_eq!(bench.thoughts()[0].1, "It is so.");
}

#[test]
fn what_a_teacher_thinks_is_no_summary() {
    let bench = Bench::new(&[1]);
    let server = Server::start(|_, _| Reply::says("<think>\nWhat to say?\n</think>\n\nSummary: It\nis so."));
    bench.written(hasty(&server)).unwrap();
    assert_eq!(bench.thoughts()[0].1, "It is so.");
}
