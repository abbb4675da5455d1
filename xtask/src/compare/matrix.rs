//! The runs that both binaries do: every policy, scope and trigger, on the built-in model and on a real one.
//!
//! A run is written as `name=value` pairs over those of its model's base; a later pair wins. Windows, thoughts and
//! budgets are small, so that a few hundred tokens retire many thoughts. Most runs score a text that is given:
//! there, a bit that differs does not lead to another text, and every row's logits are seen.

use std::path::Path;

/// What runs write, besides what they print.
pub(super) const TRACE: &str = "trace.jsonl";
pub(super) const LOGITS: &str = "logits.safetensors";
pub(super) const RECORDING: &str = "recording.safetensors";

/// What runs read, by name.
pub(super) const INPUTS: [(&str, &str); 3] = [
    ("reasoning.ids", include_str!("texts/reasoning.ids")),
    ("prose.txt", include_str!("texts/prose.txt")),
    ("marked.txt", include_str!("texts/marked.txt")),
];
/// The built-in model with slabs of several pages.
pub(super) const OTHER_SLABS: &str = "other-slabs";

const POLICIES: [&str; 8] = ["full", "window", "h2o", "rkv", "quest", "summaries", "zoomr", "oracle"];
const SCOPES: [&str; 3] = ["global", "layer", "two-pass"];

/// The built-in model solves a problem in its own words, which `reasoning.ids` has as tokens: 45 of prompt, 270 of
/// thoughts with summaries between them.
const BUILTIN: &str = "window=24 thought-tokens=6..10 votes=2 zoom=2 page-size=4 budget=48 buffer=16 chunk=1";
/// Cuts its thoughts into more than it marks.
const CUT: &str = "segmenter=budget";
/// Its triggers; where the model marks its thoughts itself, nothing else cuts them.
const BUILTIN_TRIGGERS: [&str; 4] = [
    "trigger=pooled segmenter=budget",
    "trigger=forced segmenter=budget summary-tokens=4",
    "trigger=model",
    "trigger=pressure segmenter=budget summary-tokens=4 pressure-limit=350k",
];
/// The built-in model's words for what opens a summary, and closes it.
const FRAME: [&str; 4] = ["--summary-open", " <summary> ", "--summary-close", " </summary>"];

/// Other settings, each tried alone, under a vote for the next step and under one for this step.
const VARIANTS: [&str; 20] = [
    "keep-prompt=0",
    "keep-prompt=9",
    "zoom=0",
    "zoom-tokens=20",
    "zoom-mass=0.6",
    "votes=5 zoom=4",
    "resident-thoughts=0",
    "resident-thoughts=6",
    "resident-thoughts=6 chunk=7",
    "page-size=1",
    "page-size=3 chunk=19",
    "page-size=16",
    "window=1",
    "window=400",
    "segmenter=paragraphs chunk=64",
    "segmenter=paragraphs thought-tokens=16..96",
    "cap=460k",
    "cap=500k",
    "cap=500k resident-thoughts=20",
    "cap=1k",
];

/// A real model continues prose of 235 tokens, digits and all; in `marked.txt` thoughts and summaries are marked.
const REAL: &str = "window=16 thought-tokens=4..10 votes=2 budget=64 buffer=16 chunk=1";
const MARKERS: &str = "segmenter=markers markers=[T],[/T],[S],[/S] trigger=model";

/// One run: commands one after another in one directory.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    /// Says what it is: the model, the command, what it sets.
    pub(super) name: String,
    /// The arguments of each.
    pub(super) commands: Vec<Vec<String>>,
}

/// All runs; those of the real model only where there is one.
pub(super) fn runs(model: Option<&Path>) -> Vec<Run> {
    let mut runs = builtin();
    if let Some(dir) = model {
        runs.extend(real(dir));
    }
    runs
}

fn builtin() -> Vec<Run> {
    let score = |settings: &str| scored("builtin", &[], "tokens=@reasoning.ids prompt-tokens=45", settings);
    let mut runs = Vec::new();
    for policy in POLICIES {
        runs.extend(
            ["chunk=1", "chunk=7", "chunk=256"].map(|chunk| score(&format!("policy={policy} {chunk}"))),
        );
        runs.push(score(&format!("policy={policy} {CUT} chunk=5 page-size=8")));
    }
    for trigger in BUILTIN_TRIGGERS {
        for summaries in ["summaries=all", "summaries=voted"] {
            let voting = SCOPES.map(|scope| format!("policy=zoomr scope={scope} {trigger} {summaries}"));
            runs.extend(voting.iter().map(|settings| score(settings)));
            runs.push(score(&format!("policy=oracle {trigger} {summaries}")));
        }
        runs.push(score(&format!("policy=summaries {trigger}")));
        runs.push(generated(&format!("policy=zoomr scope=global {trigger} temperature=0")));
    }
    for variant in VARIANTS {
        runs.extend(
            ["global", "layer"].map(|scope| score(&format!("policy=zoomr scope={scope} {CUT} {variant}"))),
        );
    }
    runs.push(score(&format!("policy=zoomr scope=two-pass {CUT} keep-prompt=9")));
    for policy in POLICIES {
        let slabs = ["--model".to_owned(), OTHER_SLABS.to_owned()];
        let base = "tokens=@reasoning.ids prompt-tokens=45";
        runs.push(scored("other-slabs", &slabs, base, &format!("policy={policy} {CUT}")));
        runs.push(generated(&format!("policy={policy} temperature=0")));
        runs.push(planned(&format!("policy={policy}")));
    }
    runs.push(generated("policy=zoomr scope=layer temperature=0.9 top-p=1 seed=3"));
    runs.push(planned("policy=zoomr trigger=forced page-size=16 resident-thoughts=6"));
    runs.push(replayed());
    runs.push(evaluated());
    runs.push(Run::new("builtin verify".to_owned(), words("verify --json --tokens @reasoning.ids")));
    runs
}

/// Fewer: they take a hundred times as long.
fn real(dir: &Path) -> Vec<Run> {
    let model = ["--model".to_owned(), dir.display().to_string()];
    let base = format!("{REAL} prompt-tokens=20");
    let on = |text: &str, settings: &str| scored("real", &model, &format!("file={text} {base}"), settings);
    let prose = |settings: &str| on("prose.txt", settings);
    let mut runs: Vec<Run> = POLICIES.map(|policy| prose(&format!("policy={policy}"))).into();
    runs.extend(["layer", "two-pass"].map(|scope| prose(&format!("policy=zoomr scope={scope}"))));
    runs.extend(POLICIES.map(|policy| prose(&format!("policy={policy} scope=layer chunk=64"))));
    let summaries = "policy=zoomr thought-tokens=16..24 summary-tokens=4";
    runs.push(prose(&format!("{summaries} trigger=forced")));
    runs.push(prose(&format!("{summaries} trigger=pressure pressure-limit=6M scope=layer summaries=voted")));
    runs.push(on("marked.txt", &format!("policy=zoomr {MARKERS}")));
    runs.push(on("marked.txt", &format!("policy=zoomr {MARKERS} scope=layer chunk=64 summaries=voted")));
    runs.push(prose("policy=zoomr page-size=16 resident-thoughts=6 keep-prompt=8"));
    let mut args = words("generate --file prose.txt --json --max-tokens 60 --ignore-eos --temperature 0");
    args.extend(model);
    args.extend(flags(&[REAL, "policy=zoomr"]));
    args.extend(["--trace", TRACE].map(str::to_owned));
    runs.push(Run::new("real generate zoomr".to_owned(), args));
    runs
}

fn scored(name: &str, model: &[String], base: &str, settings: &str) -> Run {
    let mut args = words("score --json");
    args.extend_from_slice(model);
    args.extend(["--trace", TRACE, "--logits", LOGITS].map(str::to_owned));
    // A real model's base comes with its text.
    let common = if name == "real" { "" } else { BUILTIN };
    args.extend(flags(&[common, base, settings]));
    args.extend(frame(name, settings));
    Run::new(format!("{name} score {}", shown(settings)), args)
}

fn generated(settings: &str) -> Run {
    let mut args =
        words("generate --json --pose lagged-sums --pose-tokens 340 --max-tokens 260 --ignore-eos");
    args.extend(["--trace", TRACE].map(str::to_owned));
    args.extend(flags(&[BUILTIN, settings]));
    args.extend(frame("builtin", settings));
    Run::new(format!("builtin generate {}", shown(settings)), args)
}

fn planned(settings: &str) -> Run {
    let mut args = words("plan --json --tokens 3k");
    args.extend(flags(&[settings]));
    args.extend(frame("builtin", settings));
    Run::new(format!("builtin plan {}", shown(settings)), args)
}

/// Records a run, and gives its queries and keys to every policy.
fn replayed() -> Run {
    let mut record = words("generate --json --pose ledger --pose-tokens 300 --temperature 0 --record");
    record.push(RECORDING.to_owned());
    let mut replay = words("eval --json --replay");
    replay.push(RECORDING.to_owned());
    replay.extend(settings(&SCOPES));
    Run { name: "builtin replay".to_owned(), commands: vec![record, replay] }
}

/// Solves problems, and measures missed attention on some of them.
fn evaluated() -> Run {
    let mut args =
        words("eval --json --synth lagged-sums,ledger -n 4 --tokens 200..300 --mass 2 --workers 1");
    // Under two passes, layers with a window of their own cannot be measured.
    args.extend(settings(&["global", "layer"]));
    Run::new("builtin eval".to_owned(), args)
}

/// Every policy, and zoomr under these scopes, as `eval` takes them.
fn settings(scopes: &[&str]) -> Vec<String> {
    let small = "window=24,budget=64,buffer=16";
    let policies = POLICIES.iter().map(|policy| format!("{policy}:{small}"));
    let scopes = scopes.iter().map(|scope| format!("zoomr:window=24,zoom=1,scope={scope}"));
    policies.chain(scopes).flat_map(|setting| ["--setting".to_owned(), setting]).collect()
}

/// The frame in the built-in model's words, where the engine opens summaries; others have words of their own.
fn frame(name: &str, settings: &str) -> Vec<String> {
    let asks = ["trigger=forced", "trigger=pressure"].iter().any(|trigger| settings.contains(trigger));
    if asks && name != "real" { FRAME.map(str::to_owned).into() } else { Vec::new() }
}

/// Flags of `name=value` pairs; a later pair wins, and of `zoom`, `zoom-tokens` and `zoom-mass` there can be one.
fn flags(settings: &[&str]) -> Vec<String> {
    let mut flags: Vec<(&str, &str)> = Vec::new();
    for (name, value) in
        settings.iter().flat_map(|pairs| pairs.split_whitespace()).filter_map(|p| p.split_once('='))
    {
        let zooms = |name: &str| name.starts_with("zoom");
        flags.retain(|(earlier, _)| *earlier != name && !(zooms(earlier) && zooms(name)));
        flags.push((name, value));
    }
    flags.into_iter().flat_map(|(name, value)| [format!("--{name}"), value.to_owned()]).collect()
}

/// Settings in a run's name: without the names of those whose values say what they are, and without those that
/// only make a trigger work.
fn shown(settings: &str) -> String {
    let pairs = settings.split_whitespace().filter_map(|pair| match pair.split_once('=')? {
        ("policy" | "scope" | "trigger", value) => Some(value),
        ("summary-tokens" | "pressure-limit" | "thought-tokens" | "markers", _) | ("temperature", "0") => {
            None
        }
        ("segmenter", "budget" | "markers") => None,
        _ => Some(pair),
    });
    pairs.collect::<Vec<_>>().join(" ")
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

impl Run {
    fn new(name: String, args: Vec<String>) -> Self {
        Self { name, commands: vec![args] }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_run_has_a_name_and_arguments_of_its_own() {
        let runs = runs(Some(Path::new("model")));
        let names: BTreeSet<_> = runs.iter().map(|run| &run.name).collect();
        let commands: BTreeSet<_> = runs.iter().map(|run| &run.commands).collect();
        assert_eq!((names.len(), commands.len()), (runs.len(), runs.len()));
    }

    #[test]
    fn later_pairs_win_and_no_flag_comes_twice() {
        assert_eq!(flags(&["a=1 zoom=2", "a=3 zoom-mass=0.5"]), ["--a", "3", "--zoom-mass", "0.5"]);
        for run in runs(Some(Path::new("model"))) {
            for args in &run.commands {
                let flags = args.iter().filter(|arg| arg.starts_with("--") && *arg != "--setting");
                let (all, distinct) = (flags.clone().count(), flags.collect::<BTreeSet<_>>().len());
                assert_eq!(all, distinct, "{}: {args:?}", run.name);
            }
        }
    }

    #[test]
    fn every_policy_scope_and_trigger_is_there() {
        let has = |what: &str| {
            let name = |run: &Run| run.name.split(' ').any(|word| word == what);
            assert!(runs(None).iter().any(name), "builtin {what}");
            assert!(
                real(Path::new("model")).iter().any(name) || what == "pooled" || what == "global",
                "real {what}"
            );
        };
        POLICIES.into_iter().chain(SCOPES).chain(["pooled", "forced", "model", "pressure"]).for_each(has);
    }
}
