//! A step that fails, or refuses a feed, leaves no trace: not of tokens, not of what was destroyed for them, and what
//! the engine said of summaries holds.

use zoomr_core::{
    config::{Options, PolicyKind, Scope},
    segment::{Due, Kind, Role},
    testing::scenario::{Scenario, Segmentation},
    trigger::Trigger,
};

use crate::support::{self, Session, fail, start};

fn scenario(policy: PolicyKind, trigger: Trigger) -> Scenario {
    let options = Options { policy, window: 8, sinks: 0, page_size: 2, budget: 16, ..Options::default() };
    Scenario { trigger, ..support::scenario(options, 1, [5, 0, 0], 60) }
}

#[test]
fn what_a_failed_chunk_no_longer_saw_is_still_there() {
    // Windows of the layers' own, and those of the policies, have moved on over all of the chunk when it fails.
    for policy in [PolicyKind::Zoomr, PolicyKind::Window, PolicyKind::Summaries] {
        let scenario = scenario(policy, Trigger::Pooled);
        let expected = start(&scenario).run(|_| 1).unwrap();
        for layers in 0..=scenario.host.layers.len() {
            let mut driven = start(&scenario);
            let id = driven.id;
            let mut found = driven.feed(id, 0..30, |_| 1).unwrap();
            for role in [Role::Prompt, Role::Stream] {
                fail(&mut driven, &scenario, &[9; 20], role, layers);
                driven.session.truncate(id, found.len()).unwrap();
                let fork = driven.session.fork(id, found.len()).unwrap();
                driven.session.remove_sequence(fork).unwrap();
            }
            found.extend(driven.feed(id, 30..60, |_| 1).unwrap());
            assert_eq!(found, expected, "{policy}, {layers} layers");
        }
    }
}

#[test]
fn a_summary_that_was_opened_or_closed_stays_so() {
    let scenario = scenario(PolicyKind::Zoomr, Trigger::Forced);
    let mut driven = start(&scenario);
    let id = driven.id;
    driven.step(id, &scenario.tokens[..10], Role::Prompt).unwrap();
    driven.step(id, &[9; 6], Role::Stream).unwrap();
    assert_eq!(driven.session.due(id).unwrap(), Due::Summary);
    driven.session.open_summary(id).unwrap();
    let fails = |driven: &mut Session<'_>| fail(driven, &scenario, &[9, 9], Role::Stream, 3);
    fails(&mut driven);
    assert_eq!(driven.session.due(id).unwrap(), Due::Nothing);
    driven.step(id, &[7], Role::Stream).unwrap();
    fails(&mut driven);
    driven.step(id, &[8], Role::Stream).unwrap();
    driven.session.close_summary(id).unwrap();
    fails(&mut driven);
    driven.step(id, &[9], Role::Stream).unwrap();
    let segments = driven.session.stream(id).unwrap().segments();
    let lengths: Vec<(Kind, usize)> = segments.iter().map(|s| (s.kind, s.range.len())).collect();
    assert_eq!(
        lengths,
        [(Kind::Prompt, 10), (Kind::Thought, 6), (Kind::Summary, 2), (Kind::Thought, 1)],
        "what the engine said of the summary holds"
    );
}

#[test]
fn a_thought_that_retired_between_steps_is_indexed_by_the_next_that_goes_well() {
    // Steps fail all along, also right after a summary was closed, when some layers have its vector and others do not.
    let mut scenario = scenario(PolicyKind::Zoomr, Trigger::Forced);
    scenario.options.scope = Scope::Layer;
    scenario.segmentation = Segmentation::Budget(3);
    let run = |layers: Option<usize>| {
        let mut driven = start(&scenario);
        let (id, mut rows) = (driven.id, Vec::new());
        for (at, &token) in scenario.tokens.iter().enumerate() {
            rows.extend(driven.step(id, &[token], Role::Stream).unwrap().1);
            if driven.session.due(id).unwrap() == Due::Summary {
                driven.session.open_summary(id).unwrap();
                rows.extend(driven.step(id, &[7], Role::Stream).unwrap().1);
                driven.session.close_summary(id).unwrap();
            }
            if let (Some(layers), true) = (layers, at % 2 == 0) {
                fail(&mut driven, &scenario, &[9], Role::Stream, layers);
            }
        }
        rows
    };
    for layers in 0..=3 {
        assert_eq!(run(Some(layers)), run(None), "{layers} layers");
    }
}

#[test]
fn a_fork_that_is_cut_back_leaves_the_index_of_its_original() {
    // Index vectors of both lie on one page, which is not full for the one that is cut back.
    let mut scenario = scenario(PolicyKind::Zoomr, Trigger::Pooled);
    scenario.options.page_size = 4;
    scenario.segmentation = Segmentation::Budget(2);
    scenario.host.layers.remove(0);
    let expected = start(&scenario).run(|_| 1).unwrap();
    for cut_back_original in [false, true] {
        let mut driven = start(&scenario);
        let original = driven.id;
        let mut found = driven.feed(original, 0..30, |_| 1).unwrap();
        let fork = driven.session.fork(original, 30).unwrap();
        let (short, whole) = if cut_back_original { (original, fork) } else { (fork, original) };
        driven.session.truncate(short, 16).unwrap();
        let others = [19; 40];
        driven.feed_of(&others, short, 16..40, |_| 1).unwrap();
        found.extend(driven.feed(whole, 30..60, |_| 1).unwrap());
        assert_eq!(found, expected, "the original was cut back: {cut_back_original}");
        driven.session.remove_sequence(original).unwrap();
        driven.session.remove_sequence(fork).unwrap();
        assert_eq!(driven.session.allocated(), 0);
    }
}
