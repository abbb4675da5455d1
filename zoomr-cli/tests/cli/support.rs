//! Runs of the binary, and models to run it on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use zoomr_model::data::synth::vocabulary;

/// Token ids that every golden model knows.
pub(crate) const PROMPT: &str = "46,210,305,283,259,57,191,289,249,34,50,83";

/// A tiny model with known logits.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../zoomr-model/tests/golden").join(name)
}

/// A JSON file of a golden model.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// A copy of a golden model, to be spoiled.
pub(crate) fn copy(name: &str) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(golden(name).join(file), dir.path().join(file)).unwrap();
    }
    dir
}

/// A copy of a golden model with a field of its configuration changed.
pub(crate) fn with_config(name: &str, field: &str, value: Value) -> TempDir {
    let dir = copy(name);
    let path = dir.path().join("config.json");
    let mut config = json(&path);
    config[field] = value;
    fs::write(&path, config.to_string()).unwrap();
    dir
}

/// The configuration of a tiny model over the words of synthetic problems.
pub(crate) fn synth_config() -> Value {
    serde_json::json!({
        "model_type": "smollm3", "vocab_size": vocabulary::words().len(), "hidden_size": 16,
        "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1,
        "head_dim": 8, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "tie_word_embeddings": false,
        "hidden_act": "silu", "rope_theta": 10000.0, "no_rope_layers": [1, 0], "eos_token_id": 1,
    })
}

/// The binary, ready to be given arguments; standard input is empty.
pub(crate) fn command(subcommand: &str, model: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_zoomr"));
    command.arg(subcommand).arg("--model").arg(model).stdin(Stdio::null());
    command
}

/// What came of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Ran {
    /// Whatever happens, nothing panics.
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("zoomr writes UTF-8");
        let ran =
            Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }
}

impl Ran {
    /// Asserts success; its standard output.
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        self.stdout
    }

    /// Asserts success; its standard output as JSON.
    pub(crate) fn report(self) -> Value {
        serde_json::from_str(&self.succeeded()).expect("one JSON object")
    }

    /// Asserts a refusal: exit code 1, nothing on standard output, and one message that says all of `says`.
    pub(crate) fn refused(self, says: &[&str]) {
        assert_eq!((self.code, &*self.stdout), (Some(1), ""), "{}", self.stderr);
        let messages = self.stderr.lines().filter(|line| line.starts_with("error:")).count();
        assert_eq!(messages, 1, "{}", self.stderr);
        for part in says {
            assert!(self.stderr.contains(part), "{:?} does not say {part:?}", self.stderr);
        }
    }
}

/// Runs a command on a model with some arguments, separated by spaces.
pub(crate) fn run(subcommand: &str, model: &Path, args: &str) -> Ran {
    command(subcommand, model).args(args.split_whitespace()).output().unwrap().into()
}

/// Runs `generate` on the prompt's token ids.
pub(crate) fn generate(model: &Path, args: &str) -> Ran {
    run("generate", model, &format!("--tokens {PROMPT} --temperature 0 {args}"))
}

/// The lines of a trace.
pub(crate) fn trace(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
