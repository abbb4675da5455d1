//! Hubs that lie, send us elsewhere, or never end: nothing is written outside of the cache, and the token stays here.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use zoomr_model::hub::HubError;

use crate::{
    ID, SHA, fetch, hub, hub_with, server,
    server::{Fault, Server},
    weights,
};

/// The SHA-256 of `weights(0)`.
const HASH: &str = "819e1ce4db744eb7573f7d5036d64f3c52184201ffa2ece0a2491a51ef14aba0";
const WEIGHTS: &str = "model.safetensors";

/// All files below a directory, and what is in them.
fn tree(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| match path.is_dir() {
        true => tree(&path),
        false => BTreeMap::from([(path.display().to_string(), fs::read(&path).unwrap())]),
    });
    below.collect()
}

#[test]
fn what_it_says_leads_to_no_place_outside_of_the_cache() {
    let place = TempDir::new().unwrap();
    let home = place.path().join("home");
    fs::create_dir(&home).unwrap();
    let victim = place.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    let paths =
        [victim.display().to_string(), "../../../../victim".into(), "../../../victim".into(), "..".into()];
    let home = home.display().to_string();
    for path in &paths {
        let server = server();
        let hub = hub_with(&place, &server.url(), &[("HF_HUB_CACHE", &home)]);
        server.with(|state| state.etag = Some(format!("\"{path}\"")));
        let error = fetch(&hub).unwrap_err().to_string();
        assert!(error.contains(WEIGHTS) && error.contains("ETag"), "{error}");
        server.with(|state| state.sha = path.clone());
        let error = fetch(&hub).unwrap_err().to_string();
        assert!(error.contains("is no commit"), "{error}");
    }
    let outside = tree(place.path()).into_iter().filter(|(path, _)| !path.starts_with(&home));
    let outside: Vec<_> = outside.collect();
    assert_eq!(outside, [(victim.display().to_string(), b"precious".to_vec())]);
}

#[test]
fn the_token_goes_to_nobody_else() {
    let cache = TempDir::new().unwrap();
    let (server, other) = (server(), server());
    // The other hub has the same address but for its port.
    server.with(|state| state.location = Some(format!("{}/elsewhere/{{name}}", other.url())));
    let dir = fetch(&hub_with(&cache, &server.url(), &[("HF_TOKEN", "hf_secret")])).unwrap();
    assert_eq!(fs::read(dir.join(WEIGHTS)).unwrap(), weights(0));
    let asked = other.take_log("");
    assert!(!asked.is_empty() && asked.iter().all(|request| request.authorization.is_none()), "{asked:?}");
    let asked = server.take_log("");
    assert!(asked.iter().all(|request| request.authorization.is_some()), "{asked:?}");
}

#[test]
fn redirects_that_lead_nowhere_are_errors() {
    for (location, says) in [
        ("", "says not where to"),
        ("file:///etc/passwd", "only http:// and https://"),
        ("//", "it should be a host"),
        ("here", "http:// or https:// is missing"),
        ("http://127.0.0.1:99999/", "port"),
        (
            "/some-org/tiny_model.v1/resolve/1111111111111111111111111111111111111111/{name}",
            "more than 8 times",
        ),
    ] {
        let (cache, server) = (TempDir::new().unwrap(), server());
        server.with(|state| state.location = Some(location.to_owned()));
        let error = fetch(&hub(&cache, &server)).unwrap_err().to_string();
        assert!(error.contains(WEIGHTS) && error.contains(says), "{location}: {error}");
    }
}

#[test]
fn contents_are_those_of_their_hash() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let hub = hub(&cache, &server);
    server.with(|state| state.etag = Some(format!("\"{}\"", HASH.replace('0', "1"))));
    let error = fetch(&hub).unwrap_err();
    assert!(matches!(&error, HubError::Garbled { file, .. } if file == WEIGHTS), "{error}");
    assert!(error.to_string().contains("SHA-256"), "{error}");
    let kept = tree(hub.cache_dir()).into_keys().filter(|path| path.ends_with(".incomplete")).count();
    assert_eq!(kept, 0);

    // Also where some of it came before.
    server.with(|state| {
        state.etag = Some(format!("\"{HASH}\""));
        state.fault = Some((WEIGHTS.into(), Fault::Cut(20_000)));
    });
    fetch(&hub).unwrap_err();
    server.with(|state| state.fault = None);
    server.take_log("");
    let dir = fetch(&hub).unwrap();
    assert_eq!(fs::read(dir.join(WEIGHTS)).unwrap(), weights(0));
    let ranges: Vec<_> =
        server.take_log("elsewhere").into_iter().filter_map(|request| request.range).collect();
    assert_eq!(ranges, ["bytes=20000-"]);
}

#[test]
fn nothing_is_longer_than_was_said() {
    let (cache, server) = (TempDir::new().unwrap(), server());
    let hub = hub(&cache, &server);
    server.with(|state| state.fault = Some((WEIGHTS.into(), Fault::Endless)));
    let error = fetch(&hub).unwrap_err();
    assert!(error.to_string().contains("more than its 50000 bytes"), "{error}");
    let longest = tree(hub.cache_dir()).into_values().map(|bytes| bytes.len()).max();
    assert!(longest < Some(1 << 20), "{longest:?}");
    // A size that nobody has room for is no reason to take room for it.
    server.with(|state| (state.fault, state.size) = (None, Some(u64::MAX)));
    let error = fetch(&hub).unwrap_err();
    assert!(matches!(error, HubError::Download { .. }), "{error}");
}

#[test]
fn whoever_sends_next_to_nothing_is_given_up() {
    let (cache, server) = (TempDir::new().unwrap(), server());
    let impatient = [("HF_HUB_DOWNLOAD_TIMEOUT", "1"), ("HF_HUB_ETAG_TIMEOUT", "1")];
    let hub = hub_with(&cache, &server.url(), &impatient);
    server.with(|state| state.fault = Some((WEIGHTS.into(), Fault::Slow)));
    let begun = Instant::now();
    let error = fetch(&hub).unwrap_err().to_string();
    assert!(error.contains(WEIGHTS) && error.contains("bytes came in 1 s"), "{error}");
    // Nobody answers at all, although somebody listens.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let other = TempDir::new().unwrap();
    let error = fetch(&hub_with(&other, &url, &impatient)).unwrap_err().to_string();
    assert!(error.contains("cannot reach the hub") && error.contains("timeout"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(20));
}

#[test]
fn passwords_are_not_in_messages() {
    let cache = TempDir::new().unwrap();
    let gone = server().url().replace("http://", "http://me:secret@");
    for url in [&*gone, "http://me:secret@[::1", "http://me:secret@host/%zz\u{e9}", "http://me:secret@"] {
        let home = cache.path().display().to_string();
        let vars = [("HF_HOME", home.as_str()), ("HF_ENDPOINT", url)];
        let hub = zoomr_model::hub::Hub::from_vars(|name: &str| {
            vars.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        });
        let error = hub.and_then(|hub| fetch(&hub)).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}

#[test]
fn what_is_no_description_of_a_model_is_taken_for_none() {
    // As a network does that wants to be paid first: a page for everything.
    let page = Server::start(ID, SHA, &[]);
    page.with(|state| state.sha = "<html>".into());
    let cache = TempDir::new().unwrap();
    let error = fetch(&hub(&cache, &page)).unwrap_err().to_string();
    assert!(error.contains("the hub's answer is of no use") && error.contains("no complete copy"), "{error}");
    let good = fetch(&hub(&cache, &server())).unwrap();
    assert_eq!(fetch(&hub(&cache, &page)).unwrap(), good);
}
