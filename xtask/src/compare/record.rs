//! One run of one binary, and what it left: reports, trace, logits, recording; all but times, as one JSON value.
//!
//! Runs take place in a directory of their own, under file names that do not change, so that not even messages
//! differ by them. What is large is kept as digests: of each row of logits, and of a recording.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

use super::matrix::{INPUTS, LOGITS, OTHER_SLABS, RECORDING, Run, TRACE};
use crate::workspace::{DEFAULT_MODEL, root};

/// Fields that tell of time, and of memory that is not the method's: no two runs agree on them.
const TIMES: [&str; 6] = [
    "seconds",
    "prompt_seconds",
    "tokens_per_second",
    "milliseconds_per_token_p50",
    "milliseconds_per_token_p95",
    "process_bytes_peak",
];

/// The directory that runs take place in; it goes with this value.
pub(super) struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    /// Makes it, with the files that runs read.
    ///
    /// # Errors
    /// If they cannot be written.
    pub(super) fn create() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("zoomr-compare-{}", std::process::id()));
        fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let scratch = Self { dir };
        for (name, text) in INPUTS {
            scratch.write(name, text.as_bytes())?;
        }
        scratch.other_slabs()?;
        Ok(scratch)
    }

    /// The built-in model with other slabs, which no flag sets.
    fn other_slabs(&self) -> Result<()> {
        let from = root().join(DEFAULT_MODEL);
        let failed = || format!("cannot read {}", from.display());
        fs::create_dir_all(self.dir.join(OTHER_SLABS)).with_context(failed)?;
        for file in fs::read_dir(&from).with_context(failed)? {
            let name = file.with_context(failed)?.file_name().to_string_lossy().into_owned();
            let mut content = fs::read(from.join(&name)).with_context(failed)?;
            if name == "zoomr.json" {
                let mut format: Value = serde_json::from_slice(&content).with_context(failed)?;
                format["method"]["slab-pages"] = json!(3);
                content = format.to_string().into_bytes();
            }
            self.write(&format!("{OTHER_SLABS}/{name}"), &content)?;
        }
        Ok(())
    }

    /// Has `binary` do a run.
    ///
    /// # Errors
    /// If it cannot be started, or what it wrote cannot be read. That it fails is part of the record.
    pub(super) fn record(&self, binary: &Path, run: &Run) -> Result<Value> {
        for name in [TRACE, LOGITS, RECORDING] {
            // Most runs write only some of them.
            let _ = fs::remove_file(self.dir.join(name));
        }
        let mut outputs = Vec::new();
        for args in &run.commands {
            let output = Command::new(binary).args(args).current_dir(&self.dir).output();
            outputs.push(output.with_context(|| format!("cannot run {}", binary.display()))?);
        }
        let broken = || format!("{}: what it wrote makes no sense", run.name);
        Ok(json!({
            "exit": outputs.iter().map(|output| output.status.code()).collect::<Vec<_>>(),
            "stderr": outputs.iter().map(complaint).collect::<Vec<_>>(),
            "reports": outputs.iter().map(report).collect::<Vec<_>>(),
            "trace": self.read(TRACE)?.map(|bytes| lines(&bytes)).transpose().with_context(broken)?,
            "logits": self.read(LOGITS)?.map(|bytes| rows(&bytes)).transpose().with_context(broken)?,
            "recording": self.read(RECORDING)?.map(|bytes| digest(&bytes)),
        }))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        let path = self.dir.join(name);
        fs::write(&path, content).with_context(|| format!("cannot write {}", path.display()))
    }

    /// A file that a run may have written.
    fn read(&self, name: &str) -> Result<Option<Vec<u8>>> {
        let path = self.dir.join(name);
        if !path.exists() {
            return Ok(None);
        }
        fs::read(&path).map(Some).with_context(|| format!("cannot read {}", path.display()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind lies in the system's directory for temporary files.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// What a command said where it failed; else its standard error tells how far it was and how fast.
fn complaint(output: &Output) -> Option<String> {
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

/// What a command printed: JSON, but for messages.
fn report(output: &Output) -> Value {
    match serde_json::from_slice(&output.stdout) {
        Ok(report) => timeless(report),
        Err(_) => json!({ "stdout": String::from_utf8_lossy(&output.stdout) }),
    }
}

fn lines(trace: &[u8]) -> Result<Value> {
    let lines = trace.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| Ok(timeless(serde_json::from_slice(line)?))).collect()
}

/// A value without the fields that tell of time.
fn timeless(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(name, _)| !TIMES.contains(&name.as_str()));
            fields.map(|(name, value)| (name, timeless(value))).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.into_iter().map(timeless).collect(),
        other => other,
    }
}

/// A digest of each row of `logits`, `[tokens, vocab]`, in a safetensors file: the header's length, the header,
/// the numbers.
fn rows(file: &[u8]) -> Result<Value> {
    let (len, rest) = file.split_first_chunk().context("no header")?;
    let header = usize::try_from(u64::from_le_bytes(*len))?;
    ensure!(header <= rest.len(), "the header is cut");
    let (header, numbers) = rest.split_at(header);
    let header: Value = serde_json::from_slice(header)?;
    let tokens = header["logits"]["shape"][0].as_u64().context("no shape")?;
    let row = numbers.len().checked_div(usize::try_from(tokens)?).context("no rows")?;
    Ok(numbers.chunks(row.max(1)).map(digest).collect())
}

/// FNV-1a: 64 bits that differ where the bytes do, but for bad luck.
pub(super) fn digest(bytes: &[u8]) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = bytes.iter().fold(OFFSET, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_definition() {
        assert_eq!(digest(b""), "cbf29ce484222325");
        assert_eq!(digest(b"foobar"), "85944171f73967e8");
    }

    #[test]
    fn times_are_left_out_at_any_depth() {
        let value = json!({"step": 1, "seconds": 0.5, "rows": [{"tokens_per_second": 3, "hits": 2}]});
        assert_eq!(timeless(value), json!({"step": 1, "rows": [{"hits": 2}]}));
    }

    #[test]
    fn each_row_of_logits_has_a_digest() {
        let header = br#"{"logits":{"shape":[2,3]}}"#;
        let file = |numbers: &[u8]| [&(header.len() as u64).to_le_bytes()[..], header, numbers].concat();
        let found = rows(&file(&[7; 24])).unwrap();
        assert_eq!(found, json!([digest(&[7; 12]), digest(&[7; 12])]));
        let mut changed = [7; 24];
        changed[23] = 6;
        assert_eq!(rows(&file(&changed)).unwrap()[0], found[0]);
        assert_ne!(rows(&file(&changed)).unwrap()[1], found[1]);
        assert!(rows(b"short").is_err());
        assert!(rows(&u64::MAX.to_le_bytes()).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_run_leaves_a_record() {
        let scratch = Scratch::create().unwrap();
        let script = "echo '{\"step\":0,\"seconds\":1}' > trace.jsonl; echo '{\"nll\":2}'";
        let run = |script: &str| {
            let commands = vec![vec!["-c".to_owned(), script.to_owned()]];
            scratch.record(Path::new("sh"), &Run { name: "one".to_owned(), commands }).unwrap()
        };
        let record = run(script);
        assert_eq!(record["trace"], json!([{"step": 0}]));
        assert_eq!((&record["reports"], &record["exit"]), (&json!([{"nll": 2}]), &json!([0])));
        // The trace is that of the run before no more.
        let failed = run("echo no such policy >&2; exit 3");
        assert_eq!((&failed["trace"], &failed["exit"]), (&Value::Null, &json!([3])));
        assert_eq!(failed["stderr"], json!(["no such policy\n"]));
    }
}
