//! A table's rows: what a setting came to on problems of one kind, and on all.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Outcome, majority, wilson};
use crate::{engine::Stop, setting::Setting};

/// What a setting came to. Bytes are of KV memory; means are over all texts.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// The kind of problems; `None` for all kinds together.
    pub kind: Option<String>,
    /// The setting's name.
    pub setting: String,
    /// The policy's name.
    pub policy: &'static str,
    /// How many problems.
    pub problems: usize,
    /// How many texts there are for each.
    pub samples: usize,
    /// How many texts gave the right answer.
    pub correct: usize,
    /// The share of them, 0 to 1: pass@1, the chance that one text is right.
    pub accuracy: f64,
    /// Its 95% interval, which knows that texts to one problem belong together: see [`clustered`](super::clustered).
    pub accuracy_95: (f64, f64),
    /// The share of problems, 0 to 1, where the answer that most texts give is right; `None` where there is one text
    /// for each. See [`majority`](super::majority).
    pub majority: Option<f64>,
    /// Its 95% interval: see [`interval`](super::interval).
    pub majority_95: Option<(f64, f64)>,
    /// How many texts were not ended by the model, but by the limit or its context.
    pub unfinished: usize,
    /// The mean length of what the model wrote, in tokens.
    pub output_tokens: f64,
    /// The most resident bytes of a run: the mean.
    pub resident_peak: f64,
    /// The same: the greatest.
    pub resident_peak_max: u64,
    /// Resident bytes summed over a run's steps: the mean, in byte-steps.
    pub resident_area: f64,
    /// What a full cache of a run's tokens takes: the mean.
    pub full_bytes: f64,
    /// How many times less is resident at most than a full cache on the device takes, means against means.
    pub reduction_of_device: f64,
    /// How many times less device and host hold together at the end than a full cache offloaded to the host; below 1
    /// is more.
    pub reduction_of_total: f64,
    /// Tokens per second of one run, its question not counted.
    pub tokens_per_second: f64,
    /// The share of zoomed thoughts, or passages taken to hand, that were resident already; `None` where there were none.
    pub hit_rate: Option<f64>,
    /// The mean share of attention that was missed, and of how many problems it is known.
    pub missed_mass: Option<f64>,
    /// Problems that this is the mean of.
    pub missed_mass_problems: usize,
}

/// The rows of a table: kind by kind, in the order in which they first come, and then, where there are several, all
/// kinds together; for each, every setting that has an outcome.
pub fn rows(settings: &[Setting], outcomes: &[Outcome]) -> Vec<Row> {
    let mut kinds: Vec<&str> = Vec::new();
    for outcome in outcomes {
        if !kinds.contains(&&*outcome.kind) {
            kinds.push(&outcome.kind);
        }
    }
    let together = (kinds.len() > 1).then_some(None);
    let groups = kinds.into_iter().map(Some).chain(together);
    groups.flat_map(|kind| settings.iter().filter_map(move |setting| row(kind, setting, outcomes))).collect()
}

fn row(kind: Option<&str>, setting: &Setting, outcomes: &[Outcome]) -> Option<Row> {
    let ours = |outcome: &&Outcome| {
        outcome.setting == setting.name() && kind.is_none_or(|kind| kind == outcome.kind)
    };
    let ours: Vec<&Outcome> = outcomes.iter().filter(ours).collect();
    if ours.is_empty() {
        return None;
    }
    let texts = ours.len();
    let sum = |of: fn(&Outcome) -> f64| ours.iter().map(|outcome| of(outcome)).sum::<f64>();
    let mean = |of| sum(of) / texts as f64;
    let count = |is: fn(&Outcome) -> bool| ours.iter().filter(|outcome| is(outcome)).count();
    let correct = count(|outcome| outcome.correct);
    let problems = by_problem(&ours);
    let samples = problems.iter().map(Vec::len).max().unwrap_or(0);
    let rights: Vec<(usize, usize)> = problems.iter().map(|texts| (right(texts), texts.len())).collect();
    let elected = problems.iter().filter(|texts| elects_right(texts)).count();
    let voted = samples > 1;
    let (resident_peak, full_bytes) = (mean(|o| o.run.resident_peak as f64), mean(|o| o.full_bytes as f64));
    let zoomed = sum(|o| (o.run.hits + o.run.misses) as f64);
    let missed: Vec<f64> = ours.iter().filter_map(|outcome| outcome.missed_mass).collect();
    Some(Row {
        kind: kind.map(str::to_owned),
        setting: setting.name().to_owned(),
        policy: setting.settings().policy.name(),
        problems: problems.len(),
        samples,
        correct,
        accuracy: correct as f64 / texts as f64,
        accuracy_95: wilson::clustered(&rights),
        majority: voted.then(|| elected as f64 / problems.len() as f64),
        majority_95: voted.then(|| wilson::interval(elected, problems.len())),
        unfinished: count(|outcome| !matches!(outcome.stop, Stop::EndOfText | Stop::StopString)),
        output_tokens: mean(|o| o.output_tokens as f64),
        resident_peak,
        resident_peak_max: ours.iter().map(|outcome| outcome.run.resident_peak).max().unwrap_or(0),
        resident_area: mean(|o| o.run.resident_area as f64),
        full_bytes,
        reduction_of_device: ratio(full_bytes, resident_peak).unwrap_or(0.0),
        reduction_of_total: ratio(full_bytes, mean(|o| o.bytes.total() as f64)).unwrap_or(0.0),
        tokens_per_second: ratio(sum(|o| o.output_tokens as f64), sum(|o| o.output_seconds)).unwrap_or(0.0),
        hit_rate: ratio(sum(|o| o.run.hits as f64), zoomed),
        missed_mass: ratio(missed.iter().sum(), missed.len() as f64),
        missed_mass_problems: missed.len(),
    })
}

/// The texts to each problem, in their order.
fn by_problem<'a>(outcomes: &[&'a Outcome]) -> Vec<Vec<&'a Outcome>> {
    let mut problems: BTreeMap<usize, Vec<&Outcome>> = BTreeMap::new();
    outcomes.iter().for_each(|outcome| problems.entry(outcome.problem).or_default().push(outcome));
    let mut problems: Vec<_> = problems.into_values().collect();
    problems.iter_mut().for_each(|texts| texts.sort_by_key(|outcome| outcome.sample));
    problems
}

/// How many texts are right.
fn right(texts: &[&Outcome]) -> usize {
    texts.iter().filter(|outcome| outcome.correct).count()
}

/// Whether the answer that most texts give is right.
fn elects_right(texts: &[&Outcome]) -> bool {
    let elected = majority(texts.iter().map(|outcome| outcome.answer.as_deref()));
    elected.is_some_and(|place| texts[place].correct)
}

/// `a / b`, where there is something to divide by.
pub(super) fn ratio(a: f64, b: f64) -> Option<f64> {
    (b > 0.0).then(|| a / b)
}
