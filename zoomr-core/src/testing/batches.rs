//! Laws of sequences that share a session: batches and refusals. Forks have a file of their own.

use std::ops::Range;

use burn::tensor::{Device, backend::Backend};
use proptest::prelude::*;

use super::{
    laws::{check_equal, fail, for_all, for_all_with, slack},
    scenario::{Driven, Scenario, text},
};
use crate::{
    Error,
    config::Options,
    kernels::AttentionKernels,
    segment::Role,
    session::{Feed, SequenceId, Stepped},
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
        let both = [first, third].map(|id| (id, half..half + 1));
        let rows = step(&scenario, &mut shared, &both).map_err(fail)?.output.unwrap_or_default();
        a.extend(rows.into_iter().next());
        check_equal(&b, &expected, slack::<B>(&scenario))?;
        check_equal(&a, &expected[..a.len()], slack::<B>(&scenario))
    });
}

/// One step, which feeds tokens of the scenario to several sequences.
fn step<B: Backend, K: AttentionKernels<B>>(
    scenario: &Scenario,
    driven: &mut Driven<'_, B, K>,
    feeds: &[(SequenceId, Range<usize>)],
) -> Result<Stepped<Vec<Vec<f64>>>, Error> {
    let with_text = |(_, range): &(SequenceId, Range<usize>)| -> Vec<Token<'_>> {
        scenario.tokens[range.clone()].iter().map(|&id| Token { id, text: text(id) }).collect()
    };
    let tokens: Vec<_> = feeds.iter().map(with_text).collect();
    let fed: Vec<Feed<'_>> = (feeds.iter().zip(&tokens))
        .map(|((sequence, range), tokens)| {
            let role = if range.start < scenario.prompt { Role::Prompt } else { Role::Stream };
            Feed { sequence: *sequence, tokens, role, scope: scenario.options.scope }
        })
        .collect();
    let device = driven.device().clone();
    driven.session.step(&fed, |pass, accepted| {
        let rows = feeds.iter().zip(accepted).flat_map(|((_, range), &rows)| range.clone().take(rows));
        let tokens: Vec<u32> = rows.map(|at| scenario.tokens[at]).collect();
        scenario.host.forward(pass, &tokens, &device)
    })
}

/// The feeds of a step: for each the number of a sequence, modulo how many there are, and how many tokens are to go in.
type Turn = Vec<(usize, usize)>;

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    // No step takes an empty feed.
    let tokens = prop_oneof![1 => Just(0), 30 => 1..8usize];
    prop::collection::vec(prop::collection::vec((any::<usize>(), tokens), 1..4), 1..40)
}

/// Law 10: a step that refuses one sequence leaves the others as if it had not been there. Three sequences of the same
/// tokens, each at a place of its own, share memory for less than all of them: what is taken in gives what it gives
/// alone, and the one that stays when the others have gone is not refused where one alone is not.
pub fn law_10_refusing_one_leaves_the_others<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all_with(150, 50, (60..180u64, turns()), |mut scenario, (percent, turns)| {
        scenario.trigger = Trigger::Pooled;
        // Thoughts held from earlier steps are no reason to be refused.
        let held = scenario.options.resident_thoughts.take();
        let mut alone = scenario.start(kernels.clone(), device).map_err(fail)?;
        let expected = alone.run(|_| 1).map_err(fail)?;
        let cap = alone.session.run_stats().resident_peak * percent / 100;
        scenario.options = Options { cap: Some(cap), resident_thoughts: held, ..scenario.options };
        let mut driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let ids = [driven.id, driven.add().map_err(fail)?, driven.add().map_err(fail)?];
        let mut crowd =
            Crowd { scenario: &scenario, expected, cap, driven, sequences: ids.map(|id| (id, 0)).to_vec() };
        for turn in &turns {
            let feeds = crowd.feeds(turn);
            crowd.step(&feeds)?;
        }
        for (id, _) in crowd.sequences.split_off(1) {
            crowd.driven.session.remove_sequence(id).map_err(fail)?;
        }
        while let feeds @ [_] = &crowd.feeds(&[(0, 1)])[..] {
            if crowd.step(feeds)? > 0 {
                prop_assert!(percent < 100, "refused though alone: {:?}", feeds);
                break;
            }
        }
        Ok(())
    });
}

/// Sequences that share too little memory.
struct Crowd<'a, B: Backend, K: AttentionKernels<B>> {
    scenario: &'a Scenario,
    /// The rows of a sequence that is alone.
    expected: Vec<Vec<f64>>,
    /// Bytes.
    cap: u64,
    driven: Driven<'a, B, K>,
    /// With how many tokens each has.
    sequences: Vec<(SequenceId, usize)>,
}

impl<B: Backend, K: AttentionKernels<B>> Crowd<'_, B, K> {
    /// What goes in, of sequences that have not come to their end; each is fed once.
    fn feeds(&self, turn: &[(usize, usize)]) -> Vec<(SequenceId, Range<usize>)> {
        let mut feeds: Vec<(SequenceId, Range<usize>)> = Vec::new();
        for &(which, tokens) in turn {
            let (id, len) = self.sequences[which % self.sequences.len()];
            let prompt = self.scenario.prompt;
            let end = if len < prompt { prompt } else { self.scenario.tokens.len() };
            if len < end && feeds.iter().all(|(other, _)| *other != id) {
                feeds.push((id, len..end.min(len + tokens)));
            }
        }
        feeds
    }

    /// Takes a step; how many feeds it has refused. Where that is all of them, the last one's sequence starts over.
    fn step(&mut self, feeds: &[(SequenceId, Range<usize>)]) -> Result<usize, TestCaseError> {
        let stepped = step(self.scenario, &mut self.driven, feeds);
        if feeds.iter().any(|(_, range)| range.is_empty()) {
            prop_assert!(matches!(stepped, Err(Error::Protocol(_))), "{stepped:?}");
            self.check()?;
            return Ok(0);
        }
        let Stepped { feeds: outcomes, output } = stepped.map_err(fail)?;
        let (mut rows, mut refused) = (output.unwrap_or_default().into_iter(), 0);
        for ((id, range), outcome) in feeds.iter().zip(outcomes) {
            let accepted = match outcome {
                Ok(accepted) => accepted,
                Err(Error::OverCap { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(other) => return Err(fail(other)),
            };
            let (found, end) = (rows.by_ref().take(accepted).collect::<Vec<_>>(), range.start + accepted);
            check_equal(&found, &self.expected[range.start..end], slack::<B>(self.scenario))?;
            self.sequences.iter_mut().filter(|(other, _)| other == id).for_each(|(_, len)| *len = end);
        }
        self.check()?;
        if let (Some((last, _)), true) = (feeds.last(), refused == feeds.len()) {
            self.driven.session.remove_sequence(*last).map_err(fail)?;
            let new = self.driven.add().map_err(fail)?;
            self.sequences.retain(|(id, _)| id != last);
            self.sequences.push((new, 0));
        }
        Ok(refused)
    }

    /// That every sequence has what it has, and that bytes add up.
    fn check(&self) -> Result<(), TestCaseError> {
        let session = &self.driven.session;
        for &(id, len) in &self.sequences {
            prop_assert_eq!(session.stream(id).map_err(fail)?.len(), len);
        }
        prop_assert_eq!(session.account().total(), session.allocated());
        prop_assert!(session.run_stats().resident_peak <= self.cap);
        Ok(())
    }
}
