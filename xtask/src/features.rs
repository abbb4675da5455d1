//! The supported sets of Cargo features, listed here and nowhere else. Each compiles by itself, without
//! warnings, with nothing else of the workspace selected that could turn more features on.
//!
//! Sets that run only on a GPU are among them: they need no CUDA toolkit to compile.

use std::process::ExitCode;

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
    FeatureSet { package: "zoomr-cli", features: &["cpu"] },
    FeatureSet { package: "zoomr-cli", features: &["cuda"] },
    FeatureSet { package: "zoomr-cli", features: &["cpu", "cuda"] },
];

/// Compiles every set and prints the account.
pub(crate) fn run() -> ExitCode {
    let mut runner = Runner::default();
    steps(&mut runner);
    runner.finish()
}

/// One step for each set.
pub(crate) fn steps(runner: &mut Runner) {
    for set in SETS {
        let features = set.features.join(",");
        let name = if features.is_empty() { "none".to_owned() } else { features.clone() };
        let mut command = cargo();
        command.args(["clippy", "--locked", "--package", set.package, "--no-default-features"]);
        command.args(["--features", &features, "--", "-D", "warnings"]);
        runner.command(&format!("features of {}: {name}", set.package), Worth::Check, &mut command);
    }
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
    fn a_feature_that_no_set_turns_on_is_found() {
        let package = json!({"name": "zoomr-core", "features": {"default": [], "testing": [], "turbo": []}});
        let workspace = Workspace::from_metadata(&json!({ "packages": [package] }));
        let found = unlisted(&workspace);
        assert_eq!(found, ["zoomr-core: feature `turbo` is in no set of xtask/src/features.rs"]);
    }
}
