//! Any schedule: requests that come when they like, are taken away when somebody likes, under any budget.

use proptest::prelude::*;
use zoomr_core::{config::PolicyKind, trigger::Trigger};

use crate::{
    support::{golden, options},
    together::{Ask, Together},
};

/// A request of a schedule.
#[derive(Clone, Debug)]
struct Planned {
    /// The step before which it comes.
    at: usize,
    /// The step before which it is removed.
    removed: Option<usize>,
    prompt: (usize, usize),
    trigger: Trigger,
    max_tokens: usize,
}

fn planned() -> impl Strategy<Value = Planned> {
    let trigger = prop_oneof![Just(Trigger::Pooled), Just(Trigger::Forced), Just(Trigger::ModelEmitted)];
    let removed = prop::option::weighted(0.25, 1usize..40);
    (0usize..30, removed, (0usize..40, 1usize..90), trigger, 0usize..60).prop_map(
        |(at, after, prompt, trigger, max_tokens)| Planned {
            at,
            removed: after.map(|after| at + after),
            prompt,
            trigger,
            max_tokens,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20))]
    #[test]
    fn the_schedule_makes_no_difference(
        plan in prop::collection::vec(planned(), 1..6),
        rows in prop::collection::vec(1usize..50, 1..5),
        policy in prop_oneof![Just(PolicyKind::Zoomr), Just(PolicyKind::Window), Just(PolicyKind::H2o)],
    ) {
        let (model, expected) = golden("llama");
        let options = options(policy, Trigger::Pooled);
        let ask = |plan: &Planned| {
            let (start, len) = plan.prompt;
            let prompt: Vec<u32> = expected.prompt.iter().copied().cycle().skip(start).take(len).collect();
            Ask::new(&prompt, plan.trigger, plan.max_tokens)
        };
        let mut together = Together::new(&model, &options);
        let mut ids = vec![None; plan.len()];
        let mut removed = vec![None; plan.len()];
        let steps = plan.iter().map(|planned| planned.at.max(planned.removed.unwrap_or(0))).max().unwrap();
        for step in 0..=steps {
            for (number, planned) in plan.iter().enumerate() {
                if planned.at == step {
                    ids[number] = Some(together.ask(&ask(planned)));
                }
                if planned.removed == Some(step) {
                    let request = together.batch.remove(ids[number].unwrap()).unwrap();
                    removed[number] = Some(request.new_tokens().to_vec());
                }
            }
            together.step(rows[step % rows.len()]);
        }
        together.finish(rows[0]);
        for (number, planned) in plan.iter().enumerate() {
            let alone = ask(planned).alone(&model, &options).tokens;
            match &removed[number] {
                Some(written) => prop_assert!(alone.starts_with(written), "{planned:?}"),
                None => prop_assert_eq!(together.written(ids[number].unwrap()), alone, "{:?}", planned),
            }
        }
    }
}
