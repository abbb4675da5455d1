//! Nothing is paid for twice, and nothing for a run that cannot succeed.

use std::{collections::BTreeMap, fs, io::Write, ops::ControlFlow};

use serde_json::json;
use zoomr_model::data::annotate::{AnnotateError, Outcome, Progress};

use crate::{
    server::{Reply, Server},
    support::{Bench, good, hasty},
};

/// How often each thought was asked about.
fn asked(servers: &[Server]) -> BTreeMap<String, usize> {
    let mut asked = BTreeMap::new();
    for request in servers.iter().flat_map(Server::requests) {
        *asked.entry(request.thought().to_owned()).or_default() += 1;
    }
    asked
}

/// A server that answers so many requests and refuses all others.
fn tiring(answers: usize) -> Server {
    Server::start(
        move |request, before| {
            if before < answers { good(request, 0) } else { Reply::status(400, "enough") }
        },
    )
}

#[test]
fn nothing_is_paid_for_twice_however_often_a_run_dies() {
    let bench = Bench::new(&[5, 5]);
    let servers: Vec<Server> = (0..4).map(|_| tiring(3)).collect();
    for (number, server) in (1..).zip(&servers[..3]) {
        let error = bench.written(hasty(server)).unwrap_err();
        assert!(matches!(error, AnnotateError::Thought { .. }), "{error}");
        assert_eq!(bench.names(), ["out.jsonl.journal", "traces.jsonl"]);
        assert_eq!(fs::read_to_string(bench.journal()).unwrap().lines().count(), 3 * number);
        // As if it had been killed while it wrote.
        let mut journal = fs::File::options().append(true).open(bench.journal()).unwrap();
        journal.write_all(b"{\"key\":\"0123").unwrap();
    }
    bench.written(hasty(&servers[3])).unwrap();
    assert_eq!(servers[3].requests().len(), 1);
    assert_eq!((bench.thoughts().len(), asked(&servers).len()), (10, 10));
    assert_eq!(bench.names(), ["out.jsonl", "traces.jsonl"]);
}

#[test]
fn a_run_that_was_ended_is_gone_on_with() {
    let bench = Bench::new(&[12]);
    let server = Server::start(good);
    let ended = bench.run(hasty(&server), &mut |progress| match progress {
        Progress::Writing { done: 4.., .. } => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    let Outcome::Stopped { done, total: 12 } = ended.unwrap() else { panic!("it was ended") };
    // What was under way is waited for: a request of each worker.
    assert!((4..=7).contains(&done) && server.requests().len() == done, "{done}");
    bench.written(hasty(&server)).unwrap();
    assert!(asked(&[server]).values().all(|times| *times == 1));
    assert_eq!(bench.thoughts().len(), 12);
}

#[test]
fn a_thought_that_comes_twice_is_paid_for_once() {
    let bench = Bench::new(&[3]);
    let path = bench.dir.path().join("traces.jsonl");
    let line = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{line}\n\n{line}")).unwrap();
    let server = Server::start(good);
    assert_eq!(bench.written(hasty(&server)).unwrap().summaries.count(), 6);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn other_settings_are_paid_for_again() {
    let bench = Bench::new(&[4]);
    let server = tiring(2);
    bench.written(hasty(&server)).unwrap_err();
    let journal = fs::read(bench.journal()).unwrap();
    for change in ["model", "request"] {
        let mut options = hasty(&server);
        match change {
            "model" => options.model = "other".into(),
            _ => options.request = json!({"temperature": 1}).as_object().unwrap().clone(),
        }
        let before = server.requests().len();
        bench.written(options).unwrap_err();
        assert!(server.requests().len() > before, "{change}");
        assert_eq!(fs::read(bench.journal()).unwrap(), journal, "{change}: what was paid for stays");
    }
}

#[test]
fn a_run_that_cannot_succeed_costs_nothing() {
    let server = Server::start(good);
    let bench = Bench::new(&[2, 2]);
    fs::write(bench.output(), "mine").unwrap();
    let message = bench.written(hasty(&server)).unwrap_err().to_string();
    assert!(message.contains("out.jsonl exists already"), "{message}");
    assert_eq!(fs::read_to_string(bench.output()).unwrap(), "mine");
    fs::remove_file(bench.output()).unwrap();

    let path = bench.dir.path().join("traces.jsonl");
    let good = fs::read_to_string(&path).unwrap();
    let blank = json!({"question": "q", "trace": " \n", "answer": "a"});
    for (bad, says) in [
        ("{\"question\": 3}".to_owned(), "traces.jsonl, line 4"),
        (blank.to_string(), "traces.jsonl, line 4: the trace is empty"),
    ] {
        fs::write(&path, format!("{good}\n\n{bad}\n{good}")).unwrap();
        let message = bench.written(hasty(&server)).unwrap_err().to_string();
        assert!(message.contains(says), "{message}");
    }
    fs::write(&path, "\n").unwrap();
    let message = bench.written(hasty(&server)).unwrap_err().to_string();
    assert!(message.contains("traces.jsonl has no traces"), "{message}");
    assert_eq!((bench.names().len(), server.requests().len()), (1, 0));
}
