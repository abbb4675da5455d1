//! METHOD.md's laws as properties, for any backend and provider.
//!
//! Each law is a function that panics with the smallest counterexample that proptest finds. Seeds are fixed:
//! a run finds what the last run found. Laws of sequences that share a session (3, 10, 11) are in
//! [`batches`](super::batches) and [`forks`](super::forks), kernel-level laws (7 and 9) in [`conformance`](super::conformance).

use std::fmt::Debug;

use burn::tensor::{Device, Element, Tensor, TensorData, backend::Backend};
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    scenario::{Scenario, scenarios},
    tolerance::{Arithmetic, error},
};
use crate::{
    Error,
    cache::{ColdPages, HostTier, KvBudget, Layout, Pages, Residency, Tiers},
    config::{AtHand, Options, PolicyKind, SummaryVisibility},
    kernels::{AttentionKernels, KvStore, PageBytes, PageShape, PageSpan, PageStore},
    kv::KvDtype,
    layer::LayerSpec,
    positions::PositionSet,
    segment::Role,
    select::Zoom,
};

/// Random cases per law.
const CASES: u32 = 48;

/// Checks a property of random scenarios of at most `tokens` tokens, always the same ones.
pub(super) fn for_all(tokens: usize, property: impl Fn(Scenario) -> Result<(), TestCaseError>) {
    for_all_with(CASES, tokens, Just(()), |scenario, ()| property(scenario));
}

/// As [`for_all`], of so many cases, with something more that is random.
pub(super) fn for_all_with<T: Debug>(
    cases: u32,
    tokens: usize,
    more: impl Strategy<Value = T>,
    property: impl Fn(Scenario, T) -> Result<(), TestCaseError>,
) {
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let random = (scenarios(1..tokens), more);
    if let Err(failure) = runner.run(&random, |(scenario, more)| property(scenario, more)) {
        panic!("{failure}");
    }
}

/// Lets `?` carry the core's errors out of a property.
#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands errors over by value")]
pub fn fail(error: Error) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// What two right answers to one scenario may differ by.
pub(super) fn slack<B: Backend>(scenario: &Scenario) -> f64 {
    let layer = |spec: &LayerSpec| Arithmetic {
        epsilon: epsilon::<B>(),
        head_dim: spec.head_dim,
        tokens: 2 * scenario.tokens.len(),
        qk: 2.0,
        value: 2.0,
        scale: f64::from(spec.scale),
    };
    2.0 * scenario.host.layers.iter().map(|spec| layer(spec).output_error()).fold(0.0, f64::max)
}

/// The machine epsilon of a backend's float type.
pub(super) fn epsilon<B: Backend>() -> f64 {
    match B::FloatElem::dtype().size() {
        8 => f64::EPSILON,
        4 => f64::from(f32::EPSILON),
        _ => 2f64.powi(-7),
    }
}

/// That rows of outputs are as many, all numbers, and differ by no more than `slack`.
///
/// # Errors
/// Where they do not, which row.
pub fn check_equal(found: &[Vec<f64>], expected: &[Vec<f64>], slack: f64) -> Result<(), TestCaseError> {
    prop_assert_eq!(found.len(), expected.len(), "number of rows");
    for (row, (found, expected)) in found.iter().zip(expected).enumerate() {
        prop_assert!(found.iter().all(|output| output.is_finite()), "row {}: {:?}", row, found);
        let error = error(found, expected);
        prop_assert!(error <= slack, "row {} differs by {}, over {}", row, error, slack);
    }
    Ok(())
}

/// Law 1: zooming into everything with all summaries visible gives full attention.
pub fn law_1_zooming_into_everything_is_full_attention<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(60, |mut scenario| {
        scenario.options.policy = PolicyKind::Zoomr;
        scenario.options.zoom = Zoom::Thoughts(usize::MAX);
        scenario.options.summaries = SummaryVisibility::All;
        scenario.options.keep_prompt = None;
        scenario.options.zoom_share = 0.0;
        scenario.options.at_hand = AtHand::All;
        let zoomed = scenario.start(kernels.clone(), device).and_then(|mut d| d.run(|_| 1)).map_err(fail)?;
        let slack = slack::<B>(&scenario);
        scenario.options.policy = PolicyKind::Full;
        let full = scenario.start(kernels.clone(), device).and_then(|mut d| d.run(|_| 1)).map_err(fail)?;
        check_equal(&zoomed, &full, slack)
    });
}

/// Law 1 for policies that go by a budget: one larger than the text gives full attention.
pub fn law_1_budgets_larger_than_the_text_are_full_attention<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(60, |mut scenario| {
        scenario.options.policy = PolicyKind::Full;
        let full = scenario.start(kernels.clone(), device).and_then(|mut d| d.run(|_| 1)).map_err(fail)?;
        scenario.options.budget = full.len().max(9);
        for policy in [PolicyKind::H2o, PolicyKind::Rkv, PolicyKind::Quest] {
            scenario.options.policy = policy;
            let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
            check_equal(&driven.run(|_| 1).map_err(fail)?, &full, slack::<B>(&scenario))?;
        }
        Ok(())
    });
}

/// Law 2: tokens one at a time, in chunks, or all at once give the same.
pub fn law_2_chunks_do_not_matter<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(60, |scenario| {
        let mut single = scenario.start(kernels.clone(), device).map_err(fail)?;
        let expected = single.run(|_| 1).map_err(fail)?;
        for chunk in [2, 7, usize::MAX / 2] {
            let mut chunked = scenario.start(kernels.clone(), device).map_err(fail)?;
            let found = chunked.run(|i| if chunk == 7 { 1 + i * 5 % 7 } else { chunk }).map_err(fail)?;
            check_equal(&found, &expected, slack::<B>(&scenario))?;
            let streams = (chunked.session.stream(chunked.id), single.session.stream(single.id));
            prop_assert_eq!(streams.0.map_err(fail)?, streams.1.map_err(fail)?);
            // What follows sees the cache that was left.
            let after =
                |d: &mut super::scenario::Driven<'_, B, K>| d.step(d.id, &[9], Role::Stream).map_err(fail);
            check_equal(
                &after(&mut chunked)?.1,
                &single_after(&scenario, kernels, device)?,
                slack::<B>(&scenario),
            )?;
        }
        Ok(())
    });
}

/// The outputs of one more token after the whole scenario, fed singly.
fn single_after<B: Backend, K: AttentionKernels<B> + Clone>(
    scenario: &Scenario,
    kernels: &K,
    device: &Device<B>,
) -> Result<Vec<Vec<f64>>, TestCaseError> {
    let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
    driven.run(|_| 1).map_err(fail)?;
    Ok(driven.step(driven.id, &[9], Role::Stream).map_err(fail)?.1)
}

/// Law 4: which pages a sequence gets, and in which tier they have been, does not matter.
pub fn law_4_the_order_of_pages_does_not_matter<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(50, |mut scenario| {
        let mut tidy = scenario.start(kernels.clone(), device).map_err(fail)?;
        let expected = tidy.run(|_| 1).map_err(fail)?;
        scenario.options.resident_thoughts = Some(usize::MAX);
        let mut untidy = scenario.start(kernels.clone(), device).map_err(fail)?;
        // Pages of a sequence that comes and goes leave holes for the others to fill.
        let passing = untidy.add().map_err(fail)?;
        let (id, all) = (untidy.id, scenario.tokens.len());
        let mut found = untidy.feed(id, 0..all / 3, |_| 2).map_err(fail)?;
        untidy.feed(passing, 0..all, |_| 5).map_err(fail)?;
        found.extend(untidy.feed(id, all / 3..all / 2, |_| 1).map_err(fail)?);
        untidy.session.remove_sequence(passing).map_err(fail)?;
        found.extend(untidy.feed(id, all / 2..all, |_| 3).map_err(fail)?);
        check_equal(&found, &expected, slack::<B>(&scenario))
    });
}

/// Law 5: detail that left for a colder tier and came back is the same, bit for bit, whatever the bits.
pub fn law_5_detail_returns_bit_for_bit<B: Backend, K: AttentionKernels<B>>(kernels: &K, device: &Device<B>) {
    KvDtype::ALL.iter().for_each(|&kv| detail_returns(kernels, kv, device));
}

fn detail_returns<B: Backend, K: AttentionKernels<B>>(kernels: &K, kv: KvDtype, device: &Device<B>) {
    let shape = PageShape { layers: 2, parts: 2, kv_heads: 2, page_size: 3, head_dim: 2, pages_per_slab: 2 };
    let mut store = kernels.store(shape, kv, device);
    let mut pages = Pages::new(store.page_bytes(), shape.pages_per_slab);
    let (mut cold, mut budget) = (ColdPages::new(Box::new(HostTier::default())), KvBudget::new(None));
    let mut layout = Layout::new(shape.page_size);
    (0..8).for_each(|token| layout.push(token % 5 == 0));
    let mut residency = Residency::default();
    let mut tiers = Tiers { store: &mut store, pages: &mut pages, cold: &mut cold, budget: &mut budget };
    residency.open(&layout, 0..8, &mut tiers).expect("no cap is set");
    let hostile = [f32::NAN, f32::INFINITY, -0.0, f32::MIN_POSITIVE / 2.0, 1.1, -65504.0];
    let spans = residency.spans(&layout, &PositionSet::from(0..8)).expect("just opened");
    let slots: Vec<_> = spans.iter().flat_map(PageSpan::slots).collect();
    for layer in 0..2 {
        let part = |part: usize| {
            let value = |i: usize| hostile[(i + 3 * part + layer) % hostile.len()] * (1 + i) as f32;
            Tensor::from_data(TensorData::new((0..32).map(value).collect(), [8, 2, 2]), device)
        };
        tiers.store.append(layer, &[&part(0), &part(1)], &slots);
    }
    let bits = |residency: &Residency, store: &K::Store| -> Vec<PageBytes> {
        let logical = 0..layout.pages().len();
        store.export(&logical.filter_map(|logical| residency.page(logical)).collect::<Vec<_>>())
    };
    let before = bits(&residency, tiers.store);
    for _ in 0..2 {
        residency.evict(&layout, &PositionSet::default(), &mut tiers).expect("host memory does not fail");
        assert_eq!(tiers.pages.bytes(), 0, "an empty store gives its slabs up");
        assert!(tiers.cold.bytes() > 0);
        residency.fetch(0..layout.pages().len(), &mut tiers).expect("no cap is set");
        assert_eq!(bits(&residency, tiers.store), before, "bits changed on their way");
    }
    residency.truncate(0, tiers.pages, tiers.cold, tiers.budget);
    assert_eq!((tiers.pages.bytes(), tiers.cold.bytes()), (0, 0), "everything is given back");
}

/// Law 6: truncating and appending again equals never having gone past that point.
pub fn law_6_truncating_forgets<B: Backend, K: AttentionKernels<B> + Clone>(kernels: &K, device: &Device<B>) {
    for_all(50, |scenario| {
        let mut straight = scenario.start(kernels.clone(), device).map_err(fail)?;
        let (all, cut) = (scenario.tokens.len(), scenario.tokens.len() / 2);
        let head = straight.feed(straight.id, 0..cut, |_| 1).map_err(fail)?.len();
        let expected = straight.feed(straight.id, cut..all, |_| 1).map_err(fail)?;
        let mut detour = scenario.start(kernels.clone(), device).map_err(fail)?;
        let id = detour.id;
        detour.run(|_| 2).map_err(fail)?;
        match detour.session.truncate(id, head) {
            // A policy that destroys detail may say so; it must have destroyed some.
            Err(Error::Dropped { .. }) => {
                prop_assert!(!scenario.options.policy_keeps_detail() || scenario.has_own_windows());
                return Ok(());
            }
            result => result.map_err(fail)?,
        }
        // A summary that the engine closed right at the cut is closed again, as the engine would.
        detour.session.close_summary(id).map_err(fail)?;
        let found = detour.feed(id, cut..all, |_| 1).map_err(fail)?;
        check_equal(&found, &expected, slack::<B>(&scenario))?;
        prop_assert_eq!(detour.session.account().resident(), straight.session.account().resident());
        Ok(())
    });
}

/// Law 8: the bytes of all tiers add up to the bytes allocated; no pool holds a whole slab free; resident
/// bytes never pass the cap, and a step that would pass it is refused and leaves the sequence as it was.
pub fn law_8_bytes_add_up<B: Backend, K: AttentionKernels<B> + Clone>(kernels: &K, device: &Device<B>) {
    for_all(60, |scenario| {
        let mut free = scenario.start(kernels.clone(), device).map_err(fail)?;
        free.run(|i| 1 + i % 3).map_err(fail)?;
        let peak = free.session.run_stats().resident_peak;
        let account = free.session.account();
        prop_assert_eq!(account.total(), free.session.allocated());
        let tokens = free.session.stream(free.id).map_err(fail)?.len();
        prop_assert_eq!(free.session.full_bytes(), scenario.full_bytes::<B, K>(tokens));
        prop_assert!(account.free <= scenario.most_free::<B, K>(), "{account:?}");
        for cap in [peak, peak * 2 / 3, peak / 3] {
            let mut tight = scenario.clone();
            tight.options.cap = Some(cap.max(1));
            let mut capped = tight.start(kernels.clone(), device).map_err(fail)?;
            let result = capped.run(|i| 1 + i % 3);
            let session = &capped.session;
            prop_assert!(session.run_stats().resident_peak <= cap.max(1));
            prop_assert_eq!(session.account().total(), session.allocated());
            prop_assert!(session.account().resident() <= cap.max(1));
            match result {
                Ok(_) | Err(Error::OverCap { .. }) => {}
                Err(other) => return Err(fail(other)),
            }
        }
        let id = free.id;
        free.session.remove_sequence(id).map_err(fail)?;
        prop_assert_eq!(free.session.allocated(), 0);
        holding_costs_no_room(scenario, kernels, device)
    });
}

/// Where there is room without thoughts held from earlier steps, there is room with them: they go first.
fn holding_costs_no_room<B: Backend, K: AttentionKernels<B> + Clone>(
    mut scenario: Scenario,
    kernels: &K,
    device: &Device<B>,
) -> Result<(), TestCaseError> {
    scenario.options.resident_thoughts = None;
    let mut bare = scenario.start(kernels.clone(), device).map_err(fail)?;
    let expected = bare.run(|i| 1 + i % 3).map_err(fail)?;
    scenario.options.cap = Some(bare.session.run_stats().resident_peak.max(1));
    scenario.options.resident_thoughts = Some(usize::MAX);
    let mut holding = scenario.start(kernels.clone(), device).map_err(fail)?;
    let found = holding.run(|i| 1 + i % 3).map_err(fail)?;
    check_equal(&found, &expected, slack::<B>(&scenario))
}

impl Options {
    pub(super) fn policy_keeps_detail(&self) -> bool {
        !matches!(self.policy, PolicyKind::Window | PolicyKind::Summaries | PolicyKind::H2o | PolicyKind::Rkv)
    }
}

impl Scenario {
    pub(super) fn has_own_windows(&self) -> bool {
        self.host.layers.iter().any(|layer| layer.sliding_window.is_some())
    }

    /// The most bytes that pools hold in free pages after a step: all but a page of a slab each.
    fn most_free<B: Backend, K: AttentionKernels<B>>(&self) -> u64 {
        let tokens = self.options.page_size * (self.options.slab_pages - 1);
        self.host.layers.iter().map(|layer| self.bytes::<B, K>(layer, tokens)).sum()
    }

    /// Bytes of a full cache of `tokens`, by what a provider says of its stores.
    fn full_bytes<B: Backend, K: AttentionKernels<B>>(&self, tokens: usize) -> u64 {
        let held = |layer: &LayerSpec| layer.sliding_window.map_or(tokens, |window| tokens.min(window.get()));
        self.host.layers.iter().map(|layer| self.bytes::<B, K>(layer, held(layer))).sum()
    }

    /// Bytes of `tokens` in a layer, as stored.
    fn bytes<B: Backend, K: AttentionKernels<B>>(&self, layer: &LayerSpec, tokens: usize) -> u64 {
        (2 * tokens * layer.kv_heads * K::Store::vector_bytes(self.options.kv, layer.head_dim)) as u64
    }
}
