//! `--model ORG/NAME`: the README's first command, against a hub on this machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    server::{Fault, Server},
    support::{Ran, golden, json},
};

const ID: &str = "some-org/tiny";
const SHA: &str = "1111111111111111111111111111111111111111";

/// What a run may find in the environment of whoever runs the tests.
const VARIABLES: [&str; 15] = [
    "HF_ENDPOINT",
    "HF_HOME",
    "HF_HUB_CACHE",
    "HUGGINGFACE_HUB_CACHE",
    "HF_HUB_OFFLINE",
    "TRANSFORMERS_OFFLINE",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "HF_TOKEN_PATH",
    "XDG_CACHE_HOME",
    "http_proxy",
    "HTTP_PROXY",
    "all_proxy",
    "ALL_PROXY",
    "NO_PROXY",
];

/// A tokenizer whose words are the token ids themselves: `5 17` is tokens 5 and 17, and they read ` 5 17`.
fn tokenizer(vocab_size: u64) -> Value {
    let vocabulary: serde_json::Map<String, Value> =
        (0..vocab_size).map(|id| (format!("Ġ{id}"), json!(id))).collect();
    let bytes =
        json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": bytes, "post_processor": null, "decoder": bytes,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "Ġ0"},
    })
}

/// The golden llama with that tokenizer, and a file beside them that nobody asked for.
fn server() -> Server {
    let read = |name: &str| fs::read(golden("llama").join(name)).unwrap();
    let config = json(&golden("llama").join("config.json"));
    let tokenizer = tokenizer(config["vocab_size"].as_u64().unwrap()).to_string();
    Server::start(
        ID,
        SHA,
        &[
            ("README.md", b"# Tiny"),
            ("config.json", &read("config.json")),
            ("model.safetensors", &read("model.safetensors")),
            ("tokenizer.json", tokenizer.as_bytes()),
        ],
    )
}

/// What transformers says that the model continues with: prompt and continuation as this tokenizer has them.
fn expected() -> (String, String) {
    let expected = json(&golden("llama").join("expected.json"));
    let text = |ids: &Value| ids.as_array().unwrap().iter().map(|id| format!(" {id}")).collect::<String>();
    (text(&expected["prompt"]).trim().to_owned(), text(&expected["greedy_continuation"]))
}

/// The command, with nothing in its environment but where the hub and the cache are.
fn generate(url: &str, home: &TempDir) -> Command {
    let mut command = generate_any(url, home);
    command.args(["--model", ID]);
    command
}

/// The same, but for the model's name.
fn generate_any(url: &str, home: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.arg("generate").stdin(Stdio::null());
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.env("HF_ENDPOINT", url).env("HF_HOME", home.path());
    command.args(["--policy", "full", "--temperature", "0", "--max-tokens", "32"]).arg(expected().0);
    command
}

fn ran(command: &mut Command) -> Ran {
    command.output().unwrap().into()
}

/// The weights that the cache in `dir` gives out.
fn weights_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { weights_below(&path) } else { vec![path] });
    below.filter(|path| path.ends_with("model.safetensors")).collect()
}

#[test]
fn a_model_is_fetched_by_name_and_then_works_offline() {
    let (server, home) = (server(), TempDir::new().unwrap());
    let fetched = ran(generate(&server.url(), &home).env("HF_TOKEN", "hf_secret"));
    for file in ["config.json", "tokenizer.json", "model.safetensors"] {
        assert!(fetched.stderr.contains(&format!("fetching {file}, ")), "{}", fetched.stderr);
    }
    assert!(!fetched.stderr.contains("README.md"), "{}", fetched.stderr);
    let text = expected().1;
    assert_eq!(fetched.succeeded().trim_end(), text);
    let authorizations = server.take_log("").into_iter().map(|request| request.authorization);
    assert!(authorizations.flatten().any(|value| value == "Bearer hf_secret"));

    let offline = ran(generate(&server.url(), &home).env("HF_HUB_OFFLINE", "1"));
    assert_eq!(offline.stderr.lines().count(), 1, "how the text ended: {}", offline.stderr);
    assert_eq!(offline.succeeded().trim_end(), text);
    assert!(server.take_log("").is_empty(), "nobody was asked");

    let url = server.url();
    drop(server);
    let cached = ran(&mut generate(&url, &home));
    // One message, which does not say in one breath that there is a copy and that there is none.
    let (said, how_it_ended) = cached.stderr.split_once('\n').unwrap();
    assert_eq!(how_it_ended.lines().count(), 1, "{}", cached.stderr);
    assert!(said.starts_with("warning: cannot reach the hub ("), "{said}");
    assert!(said.ends_with("; using the copy of some-org/tiny in the cache"), "{said}");
    assert_eq!(cached.succeeded().trim_end(), text);

    // The cache may be named by its old variable, and the revision by its commit or by its name.
    for revision in ["", "@main", "@1111111111111111111111111111111111111111"] {
        let mut command = generate_any(&url, &home);
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", "/nonexistent");
        command.env("HUGGINGFACE_HUB_CACHE", home.path().join("hub"));
        command.arg("--model").arg(format!("{ID}{revision}"));
        let named = ran(&mut command);
        assert_eq!(named.stderr.lines().count(), 1, "{revision}");
        assert_eq!(named.succeeded().trim_end(), text);
    }
}

#[test]
fn a_hub_that_cannot_be_reached_is_one_line() {
    let home = TempDir::new().unwrap();
    let gone = server().url();
    let lines = |ran: Ran, says: &[&str]| {
        assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
        ran.refused(says);
    };
    lines(ran(&mut generate(&gone, &home)), &["cannot reach the hub", ID, "HF_ENDPOINT", "give a directory"]);
    let offline = ran(generate(&gone, &home).env("HF_HUB_OFFLINE", "1"));
    lines(offline, &["HF_HUB_OFFLINE", ID, "unset it"]);
}

#[test]
fn a_hub_that_refuses_is_explained() {
    let (server, home) = (server(), TempDir::new().unwrap());
    server.with(|state| state.status = Some(401));
    ran(&mut generate(&server.url(), &home)).refused(&["refuses", ID, "401", "HF_TOKEN"]);
    server.with(|state| state.status = Some(404));
    ran(&mut generate(&server.url(), &home)).refused(&["no model", ID, "spelling"]);
}

#[test]
fn half_a_download_is_never_taken_for_a_model() {
    let (server, home) = (server(), TempDir::new().unwrap());
    for (fault, says) in [
        (Fault::Cut(1000), "run again"),
        (Fault::Short(1000), "bytes are here; run again"),
        (Fault::Shifted, "another part"),
        (Fault::Slow, "bytes came in 1 s"),
        (Fault::Endless, "and was discarded; run again"),
        (Fault::Cut(1000), "run again"),
    ] {
        server.with(|state| state.fault = Some(("model.safetensors".into(), fault)));
        let mut command = generate(&server.url(), &home);
        ran(command.env("HF_HUB_DOWNLOAD_TIMEOUT", "1")).refused(&["model.safetensors", ID, says]);
        assert!(weights_below(home.path()).is_empty());
    }
    // All of it, although only the rest was asked for.
    server.with(|state| state.fault = Some(("model.safetensors".into(), Fault::Whole)));
    assert_eq!(ran(&mut generate(&server.url(), &home)).succeeded().trim_end(), expected().1);
}

/// Killed at any moment, a fetch leaves no weights that are not whole, and the next one goes on.
#[cfg(unix)]
#[test]
fn a_killed_fetch_is_gone_on_with() {
    let server = server();
    let whole = fs::read(golden("llama").join("model.safetensors")).unwrap();
    let one = TempDir::new().unwrap();
    let begun = std::time::Instant::now();
    ran(&mut generate(&server.url(), &one)).succeeded();
    let time = begun.elapsed();
    for kill in 1..8 {
        let home = TempDir::new().unwrap();
        let mut command = generate(&server.url(), &home);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(time * kill / 16);
        child.kill().unwrap();
        child.wait().unwrap();
        for path in weights_below(home.path()) {
            assert!(fs::read(path).unwrap() == whole);
        }
        assert_eq!(ran(&mut generate(&server.url(), &home)).succeeded().trim_end(), expected().1);
    }
}

#[test]
fn passwords_of_hubs_and_proxies_are_not_printed() {
    let home = TempDir::new().unwrap();
    let gone = server().url();
    let with_password = gone.replace("http://", "http://me:secret@");
    let hub = ran(&mut generate(&with_password, &home));
    let proxy = ran(generate("http://hub.invalid", &home).env("http_proxy", &with_password));
    for refused in [hub, proxy] {
        assert!(!refused.stderr.contains("secret"), "{}", refused.stderr);
        refused.refused(&["cannot reach the hub", ID]);
    }
}
