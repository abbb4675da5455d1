//! Fetching models from a hub of our own: what is fetched, what is kept, and what is said when it fails.

#![expect(clippy::unwrap_used, reason = "helpers of tests, too, fail by panicking")]

mod gguf;
mod hostile;
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
};

use tempfile::TempDir;
use zoomr_model::hub::{Hub, HubError, ModelId, Progress, TransportError, resolve};

use server::{Fault, Server};

const ID: &str = "some-org/tiny_model.v1";
const SHA: &str = "1111111111111111111111111111111111111111";
const NEXT_SHA: &str = "2222222222222222222222222222222222222222";
const CONFIG: &[u8] = b"{\"model_type\": \"llama\"}";

fn weights(revision: u8) -> Vec<u8> {
    (0..50_000).map(|i| (i % 251) as u8 ^ revision).collect()
}

/// A small model, with files beside it that nobody asked for.
fn server() -> Server {
    Server::start(
        ID,
        SHA,
        &[
            ("README.md", b"# Tiny"),
            ("config.json", CONFIG),
            ("consolidated.safetensors", b"the same again"),
            ("model.safetensors", &weights(0)),
            ("onnx/model.onnx", b"no"),
            ("pytorch_model.bin", b"no"),
            ("tokenizer.json", b"{}"),
        ],
    )
}

fn hub_with(cache: &TempDir, url: &str, more: &[(&str, &str)]) -> Hub {
    let home = cache.path().display().to_string();
    let vars = [("HF_HOME", home.as_str()), ("HF_ENDPOINT", url)];
    let vars: Vec<_> = vars.into_iter().chain(more.iter().copied()).collect();
    let value = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
    Hub::from_vars(value).unwrap()
}

fn hub(cache: &TempDir, server: &Server) -> Hub {
    hub_with(cache, &server.url(), &[])
}

fn fetch(hub: &Hub) -> Result<PathBuf, HubError> {
    hub.fetch(&ModelId::parse(ID).unwrap(), &mut ())
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Writes down what it is told.
#[derive(Default)]
struct Recorder {
    files: Vec<(String, u64, u64, bool)>,
    cached: Vec<String>,
}

impl Progress for Recorder {
    fn begin(&mut self, file: &str, bytes: u64) {
        self.files.push((file.to_owned(), bytes, 0, false));
    }
    fn advance(&mut self, bytes: u64) {
        self.files.last_mut().unwrap().2 += bytes;
    }
    fn end(&mut self) {
        self.files.last_mut().unwrap().3 = true;
    }
    fn waiting(&mut self, _file: &str) {}
    fn using_cached(&mut self, id: &ModelId, reason: &TransportError) {
        self.cached.push(format!("{id}: {reason}"));
    }
}

#[test]
fn a_model_is_fetched_once_and_then_works_offline() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let online = hub(&cache, &server);
    let id = ModelId::parse(ID).unwrap();
    let mut recorder = Recorder::default();
    let dir = online.fetch(&id, &mut recorder).unwrap();

    assert_eq!(names(&dir), ["config.json", "model.safetensors", "tokenizer.json"]);
    #[cfg(unix)]
    assert!(dir.join("config.json").is_symlink());
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights(0));
    assert!(dir.starts_with(online.cache_dir()) && dir.ends_with(SHA), "{}", dir.display());
    let told = [("config.json", 23), ("tokenizer.json", 2), ("model.safetensors", 50_000)];
    assert_eq!(recorder.files, told.map(|(name, bytes)| (name.to_owned(), bytes, bytes, true)));

    server.take_log("");
    assert_eq!(online.fetch(&id, &mut ()).unwrap(), dir);
    assert_eq!(server.take_log("").len(), 1, "only the question for the newest revision");

    let forbidden = hub_with(&cache, &server.url(), &[("HF_HUB_OFFLINE", "1")]);
    assert_eq!(fetch(&forbidden).unwrap(), dir);
    assert!(server.take_log("").is_empty());

    server.with(|state| state.status = Some(503));
    let mut recorder = Recorder::default();
    assert_eq!(online.fetch(&id, &mut recorder).unwrap(), dir);
    assert!(recorder.cached[0].contains("status 503"), "{:?}", recorder.cached);
    drop(server);
    let mut recorder = Recorder::default();
    assert_eq!(online.fetch(&id, &mut recorder).unwrap(), dir);
    assert!(recorder.cached[0].contains("cannot reach the hub"), "{:?}", recorder.cached);
}

#[test]
fn shards_are_those_of_the_index() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let index = br#"{"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors"}}"#;
    server.with(|state| {
        state.files.remove("model.safetensors");
        state.files.insert("model.safetensors.index.json".into(), index.to_vec());
        for number in 1..=3 {
            state.files.insert(format!("model-{number}.safetensors"), weights(number));
        }
    });
    let dir = fetch(&hub(&cache, &server)).unwrap();
    let wanted = ["config.json", "model-1.safetensors", "model-2.safetensors"];
    assert_eq!(names(&dir), [&wanted[..], &["model.safetensors.index.json", "tokenizer.json"]].concat());
    assert_eq!(fs::read(dir.join("model-2.safetensors")).unwrap(), weights(2));
    drop(server);
    let offline = hub_with(&cache, "http://127.0.0.1:9", &[("HF_HUB_OFFLINE", "true")]);
    assert_eq!(fetch(&offline).unwrap(), dir);
    fs::remove_file(dir.join("model-2.safetensors")).unwrap();
    let error = fetch(&offline).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
}

#[test]
fn an_index_may_not_name_files_elsewhere() {
    let cache = TempDir::new().unwrap();
    let server = server();
    server.with(|state| {
        state.files.remove("model.safetensors");
        let index = br#"{"weight_map": {"a": "../../../../escaped"}}"#;
        state.files.insert("model.safetensors.index.json".into(), index.to_vec());
    });
    let error = fetch(&hub(&cache, &server)).unwrap_err();
    assert!(matches!(error, HubError::Index { .. }), "{error}");
    assert!(error.to_string().contains("escaped"), "{error}");
}

#[test]
fn a_cut_download_spoils_nothing_and_goes_on_where_it_stopped() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let hub = hub(&cache, &server);
    let good = fetch(&hub).unwrap();
    server.with(|state| {
        state.sha = NEXT_SHA.into();
        state.files.insert("model.safetensors".into(), weights(1));
        state.fault = Some(("model.safetensors".into(), Fault::Cut(20_000)));
    });

    let error = fetch(&hub).unwrap_err();
    assert!(matches!(&error, HubError::Download { file, .. } if file == "model.safetensors"), "{error}");
    assert!(error.to_string().contains("run again"), "{error}");
    assert_eq!(fs::read(good.join("model.safetensors")).unwrap(), weights(0));
    let offline = hub_with(&cache, &server.url(), &[("HF_HUB_OFFLINE", "1")]);
    assert_eq!(fetch(&offline).unwrap(), good);

    server.with(|state| state.fault = None);
    server.take_log("");
    let next = fetch(&hub).unwrap();
    assert!(next.ends_with(NEXT_SHA));
    assert_eq!(fs::read(next.join("model.safetensors")).unwrap(), weights(1));
    let ranges: Vec<_> = server.take_log("elsewhere").into_iter().filter_map(|r| r.range).collect();
    assert!(ranges.contains(&"bytes=20000-".to_owned()), "{ranges:?}");
    assert_eq!(fetch(&offline).unwrap(), next);
}

#[test]
fn a_file_that_ends_early_is_gone_on_with() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let hub = hub(&cache, &server);
    server.with(|state| state.fault = Some(("model.safetensors".into(), Fault::Short(20_000))));
    let error = fetch(&hub).unwrap_err();
    assert!(error.to_string().contains("20000 of 50000 bytes are here; run again"), "{error}");
    // A server that sends all of it again is believed, and one that sends another part is not.
    server.with(|state| state.fault = Some(("model.safetensors".into(), Fault::Shifted)));
    let error = fetch(&hub).unwrap_err();
    assert!(error.to_string().contains("another part"), "{error}");
    server.with(|state| state.fault = Some(("model.safetensors".into(), Fault::Whole)));
    let dir = fetch(&hub).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights(0));
}

#[test]
fn a_partial_file_that_cannot_be_continued_is_begun_anew() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let hub = hub(&cache, &server);
    fetch(&hub).unwrap();
    let repository = hub.cache_dir().join("models--some-org--tiny_model.v1");
    for name in names(&repository.join("blobs")) {
        let blob = repository.join("blobs").join(&name);
        let part = repository.join("blobs").join(format!("{name}.incomplete"));
        let mut bytes = fs::read(&blob).unwrap();
        // As long as the whole, or longer; but no hash says that it is what it should be.
        bytes.fill(0);
        bytes.resize(bytes.len() + name.len() % 2, 0);
        fs::write(part, bytes).unwrap();
        fs::remove_file(&blob).unwrap();
    }
    let dir = fetch(&hub).unwrap();
    assert_eq!(fs::read(dir.join("model.safetensors")).unwrap(), weights(0));
}

#[test]
fn a_new_revision_downloads_only_what_changed() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let hub = hub(&cache, &server);
    let old = fetch(&hub).unwrap();
    server.with(|state| {
        state.sha = NEXT_SHA.into();
        state.files.insert("config.json".into(), b"{\"model_type\": \"qwen3\"}".to_vec());
    });
    server.take_log("");
    let new = fetch(&hub).unwrap();
    let weights_requests = server.take_log("model.safetensors");
    assert!(weights_requests.iter().all(|request| request.method == "HEAD"), "{weights_requests:?}");
    assert_eq!(fs::read(new.join("model.safetensors")).unwrap(), weights(0));
    assert_ne!(fs::read(new.join("config.json")).unwrap(), CONFIG);
    assert_eq!(fs::read(old.join("config.json")).unwrap(), CONFIG);
}

#[test]
fn the_token_goes_along_and_refusals_are_explained() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let with_token = hub_with(&cache, &server.url(), &[("HF_TOKEN", "hf_secret")]);
    fetch(&with_token).unwrap();
    let api = server.take_log("/api/");
    assert_eq!(api[0].authorization.as_deref(), Some("Bearer hf_secret"));

    fs::write(cache.path().join("token"), "hf_from_login\n").unwrap();
    fetch(&hub(&cache, &server)).unwrap();
    assert_eq!(server.take_log("/api/")[0].authorization.as_deref(), Some("Bearer hf_from_login"));

    fs::write(cache.path().join("mine"), "hf_from_file").unwrap();
    let file = cache.path().join("mine").display().to_string();
    fetch(&hub_with(&cache, &server.url(), &[("HF_TOKEN_PATH", &file)])).unwrap();
    assert_eq!(server.take_log("/api/")[0].authorization.as_deref(), Some("Bearer hf_from_file"));
    let old = [("HUGGING_FACE_HUB_TOKEN", "hf_old"), ("HF_TOKEN_PATH", &*file)];
    fetch(&hub_with(&cache, &server.url(), &old)).unwrap();
    assert_eq!(server.take_log("/api/")[0].authorization.as_deref(), Some("Bearer hf_old"));

    // A refusal is final, whatever the cache has.
    for status in [401, 403] {
        server.with(|state| state.status = Some(status));
        let message = fetch(&with_token).unwrap_err().to_string();
        assert!(message.contains(ID) && message.contains(&status.to_string()), "{message}");
        assert!(message.contains("HF_TOKEN") && !message.contains("hf_secret"), "{message}");
    }
}

#[test]
fn an_unknown_model_is_named() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let other = ModelId::parse("some-org/other").unwrap();
    let error = hub(&cache, &server).fetch(&other, &mut ()).unwrap_err();
    assert!(matches!(error, HubError::NotFound { .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("some-org/other") && message.contains("check the spelling"), "{message}");
}

#[test]
fn revisions_are_fetched_by_name_and_known_offline() {
    let cache = TempDir::new().unwrap();
    let server = server();
    let (online, main) = (hub(&cache, &server), fetch(&hub(&cache, &server)).unwrap());
    server.with(|state| {
        state.sha = NEXT_SHA.into();
        state.files.insert("config.json".into(), b"{\"model_type\": \"qwen3\"}".to_vec());
    });
    let named = |revision: &str| ModelId::parse(&format!("{ID}@{revision}")).unwrap();
    server.take_log("");
    let next = online.fetch(&named("refs/pr/7"), &mut ()).unwrap();
    assert!(next.ends_with(NEXT_SHA));
    assert!(server.take_log("/api/")[0].path.ends_with("/revision/refs%2Fpr%2F7"));
    let offline = hub_with(&cache, "http://127.0.0.1:9", &[("TRANSFORMERS_OFFLINE", "1")]);
    for (revision, dir) in [("refs/pr/7", &next), (NEXT_SHA, &next), (SHA, &main), ("main", &main)] {
        assert_eq!(&offline.fetch(&named(revision), &mut ()).unwrap(), dir, "{revision}");
    }
    let error = offline.fetch(&named("v2"), &mut ()).unwrap_err().to_string();
    assert!(error.contains(&format!("{ID}@v2 is not")), "{error}");
    server.with(|state| (state.status, state.code) = (Some(404), Some("RevisionNotFound")));
    let error = online.fetch(&named("v2"), &mut ()).unwrap_err();
    assert!(matches!(error, HubError::NoRevision { .. }), "{error}");
}

#[test]
fn what_zoomr_cannot_read_is_not_downloaded() {
    for missing in ["config.json", "model.safetensors"] {
        let cache = TempDir::new().unwrap();
        let server = server();
        server.with(|state| state.files.remove(missing));
        let error = fetch(&hub(&cache, &server)).unwrap_err();
        assert!(matches!(&error, HubError::NotLoadable { missing: m, .. } if m == missing), "{error}");
        assert!(server.take_log("resolve").is_empty());
    }
}

#[test]
fn a_format_that_zoomr_does_not_read_is_named() {
    for (files, says) in [
        (&["README.md", "tiny.Q4_K_M.gguf"][..], "org/name:Q4_K_M"),
        (&["config.json", "pytorch_model.bin"], "PyTorch's pickles"),
        (&["adapter_config.json", "adapter_model.safetensors"], "give its model with --model"),
    ] {
        let cache = TempDir::new().unwrap();
        let files: Vec<(&str, &[u8])> = files.iter().map(|name| (*name, &b"{}"[..])).collect();
        let server = Server::start(ID, SHA, &files);
        let error = fetch(&hub(&cache, &server)).unwrap_err().to_string();
        assert!(error.contains(ID) && error.contains(says), "{error}");
        assert!(server.take_log("resolve").is_empty());
    }
}

/// Whatever is read of a directory: a token may be named in any of these files, and how a model thinks in the last.
#[test]
fn every_file_that_is_read_is_fetched() {
    let small = [
        "added_tokens.json",
        "chat_template.jinja",
        "generation_config.json",
        "special_tokens_map.json",
        "tokenizer_config.json",
        "zoomr.json",
    ];
    let cache = TempDir::new().unwrap();
    let server = server();
    server.with(|state| state.files.extend(small.map(|name| (name.to_owned(), b"{}".to_vec()))));
    let fetched = names(&fetch(&hub(&cache, &server)).unwrap());
    let missing: Vec<_> = small.iter().filter(|name| !fetched.iter().any(|file| file == *name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn without_network_and_cache_the_message_says_what_to_do() {
    let cache = TempDir::new().unwrap();
    let offline = hub_with(&cache, "http://127.0.0.1:9", &[("HF_HUB_OFFLINE", "YES")]);
    let message = fetch(&offline).unwrap_err().to_string();
    assert!(message.contains("HF_HUB_OFFLINE") && message.contains(ID), "{message}");
    let url = server().url();
    let message = fetch(&hub_with(&cache, &url, &[])).unwrap_err().to_string();
    assert!(message.contains("cannot reach the hub") && message.contains("HF_ENDPOINT"), "{message}");
    let endpoint = |name: &str| (name == "HF_ENDPOINT").then(|| "me:secret@host".to_owned());
    let Err(error) = Hub::from_vars(endpoint) else { panic!("that is no address") };
    let message = error.to_string();
    assert!(message.contains("HF_ENDPOINT") && !message.contains("secret"), "{message}");
}

#[test]
fn variables_say_where_the_cache_is() {
    let dir = |vars: &[(&str, &str)]| {
        let value = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Hub::from_vars(value).unwrap().cache_dir().to_owned()
    };
    assert_eq!(dir(&[("HF_HOME", "/h"), ("HF_HUB_CACHE", "/c")]), Path::new("/c"));
    assert_eq!(dir(&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")]), Path::new("/old"));
    assert_eq!(dir(&[("HF_HUB_CACHE", "/c"), ("HUGGINGFACE_HUB_CACHE", "/old")]), Path::new("/c"));
    let home = std::env::home_dir().unwrap();
    assert_eq!(dir(&[("HF_HOME", "~/h")]), home.join("h/hub"));
    assert_eq!(dir(&[("HF_HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Path::new("/h/hub"));
    assert_eq!(dir(&[("HF_HOME", ""), ("XDG_CACHE_HOME", "/x")]), Path::new("/x/huggingface/hub"));
    assert!(dir(&[]).ends_with(".cache/huggingface/hub"));
}

#[test]
fn names_are_directories_or_ids() {
    let dir = TempDir::new().unwrap();
    assert_eq!(resolve(dir.path().to_str().unwrap(), &mut ()).unwrap(), dir.path());
    let file = dir.path().join("model.safetensors");
    fs::write(&file, "x").unwrap();
    let error = resolve(file.to_str().unwrap(), &mut ()).unwrap_err();
    assert!(matches!(error, HubError::NotADirectory { .. }), "{error}");
    for bad in [
        "",
        "gpt2",
        "a/b/c",
        "/a",
        "a/",
        "../model",
        "org/..",
        "./model",
        "org/na me",
        "org/né",
        "a/b@",
        "a/b@../c",
        "a/b@/c",
        "a/b@c//d",
        "a/b@.c",
        "a/b@c d",
        "a@b/c",
        "a/b--c",
        "a/b@c@d",
    ] {
        let error = ModelId::parse(bad).unwrap_err();
        assert!(error.to_string().contains("org/name"), "{error}");
    }
    for good in ["Org-1/name_2.5", "org/name@main", "org/name@refs/pr/7", "org/name@v1.0+cu"] {
        assert_eq!(ModelId::parse(good).unwrap().to_string(), good);
    }
}
