//! Laws of sequences that share a session: batches, refusals and forks.

use burn::tensor::{Device, backend::Backend};
use proptest::prelude::*;

use super::{
    laws::{check_equal, fail, for_all, slack},
    scenario::{Driven, Scenario, text},
};
use crate::{
    Error,
    config::PolicyKind,
    kernels::AttentionKernels,
    segment::Role,
    session::{Feed, SequenceId, Session},
    stats::TierBytes,
    token::Token,
    trigger::Trigger,
};

/// Law 3: a row of a batch gives what it gives alone. Three sequences of different lengths, one of which
/// comes late and one of which leaves early, share the pools.
pub fn law_3_a_batch_is_its_rows<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(40, |scenario| {
        let mut alone = scenario.start(kernels.clone(), device).map_err(fail)?;
        let expected = alone.run(|_| 1).map_err(fail)?;
        let mut shared = scenario.start(kernels.clone(), device).map_err(fail)?;
        let (first, second) = (shared.id, shared.add().map_err(fail)?);
        let half = scenario.tokens.len() / 2;
        let mut a = shared.feed(first, 0..half, |_| 3).map_err(fail)?;
        let b = shared.feed(second, 0..scenario.tokens.len(), |_| 2).map_err(fail)?;
        let third = shared.add().map_err(fail)?;
        shared.feed(third, 0..half, |_| 4).map_err(fail)?;
        shared.session.remove_sequence(second).map_err(fail)?;
        let both = both_at_once(&scenario, &mut shared, [first, third], half)?;
        a.extend(both);
        check_equal(&b, &expected, slack::<B>(&scenario))?;
        check_equal(&a, &expected[..a.len()], slack::<B>(&scenario))
    });
}

/// Feeds the token at `at` to both sequences in one step; returns the first one's rows.
fn both_at_once<B: Backend, K: AttentionKernels<B>>(
    scenario: &Scenario,
    shared: &mut Driven<'_, B, K>,
    ids: [SequenceId; 2],
    at: usize,
) -> Result<Vec<Vec<f64>>, TestCaseError> {
    let token = scenario.tokens[at];
    let tokens = [Token { id: token, text: text(token) }];
    let role = if at < scenario.prompt { Role::Prompt } else { Role::Stream };
    let scope = scenario.options.scope;
    let feeds = ids.map(|sequence| Feed { sequence, tokens: &tokens, role, scope });
    let device = shared.device().clone();
    let stepped = shared
        .session
        .step(&feeds, |session, _| scenario.host.forward(session, &[token; 2], &device))
        .map_err(fail)?;
    Ok(stepped.output.unwrap_or_default()[..1].to_vec())
}

/// Law 10: a step that refuses one sequence leaves the others as if it had not been there. Two sequences of the same
/// tokens share memory that holds one of them: each gives what it gives alone for as long as it is taken in, and the
/// one that stays when the other has gone is never refused.
pub fn law_10_refusing_one_leaves_the_others<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(50, |mut scenario| {
        scenario.trigger = Trigger::Pooled;
        let mut alone = scenario.start(kernels.clone(), device).map_err(fail)?;
        let expected = alone.run(|_| 1).map_err(fail)?;
        let cap = alone.session.run_stats().resident_peak;
        for cap in [cap, cap * 3 / 2, cap * 2] {
            scenario.options.cap = Some(cap);
            let mut both = scenario.start(kernels.clone(), device).map_err(fail)?;
            let mut ids = vec![both.id, both.add().map_err(fail)?];
            for (at, expected) in expected.iter().enumerate() {
                let refused = one_token(&scenario, &mut both, &ids, at, expected)?;
                let stays = ids.len() - refused.len();
                prop_assert!(stays > 0 || ids.len() == 2, "refused though alone, at {}", at);
                // Where there is room for neither beside the other, the older one goes on.
                let gone = if stays == 0 { vec![ids[1]] } else { refused.clone() };
                for id in gone {
                    prop_assert_eq!(both.session.stream(id).map_err(fail)?.len(), at);
                    both.session.remove_sequence(id).map_err(fail)?;
                    ids.retain(|other| *other != id);
                }
                if stays == 0 {
                    let again = one_token(&scenario, &mut both, &ids, at, expected)?;
                    prop_assert!(again.is_empty(), "refused though alone, at {}", at);
                }
                prop_assert_eq!(both.session.account().total(), both.session.allocated());
                prop_assert!(both.session.account().resident() <= cap);
            }
        }
        Ok(())
    });
}

/// Feeds the token at `at` to all sequences in one step; those that are refused, once the others' rows have been
/// checked.
fn one_token<B: Backend, K: AttentionKernels<B>>(
    scenario: &Scenario,
    driven: &mut Driven<'_, B, K>,
    ids: &[SequenceId],
    at: usize,
    expected: &[f64],
) -> Result<Vec<SequenceId>, TestCaseError> {
    let token = scenario.tokens[at];
    let tokens = [Token { id: token, text: text(token) }];
    let role = if at < scenario.prompt { Role::Prompt } else { Role::Stream };
    let scope = scenario.options.scope;
    let feeds: Vec<_> = ids.iter().map(|&sequence| Feed { sequence, tokens: &tokens, role, scope }).collect();
    let device = driven.device().clone();
    let forward = |session: &mut Session<B, K>, accepted: &[usize]| {
        scenario.host.forward(session, &vec![token; accepted.iter().sum()], &device)
    };
    let stepped = driven.session.step(&feeds, forward).map_err(fail)?;
    let mut rows = stepped.output.unwrap_or_default().into_iter();
    let mut refused = Vec::new();
    for (&id, outcome) in ids.iter().zip(&stepped.feeds) {
        match outcome {
            Ok(_) => check_equal(
                &rows.next().into_iter().collect::<Vec<_>>(),
                &[expected.to_vec()],
                slack::<B>(scenario),
            )?,
            Err(Error::OverCap { .. }) => refused.push(id),
            Err(other) => return Err(TestCaseError::fail(other.to_string())),
        }
    }
    Ok(refused)
}

/// Law 11: a fork of a sequence and its original decode as two sequences with the same prefix would, and share its
/// pages.
pub fn law_11_a_fork_goes_on_as_its_original<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all(50, |scenario| {
        let mut straight = scenario.start(kernels.clone(), device).map_err(fail)?;
        let (all, cut) = (scenario.tokens.len(), scenario.tokens.len() / 2);
        let head = straight.feed(straight.id, 0..cut, |_| 1).map_err(fail)?.len();
        let expected = straight.feed(straight.id, cut..all, |_| 1).map_err(fail)?;
        // The original goes on differently, so that a page that both wrote to would show.
        let mut other = scenario.clone();
        other.tokens[cut..].iter_mut().filter(|token| **token >= 9).for_each(|token| *token += 11);
        let mut differently = other.start(kernels.clone(), device).map_err(fail)?;
        differently.feed(differently.id, 0..cut, |_| 1).map_err(fail)?;
        let expected_of_original = differently.feed(differently.id, cut..all, |_| 1).map_err(fail)?;
        for late in [false, true] {
            let mut forked = scenario.start(kernels.clone(), device).map_err(fail)?;
            let original = forked.id;
            forked.feed(original, 0..if late { all } else { cut }, |_| 2).map_err(fail)?;
            let before = forked.session.account();
            let fork = match forked.session.fork(original, head) {
                // A policy that destroys detail may say so; it must have destroyed some.
                Err(Error::Dropped { .. }) if late => {
                    prop_assert!(!scenario.options.policy_keeps_detail() || scenario.has_own_windows());
                    continue;
                }
                result => result.map_err(fail)?,
            };
            let after = forked.session.account();
            prop_assert_eq!(after.total(), forked.session.allocated());
            if !matches!(scenario.options.policy, PolicyKind::H2o | PolicyKind::Rkv) {
                let pages = |bytes: TierBytes| bytes.resident() - bytes.index - bytes.free + bytes.cold;
                prop_assert_eq!(pages(after), pages(before), "pages are shared");
            }
            // What the engine closed right at the cut is closed again, as the engine would.
            if late {
                forked.session.close_summary(fork).map_err(fail)?;
            }
            let (slack, half) = (slack::<B>(&scenario), cut + (all - cut) / 2);
            let mut found = forked.feed(fork, cut..half, |_| 1).map_err(fail)?;
            if !late {
                let own = forked.feed_of(&other.tokens, original, cut..all, |_| 2).map_err(fail)?;
                check_equal(&own, &expected_of_original, slack)?;
            }
            forked.session.remove_sequence(original).map_err(fail)?;
            found.extend(forked.feed(fork, half..all, |_| 3).map_err(fail)?);
            check_equal(&found, &expected, slack)?;
            prop_assert_eq!(forked.session.account().total(), forked.session.allocated());
            forked.session.remove_sequence(fork).map_err(fail)?;
            prop_assert_eq!(forked.session.allocated(), 0);
        }
        Ok(())
    });
}
