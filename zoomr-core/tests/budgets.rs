//! Policies that go by a budget of tokens: what they hold and attend, what cannot be undone, and steps that fail.

use std::num::NonZeroUsize;

use burn_ndarray::NdArray;
use zoomr_core::{
    Error,
    config::{Options, PolicyKind},
    layer::LayerSpec,
    portable::Portable,
    segment::Role,
    session::Feed,
    testing::{
        host::Host,
        scenario::{Driven, Scenario, Segmentation},
    },
    token::Token,
    trigger::Trigger,
};

type B = NdArray<f32>;

const PROMPT: usize = 40;
const BUDGET: usize = 24;
const BUFFER: usize = 16;

fn scenario(policy: PolicyKind) -> Scenario {
    let layer = |window: usize| LayerSpec {
        query_heads: 4,
        kv_heads: 2,
        head_dim: 4,
        scale: 0.5,
        sliding_window: NonZeroUsize::new(window),
    };
    let host = Host { layers: vec![layer(0), layer(8), layer(0), layer(0)], seed: 11 };
    let options = Options { policy, budget: BUDGET, buffer: BUFFER, page_size: 4, ..Options::default() };
    let tokens = (0..120).map(|i| 9 + i * i % 11).collect();
    let segmentation = Segmentation::Budget(10);
    Scenario { host, options, segmentation, trigger: Trigger::Pooled, tokens, prompt: PROMPT }
}

fn start(scenario: &Scenario) -> Result<Driven<'_, B, Portable>, Error> {
    scenario.start(Portable, &Default::default())
}

/// After every token: tokens held at the end of its step, and attended by its row.
fn run(policy: PolicyKind) -> Result<Vec<(f64, f64)>, Error> {
    let scenario = scenario(policy);
    let mut driven = start(&scenario)?;
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
        let mut driven = start(&scenario).unwrap();
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
        let expected = start(&scenario).unwrap().run(|_| 1).unwrap();
        let mut driven = start(&scenario).unwrap();
        for (position, &token) in scenario.tokens.iter().enumerate() {
            let role = if position < PROMPT { Role::Prompt } else { Role::Stream };
            // Some layers have taken the wrong token in, or all of them.
            fail_after(&mut driven, &scenario, position % (scenario.host.layers.len() + 1), role);
            let (_, rows) = driven.step(driven.id, &[token], role).unwrap();
            assert_eq!(rows[0], expected[position], "{policy} at {position}");
        }
    }
}

fn fail_after(driven: &mut Driven<'_, B, Portable>, scenario: &Scenario, layers: usize, role: Role) {
    let some = Host { layers: scenario.host.layers[..layers].to_vec(), seed: scenario.host.seed };
    let feed = Feed { sequence: driven.id, tokens: &[Token::bare(3)], role, scope: scenario.options.scope };
    let result = driven.session.step(&[feed], |session, _| {
        some.forward(session, &[3], &Default::default())?;
        Err::<(), _>(Error::Protocol("the host failed"))
    });
    assert!(matches!(result, Err(Error::Protocol("the host failed"))));
    assert_eq!(driven.session.account().total(), driven.session.allocated());
}
