//! Whatever the sequences of a session do in turns and together, each gives what a twin of its own gives, which alone
//! went through what came of it. Steps fail and are refused, sequences fork, are cut back, come and go.

use burn_ndarray::NdArray;
use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use zoomr_core::{
    Error,
    config::Scope,
    portable::Portable,
    segment::{Due, Kind, Role},
    session::{Feed, SequenceId, Session, Stepped},
    testing::{
        host::Host,
        laws::{check_equal, fail},
        scenario::{Driven, Scenario, scenarios, text},
    },
    token::Token,
};

type B = NdArray<f32>;
type Outcome<T = ()> = Result<T, TestCaseError>;
/// Each row's outputs.
type Rows = Vec<Vec<f64>>;

const CASES: u32 = 400;
/// Sequences at a time.
const MOST: usize = 5;
/// Outputs are means of whole numbers from -2 to 2, in f32.
const SLACK: f64 = 1e-4;

/// Tokens for one sequence.
#[derive(Clone, Debug)]
struct Given {
    tokens: Vec<u32>,
    role: Role,
    scope: Scope,
}

/// Something that is done; sequences, and places in them, are numbers to be taken modulo what there is.
#[derive(Clone, Debug)]
enum Deed {
    /// One step; with a number of layers after which the model fails, perhaps.
    Step(Vec<(usize, Given)>, Option<usize>),
    Add,
    Remove(usize),
    Fork(usize, usize),
    Truncate(usize, usize),
    /// Opens a summary that is due, or closes one that is open.
    Summary(usize),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let token = prop_oneof![2 => 1..5u32, 1 => 5..7u32, 5 => 9..20u32];
    let role = prop_oneof![1 => Just(Role::Prompt), 3 => Just(Role::Stream)];
    let scope = prop::sample::select(Scope::ALL);
    let given = (prop::collection::vec(token, 1..7), role, scope).prop_map(|(tokens, role, scope)| Given {
        tokens,
        role,
        scope,
    });
    let feeds = prop::collection::vec((any::<usize>(), given), 1..4);
    let deed = prop_oneof![
        12 => (feeds, prop::option::weighted(0.15, 0..5usize)).prop_map(|(feeds, fails)| Deed::Step(feeds, fails)),
        1 => Just(Deed::Add),
        1 => any::<usize>().prop_map(Deed::Remove),
        2 => any::<(usize, usize)>().prop_map(|(which, at)| Deed::Fork(which, at)),
        1 => any::<(usize, usize)>().prop_map(|(which, at)| Deed::Truncate(which, at)),
        6 => any::<usize>().prop_map(Deed::Summary),
    ];
    prop::collection::vec(deed, 1..50)
}

/// What has become of a sequence.
#[derive(Clone, Debug)]
enum Event {
    Fed(Given),
    SummaryOpened,
    SummaryClosed,
}

/// A sequence of the shared session, and one that is alone.
struct Twin<'a> {
    shared: SequenceId,
    alone: Driven<'a, B, Portable>,
    events: Vec<Event>,
}

fn core<T>(result: Result<T, Error>) -> Outcome<T> {
    result.map_err(fail)
}

/// One step of a session; the model fails after `layers`, where there are that few.
fn step(
    session: &mut Session<B, Portable>,
    host: &Host,
    feeds: &[(SequenceId, Given)],
    layers: Option<usize>,
) -> Result<Stepped<Rows>, Error> {
    let with_text = |(_, given): &(SequenceId, Given)| -> Vec<Token<'_>> {
        given.tokens.iter().map(|&id| Token { id, text: text(id) }).collect()
    };
    let tokens: Vec<_> = feeds.iter().map(with_text).collect();
    let fed: Vec<Feed<'_>> = (feeds.iter().zip(&tokens))
        .map(|(&(sequence, Given { role, scope, .. }), tokens)| Feed { sequence, tokens, role, scope })
        .collect();
    let layers_run = layers.unwrap_or(usize::MAX).min(host.layers.len());
    let some = Host { layers: host.layers[..layers_run].to_vec(), ..*host };
    session.step(&fed, |pass, accepted| {
        let rows = feeds.iter().zip(accepted).flat_map(|((_, given), &rows)| &given.tokens[..rows]);
        let ids: Vec<u32> = rows.copied().collect();
        let rows = some.forward(pass, &ids, &Default::default())?;
        if layers.is_some() { Err(Error::Protocol("the model failed")) } else { Ok(rows) }
    })
}

impl<'a> Twin<'a> {
    /// One to which alone happens what `events` say.
    fn new(scenario: &'a Scenario, shared: SequenceId, events: &[Event]) -> Outcome<Self> {
        let alone = core(scenario.start(Portable, &Default::default()))?;
        let mut twin = Self { shared, alone, events: Vec::new() };
        for event in events {
            match event {
                Event::Fed(given) => drop(twin.feed(&scenario.host, given)?),
                Event::SummaryOpened => twin.open_summary()?,
                Event::SummaryClosed => twin.close_summary()?,
            }
        }
        prop_assert_eq!(twin.events.len(), events.len());
        Ok(twin)
    }

    /// How many tokens went in, and their rows.
    fn feed(&mut self, host: &Host, given: &Given) -> Outcome<(usize, Rows)> {
        let Driven { session, id, .. } = &mut self.alone;
        let stepped = core(step(session, host, &[(*id, given.clone())], None))?;
        let (accepted, rows) = core(stepped.single())?;
        self.events.push(Event::Fed(Given { tokens: given.tokens[..accepted].to_vec(), ..*given }));
        Ok((accepted, rows))
    }

    fn open_summary(&mut self) -> Outcome {
        self.events.push(Event::SummaryOpened);
        core(self.alone.session.open_summary(self.alone.id))
    }

    fn close_summary(&mut self) -> Outcome {
        self.events.push(Event::SummaryClosed);
        core(self.alone.session.close_summary(self.alone.id))
    }

    /// What had become of it after `at` tokens, fewer than it has; the engine's last words are forgotten.
    fn until(&self, at: usize) -> Vec<Event> {
        let (mut events, mut len) = (Vec::new(), 0);
        for event in &self.events {
            if len == at {
                break;
            }
            events.push(match event {
                Event::Fed(given) => {
                    let taken = given.tokens.len().min(at - len);
                    len += taken;
                    Event::Fed(Given { tokens: given.tokens[..taken].to_vec(), ..*given })
                }
                said => said.clone(),
            });
        }
        events
    }

    fn len(&self) -> Outcome<usize> {
        Ok(core(self.alone.session.stream(self.alone.id))?.len())
    }
}

/// A session with several sequences, and their twins.
struct World<'a> {
    scenario: &'a Scenario,
    cap: Option<u64>,
    shared: Driven<'a, B, Portable>,
    twins: Vec<Twin<'a>>,
}

impl<'a> World<'a> {
    /// One sequence; `capped` is `scenario` under a cap, perhaps.
    fn new(scenario: &'a Scenario, capped: &'a Scenario) -> Outcome<Self> {
        let shared = core(capped.start(Portable, &Default::default()))?;
        let twins = vec![Twin::new(scenario, shared.id, &[])?];
        Ok(Self { scenario, cap: capped.options.cap, shared, twins })
    }

    fn happens(&mut self, deed: &Deed) -> Outcome {
        match *deed {
            Deed::Add if self.twins.len() < MOST => {
                let id = core(self.shared.add())?;
                self.twins.push(Twin::new(self.scenario, id, &[])?);
                Ok(())
            }
            Deed::Add => Ok(()),
            _ if self.twins.is_empty() => Ok(()),
            Deed::Remove(which) => {
                let twin = self.twins.remove(which % self.twins.len());
                core(self.shared.session.remove_sequence(twin.shared))
            }
            Deed::Fork(which, at) => self.fork(which % self.twins.len(), at),
            Deed::Truncate(which, at) => self.truncate(which % self.twins.len(), at),
            Deed::Summary(which) => self.summary(which % self.twins.len()),
            Deed::Step(ref feeds, fails) => self.step(feeds, fails),
        }
    }

    fn fork(&mut self, which: usize, at: usize) -> Outcome {
        if self.twins.len() == MOST {
            return Ok(());
        }
        let twin = &self.twins[which];
        let len = twin.len()?;
        let at = at % (len + 1);
        match self.shared.session.fork(twin.shared, at) {
            Ok(id) => {
                let events = if at == len { twin.events.clone() } else { twin.until(at) };
                self.twins.push(Twin::new(self.scenario, id, &events)?);
                Ok(())
            }
            Err(Error::Dropped { .. }) if at < len => Ok(()),
            Err(error) => self.refused(&error),
        }
    }

    fn truncate(&mut self, which: usize, at: usize) -> Outcome {
        let twin = &mut self.twins[which];
        let len = twin.len()?;
        let at = at % (len + 1);
        match self.shared.session.truncate(twin.shared, at) {
            Ok(()) if at < len => *twin = Twin::new(self.scenario, twin.shared, &twin.until(at))?,
            Ok(()) => {}
            Err(Error::Dropped { .. }) => {
                let alone = twin.alone.session.truncate(twin.alone.id, at);
                prop_assert!(
                    matches!(alone, Err(Error::Dropped { .. })),
                    "{alone:?}, alone, at {at} of {len}"
                );
            }
            Err(error) => return Err(fail(error)),
        }
        Ok(())
    }

    fn summary(&mut self, which: usize) -> Outcome {
        let twin = &mut self.twins[which];
        let (session, alone) = (&mut self.shared.session, &twin.alone);
        let open = core(alone.session.stream(alone.id))?.open_kind() == Some(Kind::Summary);
        if core(alone.session.due(alone.id))? == Due::Summary {
            core(session.open_summary(twin.shared))?;
            twin.open_summary()?;
        } else if open && self.scenario.trigger.asks_the_engine() {
            core(session.close_summary(twin.shared))?;
            twin.close_summary()?;
        }
        Ok(())
    }

    fn step(&mut self, feeds: &[(usize, Given)], fails: Option<usize>) -> Outcome {
        let mut fed: Vec<(usize, &Given)> = Vec::new();
        for (which, given) in feeds {
            let which = which % self.twins.len();
            if fed.iter().all(|(other, _)| *other != which) {
                fed.push((which, given));
            }
        }
        let shared: Vec<_> =
            fed.iter().map(|&(which, given)| (self.twins[which].shared, given.clone())).collect();
        let stepped = step(&mut self.shared.session, &self.scenario.host, &shared, fails);
        if fails.is_some() {
            let failed = matches!(&stepped, Err(Error::Protocol("the model failed")));
            // Nobody may have been let in.
            prop_assert!(failed || self.cap.is_some() && stepped.is_ok(), "{stepped:?}");
            return Ok(());
        }
        let Stepped { feeds: outcomes, output } = core(stepped)?;
        let mut rows = output.unwrap_or_default().into_iter();
        for ((which, given), outcome) in fed.into_iter().zip(outcomes) {
            match outcome {
                Ok(accepted) => {
                    let (alone, expected) = self.twins[which].feed(&self.scenario.host, given)?;
                    prop_assert_eq!(accepted, alone, "tokens accepted");
                    check_equal(&rows.by_ref().take(accepted).collect::<Rows>(), &expected, SLACK)?;
                }
                Err(error) => self.refused(&error)?,
            }
        }
        Ok(())
    }

    /// Under a cap there may be no room.
    fn refused(&self, error: &Error) -> Outcome {
        let no_room = self.cap.is_some() && matches!(error, Error::OverCap { .. });
        if no_room { Ok(()) } else { Err(TestCaseError::fail(error.to_string())) }
    }

    /// What holds at any time.
    fn check(&self) -> Outcome {
        let session = &self.shared.session;
        prop_assert_eq!(session.account().total(), session.allocated());
        prop_assert!(self.cap.is_none_or(|cap| session.account().resident() <= cap));
        prop_assert!(self.cap.is_none_or(|cap| session.run_stats().resident_peak <= cap));
        for Twin { shared, alone, .. } in &self.twins {
            prop_assert_eq!(core(session.stream(*shared))?, core(alone.session.stream(alone.id))?);
            prop_assert_eq!(core(session.due(*shared))?, core(alone.session.due(alone.id))?);
        }
        Ok(())
    }

    /// Removes everybody, who must leave nothing.
    fn end(mut self) -> Outcome {
        for twin in self.twins {
            core(self.shared.session.remove_sequence(twin.shared))?;
        }
        prop_assert_eq!(self.shared.session.allocated(), 0);
        Ok(())
    }
}

#[test]
fn sequences_of_a_session_are_as_if_each_were_alone() {
    let config = Config { cases: CASES, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let cap = prop::option::of(100..12_000u64);
    let result = runner.run(&(scenarios(1..2), cap, deeds()), |(scenario, cap, deeds)| {
        let mut capped = scenario.clone();
        capped.options.cap = cap;
        let mut world = World::new(&scenario, &capped)?;
        for deed in &deeds {
            world.happens(deed)?;
            world.check()?;
        }
        world.end()
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
