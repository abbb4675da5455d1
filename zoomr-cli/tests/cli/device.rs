//! The script that `cargo xtask device` packs, run here as on a GPU machine: with the binary under test in place
//! of the one built for CUDA, and stubs in place of its test programs.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::support::{Ran, golden};

/// Puts `program` where the script looks for `name.gz`.
fn pack(program: &Path, folder: &Path, name: &str) {
    let packed = fs::File::create(folder.join(format!("{name}.gz"))).unwrap();
    let gzip = Command::new("gzip").args(["-1", "-c"]).arg(program).stdout(packed).status().unwrap();
    assert!(gzip.success());
}

/// Runs the script on some golden models, with a probe that prints `probed`.
fn run_script(probed: &str, models: &[&str]) -> Ran {
    let folder = TempDir::new().unwrap();
    let tests = folder.path().join("tests");
    fs::create_dir_all(&tests).unwrap();
    let stub = folder.path().join("stub");
    fs::write(&stub, format!("#!/bin/sh\necho '{probed}'\n")).unwrap();
    pack(&stub, &tests, "probe");
    pack(Path::new(env!("CARGO_BIN_EXE_zoomr")), folder.path(), "zoomr");
    for name in models {
        let model = folder.path().join("golden").join(name);
        fs::create_dir_all(&model).unwrap();
        for file in ["config.json", "expected.json", "model.safetensors"] {
            fs::copy(golden(name).join(file), model.join(file)).unwrap();
        }
    }
    let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(crate_dir.join("default-model/config.json"), folder.path().join("config.json")).unwrap();
    let script = folder.path().join("run.sh");
    fs::copy(crate_dir.join("../xtask/src/device/run.sh"), &script).unwrap();
    Command::new("bash").arg(&script).stdin(Stdio::null()).output().unwrap().into()
}

#[test]
fn golden_models_pass_it() {
    // The second has nothing to verify: every layer slides.
    let shown = run_script("a GPU", &["llama", "mistral_sw"]).succeeded();
    let on_models = ["greedy-llama", "verify-llama", "greedy-mistral_sw", "verify-mistral_sw"];
    for step in ["test-probe", "solves", "learns"].into_iter().chain(on_models) {
        assert!(shown.contains(&format!("== {step}: ok, ")), "{shown}");
    }
    assert!(shown.ends_with("7 passed, 0 failed\n"), "{shown}");
}

#[test]
fn without_a_gpu_it_ends_at_once_and_says_why() {
    let ran = run_script("SKIPPED: no driver", &["llama"]);
    assert_eq!(ran.code, Some(1));
    assert!(
        ran.stdout.contains("== test-probe: FAILED") && ran.stdout.contains("no driver"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains("llama"), "{}", ran.stdout);
    assert!(ran.stderr.contains("cannot run zoomr for CUDA"), "{}", ran.stderr);
}
