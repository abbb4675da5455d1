//! What the workspace holds, as `cargo metadata` tells it: packages, targets, features, direct dependencies.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Test data made elsewhere, kept byte for byte: small models and what they must answer.
pub(crate) const GOLDEN: &str = "zoomr-model/tests/golden";

/// The model inside of the binary, relative to the root.
pub(crate) const DEFAULT_MODEL: &str = "zoomr-cli/default-model";

/// The workspace's own packages; dependencies from elsewhere appear only as names.
pub(crate) struct Workspace {
    pub(crate) packages: Vec<Package>,
}

pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) manifest: PathBuf,
    /// Whether a plain `cargo build` includes it.
    pub(crate) is_default: bool,
    /// Each feature and what it turns on.
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
}

pub(crate) struct Dependency {
    pub(crate) name: String,
    /// The version requirement, as written in the manifest.
    pub(crate) requirement: String,
    /// Needed only by tests, examples and benchmarks.
    pub(crate) is_dev: bool,
    pub(crate) features: Vec<String>,
}

pub(crate) struct Target {
    pub(crate) name: String,
    /// `lib`, `bin`, `test`, `example`, `bench` or `custom-build`.
    pub(crate) kind: String,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn load() -> Result<Self> {
        let output = cargo()
            .args(["metadata", "--locked", "--no-deps", "--format-version", "1"])
            .output()
            .context("cannot run `cargo metadata`")?;
        let stderr = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`cargo metadata` failed:\n{stderr}");
        let metadata = serde_json::from_slice(&output.stdout).context("`cargo metadata` printed no JSON")?;
        Ok(Self::from_metadata(&metadata))
    }

    /// Reads the output of `cargo metadata --no-deps`; what is missing there reads as empty.
    pub(crate) fn from_metadata(metadata: &Value) -> Self {
        let defaults = strings(&metadata["workspace_default_members"]);
        let packages = list(&metadata["packages"]).iter().map(|p| Package::read(p, &defaults)).collect();
        Self { packages }
    }

    /// The packages of a plain `cargo build`, in the manifest's order.
    pub(crate) fn default_packages(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|p| p.is_default)
    }

    pub(crate) fn package(&self, name: &str) -> Option<&Package> {
        self.packages.iter().find(|p| p.name == name)
    }
}

impl Package {
    fn read(package: &Value, defaults: &[String]) -> Self {
        let features = package["features"].as_object().into_iter().flatten();
        Self {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]).into(),
            is_default: defaults.contains(&text(&package["id"])),
            features: features.map(|(name, on)| (name.clone(), strings(on))).collect(),
            dependencies: list(&package["dependencies"]).iter().map(Dependency::read).collect(),
            targets: list(&package["targets"]).iter().map(Target::read).collect(),
        }
    }

    /// The names of the targets of one kind, in alphabetical order.
    pub(crate) fn targets(&self, kind: &str) -> Vec<&str> {
        let mut names: Vec<_> =
            self.targets.iter().filter(|t| t.kind == kind).map(|t| t.name.as_str()).collect();
        names.sort_unstable();
        names
    }
}

impl Dependency {
    fn read(dependency: &Value) -> Self {
        Self {
            name: text(&dependency["name"]),
            requirement: text(&dependency["req"]),
            is_dev: dependency["kind"] == "dev",
            features: strings(&dependency["features"]),
        }
    }
}

impl Target {
    fn read(target: &Value) -> Self {
        Self { name: text(&target["name"]), kind: text(&target["kind"][0]) }
    }
}

/// The cargo that started us, at the workspace root, without colours: its output is parsed.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).env("CARGO_TERM_COLOR", "never");
    // `cargo run` told us about xtask's own package. Build scripts that watch these names (ring's does) would run again
    // whenever `cargo build` and `cargo xtask` take turns, and with them all that depends on them would be rebuilt.
    for (name, _) in std::env::vars_os() {
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|own| name.to_string_lossy().starts_with(own)) {
            command.env_remove(name);
        }
    }
    command
}

/// The workspace root: the folder that holds `xtask/`.
pub(crate) fn root() -> &'static Path {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own)
}

/// Where the real models are: `$ZOOMR_MODELS`, or else `target/models` where that is there.
pub(crate) fn models() -> Option<PathBuf> {
    let target = || Some(root().join("target/models")).filter(|models| models.is_dir());
    std::env::var_os("ZOOMR_MODELS").map(PathBuf::from).or_else(target)
}

/// The model that is measured and compared where none is named.
pub(crate) const MODEL: &str = "smollm2-135m-instruct";

/// That model, where it is.
pub(crate) fn found_model() -> Option<PathBuf> {
    models().map(|models| models.join(MODEL)).filter(|dir| dir.is_dir())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn strings(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
