//! Policies that go by a budget of tokens: what they hold and attend, what cannot be undone, and steps that fail.

use zoomr_core::{
    Error,
    config::{Options, PolicyKind},
    segment::Role,
    testing::scenario::Scenario,
};

use crate::support::{self, fail, start};

const PROMPT: usize = 40;
const BUDGET: usize = 24;
const BUFFER: usize = 16;

fn scenario(policy: PolicyKind) -> Scenario {
    let options = Options { policy, budget: BUDGET, buffer: BUFFER, page_size: 4, ..Options::default() };
    Scenario { prompt: PROMPT, ..support::scenario(options, 2, [0, 8, 0, 0], 120) }
}

/// After every token: tokens held at the end of its step, and attended by its row.
fn run(policy: PolicyKind) -> Result<Vec<(f64, f64)>, Error> {
    let scenario = scenario(policy);
    let mut driven = start(&scenario);
    let mut counts = Vec::new();
    for (position, &token) in scenario.tokens.iter().enumerate() {
        let role = if position < PROMPT { Role::Prompt } else { Role::Stream };
        driven.step(driven.id, &[token], role)?;
        let stats = driven.session.last_step();
        counts.push((stats.tokens_resident, stats.last_rows[0].attended));
    }
    Ok(counts)
}

#[test]
fn h2o_holds_its_budget_and_attends_one_token_more() {
    for (position, counts) in run(PolicyKind::H2o).unwrap().into_iter().enumerate() {
        let tokens = (position + 1) as f64;
        let (held, attended) = match position {
            0..PROMPT => (tokens, tokens),
            // The first generated token shows that the prompt has ended, and still sees it.
            PROMPT => (BUDGET as f64, tokens),
            _ => (BUDGET as f64, (BUDGET + 1) as f64),
        };
        assert_eq!(counts, (held, attended), "at {position}");
    }
}

#[test]
fn rkv_holds_its_budget_and_a_buffer() {
    for (position, counts) in run(PolicyKind::Rkv).unwrap().into_iter().enumerate() {
        let tokens = position + 1;
        let (held, attended) = match position {
            0..PROMPT => (tokens, tokens),
            PROMPT => (BUDGET, tokens),
            _ => {
                let generated = tokens - PROMPT;
                // What the first compression left, then what the buffer gathers from its multiples on.
                let since = if generated <= BUFFER { generated - 1 } else { (generated - 1) % BUFFER + 1 };
                let due = generated.is_multiple_of(BUFFER);
                (if due { BUDGET } else { BUDGET + since }, BUDGET + since)
            }
        };
        assert_eq!(counts, (held as f64, attended as f64), "at {position}");
    }
}

#[test]
fn quest_holds_everything_and_attends_pages() {
    // Two pages of 16 in the last layer; the first layer, being among the first two, attends to everything, and
    // the second has a window of its own. The third and fourth act.
    for (position, (held, attended)) in run(PolicyKind::Quest).unwrap().into_iter().enumerate() {
        let tokens = position + 1;
        assert_eq!(held, tokens as f64);
        let pages = if position < PROMPT { tokens } else { tokens.min(16 + position % 16 + 1) };
        let expected = (tokens + 2 * pages) as f64 / 3.0;
        assert!((attended - expected).abs() < 1e-9, "{attended} at {position}, not {expected}");
    }
}

#[test]
fn what_was_evicted_stays_gone() {
    for policy in [PolicyKind::H2o, PolicyKind::Rkv] {
        let scenario = scenario(policy);
        let mut driven = start(&scenario);
        let expected = driven.run(|_| 7).unwrap();
        let (id, len) = (driven.id, scenario.tokens.len());
        let error = driven.session.truncate(id, len - 1).unwrap_err();
        assert!(matches!(error, Error::Dropped { .. }), "{error}");
        driven.session.truncate(id, len).unwrap();
        driven.session.truncate(id, 0).unwrap();
        assert_eq!(driven.session.allocated(), 0);
        assert_eq!(driven.run(|_| 5).unwrap().len(), expected.len());
        assert_eq!(driven.session.truncate(id, 0).ok(), Some(()));
        assert_eq!(driven.run(|_| 7).unwrap(), expected, "{policy} starts over as new");
    }
}

#[test]
fn steps_that_fail_leave_no_trace() {
    for policy in [PolicyKind::H2o, PolicyKind::Rkv, PolicyKind::Quest] {
        let scenario = scenario(policy);
        let expected = start(&scenario).run(|_| 1).unwrap();
        let mut driven = start(&scenario);
        for (position, &token) in scenario.tokens.iter().enumerate() {
            let role = if position < PROMPT { Role::Prompt } else { Role::Stream };
            // Some layers have taken the wrong token in, or all of them.
            fail(&mut driven, &scenario, &[3], role, position % (scenario.host.layers.len() + 1));
            let (_, rows) = driven.step(driven.id, &[token], role).unwrap();
            assert_eq!(rows[0], expected[position], "{policy} at {position}");
        }
    }
}
