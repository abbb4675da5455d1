//! What is at hand: the passages of which blocks may be chosen, and which are on the device for it.

use burn::tensor::{Device, backend::Backend};
use proptest::prelude::*;

use super::{
    host::Projection,
    laws::{check_equal, fail, for_all, for_all_with, slack},
    method::dense,
    oracle,
    scenario::{Driven, Scenario},
};
use crate::{
    config::{AtHand, PolicyKind, SummaryVisibility},
    kernels::AttentionKernels,
    policy::Policy,
    positions::PositionSet,
    segment::Role,
    trigger::Trigger,
};

/// Blocks, every one of which is chosen that is at hand.
fn with_blocks(scenario: &mut Scenario, at_hand: AtHand) {
    let options = &mut scenario.options;
    options.policy = PolicyKind::Zoomr;
    if options.blocks.is_none() {
        (options.blocks, options.spread_tokens) = (Some(options.page_size), 4);
        options.passage_tokens = 2 * options.page_size;
    }
    (options.zoom_share, options.at_hand, options.summaries) = (0.0, at_hand, SummaryVisibility::All);
    scenario.trigger = Trigger::Pooled;
}

/// Feeds the scenario's next token, as a step of its own; what its row sees where of the first `heard` passages none is at
/// hand, its outputs, and how many passages it says something of.
fn step<B: Backend, K: AttentionKernels<B>>(
    driven: &mut Driven<'_, B, K>,
    scenario: &Scenario,
    at: usize,
    heard: usize,
) -> Result<(PositionSet, Vec<f64>, usize), TestCaseError> {
    let role = if at < scenario.prompt { Role::Prompt } else { Role::Stream };
    let (_, mut rows) = driven.step(driven.id, &scenario.tokens[at..=at], role).map_err(fail)?;
    let rule = driven.session.settings().zoom_blocks().expect("as set above");
    let stream = driven.session.stream(driven.id).map_err(fail)?;
    let mut blocks = rule.no_blocks();
    blocks.follow(stream);
    let (mut seen, zoomable) = (rule.base(stream, at), rule.zoomable(stream, at));
    for block in &blocks.all()[..blocks.ended(zoomable.end)] {
        if block.range.start >= zoomable.start && block.passage >= heard {
            seen.insert(block.range.clone());
        }
    }
    // Rows of a prompt say nothing of what comes after.
    let votable = if role == Role::Prompt { 0 } else { rule.votable(stream, &blocks, at) };
    Ok((seen, rows.remove(0), votable))
}

/// Law 9 for passages: where none is taken to hand, what a ballot has heard of is not attended, and all else is.
pub fn law_9_what_is_not_at_hand_brings_nothing<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(60, |mut scenario| {
        with_blocks(&mut scenario, AtHand::Tokens(0));
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let (mut found, mut expected, mut heard) = (Vec::new(), Vec::new(), 0);
        for at in 0..scenario.tokens.len() {
            let (seen, outputs, votable) = step(&mut driven, &scenario, at, heard)?;
            let mut exact = Vec::new();
            for (layer, spec) in scenario.host.layers.iter().enumerate() {
                let set = spec.sliding_window.map_or_else(
                    || seen.clone(),
                    |window| ((at + 1).saturating_sub(window.get())..at + 1).into(),
                );
                let q = scenario.projections(Projection::Query, layer).nth(at).unwrap_or_default();
                let dense = dense(&scenario, layer);
                exact.extend(oracle::attend(&q, &dense, &set, f64::from(spec.scale)).0);
            }
            found.push(outputs);
            expected.push(exact);
            heard = votable;
        }
        check_equal(&found, &expected, slack::<B>(&scenario))
    });
}

/// On the device is what rows see anyway and what no ballot has heard of, and beyond it no more than is to be at hand.
pub fn no_more_is_resident_than_is_at_hand<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all_with(48, 60, 0..24usize, |mut scenario, at_hand| {
        with_blocks(&mut scenario, AtHand::Tokens(at_hand));
        // Nothing begins or ends within a page.
        scenario.options.page_size = scenario.options.blocks.unwrap_or(1);
        scenario.host.layers.iter_mut().for_each(|layer| layer.sliding_window = None);
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let mut heard = 0;
        for at in 0..scenario.tokens.len() {
            let (seen, _, votable) = step(&mut driven, &scenario, at, heard)?;
            let most = seen.len() + at_hand;
            let resident = driven.session.last_step().tokens_resident;
            prop_assert!(resident <= most as f64, "row {}: {} tokens, over {}", at, resident, most);
            heard = votable;
        }
        Ok(())
    });
}
