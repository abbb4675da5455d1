//! What is verified, and what each check is held to.
//!
//! Floating-point sums depend on their order, so that two right ways of computing the same attention differ a
//! little. How much is not guessed but measured, in the same run and on the same text: full attention over
//! chunks against token by token (other kernels), and over pages of another size (other partial sums). The
//! larger of the two is the *noise* that zooming into everything may not pass by more than a few times.

use anyhow::Result;
use serde::Serialize;
use zoomr_core::{
    config::{Options, PolicyKind, Scope, Settings, SummaryVisibility},
    kv::KvDtype,
    select::Zoom,
};

use super::{
    rounding::Rounding,
    trial::{Text, Trial},
};
use crate::{load::Loaded, output::bytes, provider::Provider};

/// How much more than the noise is still noise: the noise is the worst of two reorderings over all logits, and
/// what is held to it compounds both and cuts its sums at thoughts and summaries as well.
const TIMES_NOISE: f32 = 4.0;
/// Tokens of a chunk: more than a page, and no multiple of one.
const CHUNK: usize = 50;
/// A page size that shares no boundary with the default one.
const OTHER_PAGE_SIZE: usize = 7;
/// Thoughts zoomed into where details are to leave and return.
const FEW: usize = 2;

/// One check.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) passed: bool,
    /// The numbers.
    pub(super) found: String,
}

/// What the checks say; differences are of logits.
#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    pub(super) passed: bool,
    pub(super) tokens: usize,
    pub(super) thoughts: usize,
    /// Zooming into everything against full attention.
    pub(super) max_logit_difference: f32,
    /// What it is held to.
    pub(super) bound: f32,
    /// Full attention against itself, in another order.
    pub(super) noise: f32,
    pub(super) largest_logit: f32,
    /// What another dtype of keys and values costs, where that is asked.
    pub(super) rounding: Option<Rounding>,
    pub(super) checks: Vec<Check>,
}

/// How many trials there are in f32.
const TRIALS: usize = 7;

/// Runs all trials on `text`; `window` tokens stay in the window; `kv` is compared with f32. `say` is told what
/// is under way.
///
/// # Errors
/// Whatever model and session say.
pub(super) fn verify<P: Provider>(
    loaded: &Loaded<P>,
    text: &Text,
    window: usize,
    kv: Option<KvDtype>,
    say: &dyn Fn(&str),
) -> Result<Verdict> {
    let full = Options { policy: PolicyKind::Full, ..Options::default() };
    let zoomr = |zoom, scope| Options {
        zoom: Zoom::Thoughts(zoom),
        scope,
        window,
        summaries: SummaryVisibility::All,
        ..Options::default()
    };
    let (mut number, trials) = (0, TRIALS + usize::from(kv.is_some()));
    let mut run = |what: &str, options: Options, chunk| -> Result<Trial> {
        number += 1;
        let tokens = text.ids.len();
        let watch = |done: usize| say(&format!("{number} of {trials}: {what}, {done} of {tokens} tokens"));
        watch(0);
        Trial::run::<P>(loaded, text, Settings::try_from(options)?, chunk, &watch)
    };
    let reference = run("full attention, token by token", full.clone(), 1)?;
    let chunks = run("full attention, in chunks", full.clone(), CHUNK)?;
    let pages =
        run("full attention, other pages", Options { page_size: OTHER_PAGE_SIZE, ..full.clone() }, 1)?;
    let noise = Noise { chunks: reference.difference(&chunks), pages: reference.difference(&pages) };
    let bound = noise.bound(reference.largest());
    let mut trials = vec![chunks, pages];

    let tokens = run("zooming into everything, token by token", zoomr(usize::MAX, Scope::Global), 1)?;
    let blocks = run("zooming into everything, in chunks", zoomr(usize::MAX, Scope::Layer), CHUNK)?;
    let few = run("zooming into few thoughts", zoomr(FEW, Scope::Global), 1)?;
    let holding = Options { resident_thoughts: Some(usize::MAX), ..zoomr(FEW, Scope::Global) };
    let held = run("zooming into few thoughts, keeping them", holding, 1)?;

    let vocab = loaded.model.config().vocab_size();
    let rounding = kv.map(|kv| -> Result<Rounding> {
        let rounded = run(&format!("full attention in {kv}"), Options { kv, ..full }, 1)?;
        Ok(Rounding::between(kv, &reference, &rounded, vocab))
    });
    let rounding = rounding.transpose()?;

    let by_token = reference.difference(&tokens);
    let by_chunk = reference.difference(&blocks);
    let mut checks = vec![
        within("zooming into everything, token by token, is full attention", by_token, bound),
        within("zooming into everything, in chunks, is full attention", by_chunk, bound),
        apart(reference.difference(&few), bound),
        votes(&tokens),
        travels(&few),
        returns(&few, &held),
    ];
    let thoughts = tokens.thoughts;
    trials.extend([reference, tokens, blocks, few, held]);
    checks.push(balances(&trials));
    Ok(Verdict {
        passed: checks.iter().all(|check| check.passed),
        tokens: text.ids.len(),
        thoughts,
        max_logit_difference: by_token.max(by_chunk),
        bound,
        noise: noise.worst(),
        largest_logit: trials.iter().map(Trial::largest).fold(0.0, f32::max),
        rounding,
        checks,
    })
}

/// Full attention against itself, in another order.
#[derive(Clone, Copy, Debug)]
struct Noise {
    /// In chunks.
    chunks: f32,
    /// Over pages of another size.
    pages: f32,
}

impl Noise {
    fn worst(self) -> f32 {
        self.chunks.max(self.pages)
    }

    /// What zooming into everything is held to. A backend without any noise still rounds its largest logit.
    fn bound(self, largest_logit: f32) -> f32 {
        TIMES_NOISE * self.worst().max(f32::EPSILON * largest_logit)
    }
}

fn within(name: &'static str, difference: f32, bound: f32) -> Check {
    // The noise itself may be no number: then nothing passes.
    let passed = difference <= bound && bound.is_finite();
    Check { name, passed, found: format!("differs by {difference:.2e}, allowed {bound:.2e}") }
}

/// The control: a bound that the wrong attention passes too would verify nothing.
fn apart(difference: f32, bound: f32) -> Check {
    let found = format!("differs by {difference:.2e}, over {bound:.2e}");
    Check { name: "zooming into 2 thoughts is not", passed: difference > bound, found }
}

fn votes(trial: &Trial) -> Check {
    let Trial { votes, zoomed, thoughts, .. } = trial;
    let found = format!("{votes} votes for {thoughts} thoughts, zoomed into {zoomed} times");
    Check { name: "heads voted", passed: *votes > 0 && *zoomed > 0, found }
}

fn travels(trial: &Trial) -> Check {
    let (stored, fetched) = (trial.moved.stored, trial.moved.fetched);
    let found = format!("{} went, {} came back", bytes(stored), bytes(fetched));
    Check { name: "detail went to the cold tier and came back", passed: stored > 0 && fetched > 0, found }
}

/// Fetching a thought again and again gives what holding it gives.
fn returns(few: &Trial, held: &Trial) -> Check {
    let difference = few.difference(held);
    let fetched = bytes(held.moved.fetched);
    let found = format!("differs by {difference:.2e} from a run that fetched {fetched}");
    Check { name: "what came back is what left, bit for bit", passed: difference == 0.0, found }
}

fn balances(trials: &[Trial]) -> Check {
    let steps: u64 = trials.iter().map(|trial| trial.steps).sum();
    let unbalanced = trials.iter().flat_map(|trial| &trial.unbalanced);
    let found = match unbalanced.clone().next() {
        None => format!("after each of {steps} steps"),
        Some((step, counted, allocated)) => format!(
            "not after {} of {steps} steps: after step {step}, {counted} counted and {allocated} allocated",
            unbalanced.clone().count()
        ),
    };
    Check { name: "bytes of all tiers are the bytes allocated", passed: unbalanced.count() == 0, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trial(logits: &[f32]) -> Trial {
        Trial { logits: logits.to_vec(), ..Trial::default() }
    }

    #[test]
    fn the_bound_follows_the_noise() {
        let noise = Noise { chunks: 1e-5, pages: 3e-5 };
        assert_eq!(noise.bound(20.0), 4.0 * 3e-5);
        let none = Noise { chunks: 0.0, pages: 0.0 };
        assert_eq!(none.bound(20.0), 4.0 * 20.0 * f32::EPSILON);
        assert!(within("", 1e-4, noise.bound(20.0)).passed && !within("", 2e-4, noise.bound(20.0)).passed);
        assert!(!within("", f32::INFINITY, f32::INFINITY).passed);
    }

    #[test]
    fn each_check_can_fail() {
        assert!(!apart(1e-6, 1e-5).passed);
        assert!(!votes(&Trial::default()).passed);
        assert!(!travels(&Trial::default()).passed);
        assert!(!returns(&trial(&[1.0]), &trial(&[1.0 + f32::EPSILON])).passed);
        let off = Trial { steps: 9, unbalanced: vec![(3, 100, 96)], ..Trial::default() };
        let check = balances(&[Trial::default(), off]);
        assert!(
            !check.passed && check.found.contains("after step 3, 100 counted and 96 allocated"),
            "{check:?}"
        );
    }
}
