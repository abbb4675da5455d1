//! Law 11: forks, forks of forks, and what is cut back or removed among them.

use burn::tensor::{Device, backend::Backend};
use proptest::prelude::*;

use super::{
    laws::{check_equal, fail, for_all_with, slack},
    scenario::{Driven, Scenario},
};
use crate::{
    Error,
    config::PolicyKind,
    kernels::AttentionKernels,
    segment::Kind,
    session::{SequenceId, Session},
    stats::TierBytes,
};

/// Random cases: as many as show a shared end of an index that both write to, and a cold copy that is counted once.
const CASES: u32 = 100;
/// Sequences at a time.
const MOST: usize = 4;

/// Something that is done; sequences, and places in them, are numbers to be taken modulo what there is.
#[derive(Clone, Debug)]
enum Deed {
    /// Goes on by so many tokens, so many at a time.
    Feed {
        which: usize,
        tokens: usize,
        chunk: usize,
    },
    Fork {
        which: usize,
        at: usize,
    },
    Truncate {
        which: usize,
        at: usize,
    },
    Remove {
        which: usize,
    },
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    // Most forks are made where their original is, and most sequences go on.
    let place = || prop_oneof![2 => Just(usize::MAX), 1 => any::<usize>()];
    let deed = prop_oneof![
        9 => (any::<usize>(), 1..7usize, 1..5usize)
            .prop_map(|(which, tokens, chunk)| Deed::Feed { which, tokens, chunk }),
        3 => (any::<usize>(), place()).prop_map(|(which, at)| Deed::Fork { which, at }),
        1 => (any::<usize>(), place()).prop_map(|(which, at)| Deed::Truncate { which, at }),
        2 => any::<usize>().prop_map(|which| Deed::Remove { which }),
    ];
    // Two must write to one page in turns, and then look at it again.
    prop::collection::vec(deed, 8..64)
}

/// Law 11: a fork of a sequence and its original decode as two sequences with the same prefix would, and share its
/// pages. So do forks of forks, and those that are cut back.
pub fn law_11_a_fork_goes_on_as_its_original<B: Backend, K: AttentionKernels<B> + Clone>(
    kernels: &K,
    device: &Device<B>,
) {
    for_all_with(CASES, 80, deeds(), |scenario, deeds| {
        let driven = scenario.start(kernels.clone(), device).map_err(fail)?;
        let first = Relative {
            id: driven.id,
            tokens: scenario.tokens.clone(),
            places: vec![Place::default()],
            rows: Vec::new(),
        };
        let mut family = Family { scenario: &scenario, kernels, driven, born: 1, alive: vec![first] };
        for deed in deeds {
            family.does(&deed)?;
            let session = &family.driven.session;
            prop_assert_eq!(session.account().total(), session.allocated());
        }
        while let Some(last) = family.alive.pop() {
            family.remove(&last)?;
        }
        prop_assert_eq!(family.driven.session.allocated(), 0);
        Ok(())
    });
}

/// Where a sequence was when it had been given some tokens.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    /// Of its own tokens.
    given: usize,
    /// In all, with those of summaries.
    len: usize,
    /// The kind of the segment that was open.
    open: Option<Kind>,
}

/// A sequence and what is known of it.
struct Relative {
    id: SequenceId,
    /// Its text, of which some has gone in.
    tokens: Vec<u32>,
    /// Where it has been, from the beginning to where it is.
    places: Vec<Place>,
    /// The outputs of all its tokens, those that its originals computed included.
    rows: Vec<Vec<f64>>,
}

impl Relative {
    fn place(&self) -> Place {
        self.places.last().copied().unwrap_or_default()
    }

    /// The number of the place that `at` says: the last, or any.
    fn choose(&self, at: usize) -> usize {
        if at == usize::MAX { self.places.len() - 1 } else { at % self.places.len() }
    }

    /// Takes back what came after place number `at`.
    fn cut(&mut self, at: usize) {
        self.places.truncate(at + 1);
        self.rows.truncate(self.place().len);
    }
}

/// A sequence, its forks, and theirs.
struct Family<'a, B: Backend, K: AttentionKernels<B>> {
    scenario: &'a Scenario,
    kernels: &'a K,
    driven: Driven<'a, B, K>,
    /// How many there have been.
    born: u32,
    alive: Vec<Relative>,
}

impl<B: Backend, K: AttentionKernels<B> + Clone> Family<'_, B, K> {
    fn does(&mut self, deed: &Deed) -> Result<(), TestCaseError> {
        let count = self.alive.len();
        match *deed {
            Deed::Feed { which, tokens, chunk } => self.feed(which % count, tokens, chunk),
            Deed::Fork { which, at } if count < MOST => self.fork(which % count, at),
            Deed::Truncate { which, at } => self.truncate(which % count, at),
            Deed::Remove { which } if count > 1 => {
                let gone = self.alive.remove(which % count);
                self.remove(&gone)
            }
            Deed::Fork { .. } | Deed::Remove { .. } => Ok(()),
        }
    }

    fn feed(&mut self, which: usize, tokens: usize, chunk: usize) -> Result<(), TestCaseError> {
        let Relative { id, tokens: text, places, rows } = &mut self.alive[which];
        let given = places.last().map_or(0, |place| place.given);
        let end = text.len().min(given + tokens);
        rows.extend(self.driven.feed_of(text, *id, given..end, |_| chunk).map_err(fail)?);
        let stream = self.driven.session.stream(*id).map_err(fail)?;
        prop_assert_eq!(stream.len(), rows.len());
        places.push(Place { given: end, len: stream.len(), open: stream.open_kind() });
        Ok(())
    }

    fn fork(&mut self, which: usize, at: usize) -> Result<(), TestCaseError> {
        let original = &self.alive[which];
        let at = original.choose(at);
        let (place, before) = (original.places[at], self.driven.session.account());
        let id = match self.driven.session.fork(original.id, place.len) {
            Err(error) => return self.has_dropped(which, place, error),
            Ok(id) => id,
        };
        let after = self.driven.session.account();
        if !matches!(self.scenario.options.policy, PolicyKind::H2o | PolicyKind::Rkv) {
            let pages = |bytes: TierBytes| bytes.resident() + bytes.cold;
            prop_assert_eq!(pages(after), pages(before), "pages are shared");
        }
        say_again(&mut self.driven.session, id, place)?;
        // It goes on differently, so that a page that both wrote to would show.
        let mut tokens = original.tokens.clone();
        let others = tokens[place.given..].iter_mut().filter(|token| **token >= 9);
        others.for_each(|token| *token += 11 * self.born);
        let mut fork = Relative { id, tokens, places: original.places.clone(), rows: original.rows.clone() };
        fork.cut(at);
        self.alive.push(fork);
        self.born += 1;
        Ok(())
    }

    fn truncate(&mut self, which: usize, at: usize) -> Result<(), TestCaseError> {
        let at = self.alive[which].choose(at);
        let (id, place) = (self.alive[which].id, self.alive[which].places[at]);
        match self.driven.session.truncate(id, place.len) {
            Err(error) => self.has_dropped(which, place, error),
            Ok(()) => {
                self.alive[which].cut(at);
                say_again(&mut self.driven.session, id, place)
            }
        }
    }

    /// A policy that destroys detail may say so, where there was more; it must have destroyed some.
    fn has_dropped(&self, which: usize, place: Place, error: Error) -> Result<(), TestCaseError> {
        let Error::Dropped { .. } = error else { return Err(fail(error)) };
        prop_assert!(place.len < self.alive[which].place().len, "nothing had come since");
        prop_assert!(!self.scenario.options.policy_keeps_detail() || self.scenario.has_own_windows());
        Ok(())
    }

    /// Removes one, whose rows must be what its text gives alone.
    fn remove(&mut self, gone: &Relative) -> Result<(), TestCaseError> {
        self.driven.session.remove_sequence(gone.id).map_err(fail)?;
        let mut alone = self.scenario.start(self.kernels.clone(), self.driven.device()).map_err(fail)?;
        let id = alone.id;
        let expected = alone.feed_of(&gone.tokens, id, 0..gone.place().given, |_| 1).map_err(fail)?;
        check_equal(&gone.rows, &expected, slack::<B>(self.scenario))
    }
}

/// Closes the summary again that an engine had closed at `place`, to which sequence `id` has come back.
fn say_again<B: Backend, K: AttentionKernels<B>>(
    session: &mut Session<B, K>,
    id: SequenceId,
    place: Place,
) -> Result<(), TestCaseError> {
    if session.stream(id).map_err(fail)?.open_kind() != place.open {
        session.close_summary(id).map_err(fail)?;
    }
    prop_assert_eq!(session.stream(id).map_err(fail)?.open_kind(), place.open);
    Ok(())
}
