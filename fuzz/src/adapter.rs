//! Adapters' configurations, each over the matrices of two adapters.

use std::{fs, path::Path};

use zoomr_model::{adapter::Adapter, config::ModelConfig};

use super::file::scratch;

/// Where the tests of `zoomr-model` keep models and adapters, seen from either package.
const TESTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../zoomr-model/tests");

/// `adapter_config.json`.
pub fn adapter(bytes: &[u8]) -> bool {
    let tests = Path::new(TESTS);
    let base = ModelConfig::from_dir(&tests.join("golden/llama")).unwrap();
    let opens = |name: &str| {
        let dir = scratch("adapter").join(name);
        let file = "adapter_model.safetensors";
        if !dir.exists() {
            fs::create_dir(&dir).unwrap();
            fs::copy(tests.join("adapters").join(name).join(file), dir.join(file)).unwrap();
        }
        fs::write(dir.join("adapter_config.json"), bytes).unwrap();
        let Ok(adapter) = Adapter::open(&dir, &base) else { return false };
        assert_eq!(adapter.adapted().vocab_size(), base.vocab_size());
        true
    };
    ["patterns", "layers"].map(opens).contains(&true)
}
