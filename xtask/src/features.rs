//! The supported sets of Cargo features, listed here and nowhere else. Each compiles by itself, without
//! warnings, with nothing else of the workspace selected that could turn more features on.
//!
//! Sets that run only on a GPU are among them: they need no CUDA toolkit to compile.

use std::{collections::BTreeSet, process::ExitCode};

use anyhow::{Context, Result, ensure};

use crate::{
    runner::{Runner, Worth},
    workspace::{Workspace, cargo},
};

/// One way to build one package.
struct FeatureSet {
    package: &'static str,
    /// All features that are on; the package's defaults are off, unless named here.
    features: &'static [&'static str],
}

/// Cheapest first. The default build of everything is what clippy and the tests use; it is not repeated.
const SETS: &[FeatureSet] = &[
    // The method must build with no backend at all, and its test kit without a test build around it.
    FeatureSet { package: "zoomr-core", features: &[] },
    FeatureSet { package: "zoomr-core", features: &["testing"] },
    // A program that only decodes.
    FeatureSet { package: "zoomr-model", features: &[] },
    FeatureSet { package: "zoomr-model", features: &["hub"] },
    FeatureSet { package: "zoomr-model", features: &["train"] },
    FeatureSet { package: "zoomr-cli", features: &["cpu"] },
    FeatureSet { package: "zoomr-cli", features: &["cpu", "hub"] },
    FeatureSet { package: "zoomr-cli", features: &["cpu", "train"] },
    FeatureSet { package: "zoomr-cli", features: &["cuda", "hub", "train"] },
    FeatureSet { package: "zoomr-cli", features: &["cpu", "cuda", "hub", "train"] },
];

/// What a program that only decodes, and fetches nothing, does not build.
const NOT_FOR_DECODING: [&str; 4] = ["burn-autodiff", "plotters", "ring", "ureq"];

/// Compiles every set and prints the account.
pub(crate) fn run() -> ExitCode {
    let mut runner = Runner::default();
    steps(&mut runner);
    runner.finish()
}

/// One step for each set.
pub(crate) fn steps(runner: &mut Runner) {
    runner.own_check("zoomr-model without features is for decoding alone", decoding);
    for set in SETS {
        let features = set.features.join(",");
        let name = if features.is_empty() { "none".to_owned() } else { features.clone() };
        let mut command = cargo();
        command.args(["clippy", "--locked", "--package", set.package, "--no-default-features"]);
        command.args(["--features", &features, "--", "-D", "warnings"]);
        runner.command(&format!("features of {}: {name}", set.package), Worth::Check, &mut command);
    }
}

/// What zoomr-model without features builds and should not.
fn decoding() -> Result<Vec<String>> {
    let mut command = cargo();
    command.args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    let output = command.args(["--package", "zoomr-model", "--no-default-features"]).output();
    let output = output.context("cannot run `cargo tree`")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`cargo tree` failed:\n{stderr}");
    Ok(needless(&String::from_utf8_lossy(&output.stdout)))
}

/// The findings in a list of packages, one a line.
fn needless(tree: &str) -> Vec<String> {
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    let found: BTreeSet<&str> = names.filter(|name| NOT_FOR_DECODING.contains(name)).collect();
    found
        .into_iter()
        .map(|name| format!("zoomr-model without features builds {name}; put it behind a feature"))
        .collect()
}

/// Features of the workspace's packages that no set turns on: a feature that nobody compiles breaks.
pub(crate) fn unlisted(workspace: &Workspace) -> Vec<String> {
    let listed = |package: &str, feature: &str| {
        SETS.iter().any(|set| set.package == package && set.features.contains(&feature))
    };
    let declared = workspace.packages.iter().flat_map(|p| p.features.keys().map(|f| (p.name.as_str(), f)));
    declared
        .filter(|(package, feature)| *feature != "default" && !listed(package, feature))
        .map(|(package, feature)| {
            format!("{package}: feature `{feature}` is in no set of xtask/src/features.rs")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_decoding_does_not_need_is_found_once() {
        let tree =
            "zoomr-model v0.1.0 (/zoomr)\nureq v3.1.0\nhalf v2.7.0\nureq-proto v0.5.0\nureq v3.1.0 (*)\n";
        assert_eq!(needless(tree).len(), 1);
        assert!(needless(tree)[0].contains("builds ureq;"));
        assert!(needless("zoomr-model v0.1.0\nhalf v2.7.0\n").is_empty());
    }

    #[test]
    fn a_feature_that_no_set_turns_on_is_found() {
        let package = json!({"name": "zoomr-core", "features": {"default": [], "testing": [], "turbo": []}});
        let workspace = Workspace::from_metadata(&json!({ "packages": [package] }));
        let found = unlisted(&workspace);
        assert_eq!(found, ["zoomr-core: feature `turbo` is in no set of xtask/src/features.rs"]);
    }
}
