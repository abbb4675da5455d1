//! Lints on the crate graph: who may depend on whom, and on what. The reasons are in ARCHITECTURE.md.

use crate::workspace::{Dependency, Package, Workspace};

/// Crates that put Burn on a device; the core and the model are generic over them.
const BACKENDS: [&str; 9] = [
    "burn-candle",
    "burn-cpu",
    "burn-cuda",
    "burn-flex",
    "burn-ndarray",
    "burn-remote",
    "burn-rocm",
    "burn-tch",
    "burn-wgpu",
];

/// The features of `burn` that pull in one of them.
const BACKEND_FEATURES: [&str; 12] = [
    "candle", "cpu", "cuda", "flex", "metal", "ndarray", "remote", "rocm", "tch", "vulkan", "webgpu", "wgpu",
];

/// Crates that nothing depends on.
const TOPS: [&str; 2] = ["zoomr-cli", "xtask"];

pub(super) fn lint(workspace: &Workspace) -> Vec<String> {
    workspace.packages.iter().flat_map(lint_package).collect()
}

fn lint_package(package: &Package) -> Vec<String> {
    let mut findings: Vec<String> =
        package.dependencies.iter().flat_map(|d| lint_dependency(package, d)).collect();
    if !inherits_lints(package) {
        findings.push(format!("{}: add `[lints] workspace = true` to its Cargo.toml", package.name));
    }
    findings
}

fn lint_dependency(package: &Package, dependency: &Dependency) -> Vec<String> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    let is_top = TOPS.contains(&from);
    let is_backend = from.starts_with("zoomr-backend-");
    let mut reasons = Vec::new();
    if TOPS.contains(&to) {
        reasons.push(format!("nothing depends on {to}"));
    }
    if to == "anyhow" && !is_top {
        reasons.push("a library's errors are typed; use thiserror".to_owned());
    }
    if to.starts_with("zoomr-") && to != from && !may_use(from, to) {
        reasons.push("the arrows are model -> core, backend-* -> core, cli -> all".to_owned());
    }
    if names_backend(dependency) && !is_top && !is_backend && !dependency.is_dev {
        reasons.push("only backend crates and the cli name a device".to_owned());
    }
    if is_burn(to) && !dependency.requirement.starts_with('=') {
        reasons.push(format!("pin it exactly: `={}`", dependency.requirement.trim_start_matches('^')));
    }
    reasons.into_iter().map(|reason| format!("{from} depends on {to}: {reason}")).collect()
}

fn may_use(from: &str, to: &str) -> bool {
    from == "zoomr-cli" || (to == "zoomr-core" && from != "xtask")
}

fn names_backend(dependency: &Dependency) -> bool {
    BACKENDS.contains(&dependency.name.as_str())
        || (dependency.name == "burn"
            && dependency.features.iter().any(|f| BACKEND_FEATURES.contains(&f.as_str())))
}

/// Burn and CubeCL release many crates under one version; mixed versions do not fit together.
fn is_burn(name: &str) -> bool {
    name == "burn" || name.starts_with("burn-") || name == "cubecl" || name.starts_with("cubecl-")
}

/// Cargo's metadata says nothing of lints, so the manifest is read.
fn inherits_lints(package: &Package) -> bool {
    let manifest = std::fs::read_to_string(&package.manifest).unwrap_or_default();
    let after = manifest.lines().map(str::trim).skip_while(|line| *line != "[lints]").nth(1);
    after == Some("workspace = true")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn findings(from: &str, dependency: &Value) -> usize {
        let package = json!({"name": from, "dependencies": [dependency]});
        let workspace = Workspace::from_metadata(&json!({ "packages": [package] }));
        let package = &workspace.packages[0];
        lint_dependency(package, &package.dependencies[0]).len()
    }

    fn on(name: &str, requirement: &str) -> Value {
        json!({"name": name, "req": requirement, "kind": null, "features": []})
    }

    #[test]
    fn arrows_point_to_the_core() {
        assert_eq!(findings("zoomr-model", &on("zoomr-core", "*")), 0);
        assert_eq!(findings("zoomr-cli", &on("zoomr-backend-cpu", "*")), 0);
        assert_eq!(findings("zoomr-core", &on("zoomr-model", "*")), 1);
        assert_eq!(findings("zoomr-backend-cpu", &on("zoomr-model", "*")), 1);
        assert_eq!(findings("xtask", &on("zoomr-core", "*")), 1);
    }

    #[test]
    fn nothing_depends_on_the_tops() {
        assert!(findings("zoomr-model", &on("zoomr-cli", "*")) > 0);
        assert!(findings("zoomr-cli", &on("xtask", "*")) > 0);
    }

    #[test]
    fn only_the_tops_use_anyhow() {
        assert_eq!(findings("zoomr-core", &on("anyhow", "^1")), 1);
        assert_eq!(findings("zoomr-cli", &on("anyhow", "^1")), 0);
    }

    #[test]
    fn devices_are_named_by_backend_crates_and_tests() {
        let ndarray = on("burn-ndarray", "=0.21.0");
        assert_eq!(findings("zoomr-core", &ndarray), 1);
        assert_eq!(findings("zoomr-backend-cpu", &ndarray), 0);
        let test_only = json!({"name": "burn-ndarray", "req": "=0.21.0", "kind": "dev"});
        assert_eq!(findings("zoomr-core", &test_only), 0);
        let by_feature = json!({"name": "burn", "req": "=0.21.0", "features": ["std", "ndarray"]});
        assert_eq!(findings("zoomr-core", &by_feature), 1);
    }

    #[test]
    fn burn_and_cubecl_are_pinned() {
        assert_eq!(findings("zoomr-backend-cuda", &on("burn-cuda", "^0.21.0")), 1);
        assert_eq!(findings("zoomr-backend-cuda", &on("cubecl-cuda", "=0.10.0")), 0);
        assert_eq!(findings("zoomr-core", &on("burn", "=0.21.0")), 0);
    }
}
