//! Planning a step: which tokens go in, what their rows see as far as that is known before any query is, and where
//! it lies.
//!
//! What a band's rows see is *decided* here where no vote of the step itself changes it: everything a policy shows
//! whatever queries ask for, and what votes of an earlier step or pass have chosen. Its pages are made resident
//! once, for all layers of the band. What is not decided, each layer chooses for itself while the step runs
//! (`forward`).

use std::ops::Range;

use burn::tensor::backend::Backend;

use super::{Feed, Session, band::Band, evict::Asked, heads::Visible, sequence::BandState};
use crate::{
    Error,
    config::{AtHand, Scope},
    kernels::{AttentionKernels, PageSpan, Slot},
    policy::{BlockCandidates, Choice},
    positions::PositionSet,
    segment::{Due, Role, Thought},
    select::{Selection, Taken, Tally},
    stats::{RowStats, StepStats},
};

/// A step under way.
#[derive(Debug)]
pub(super) struct Step<B: Backend, K: AttentionKernels<B>> {
    pub(super) plans: Vec<SequencePlan>,
    pub(super) traces: Vec<Trace>,
    pub(super) bands: Vec<BandStep<K::Table>>,
    /// Every row's position in its sequence.
    pub(super) positions: Vec<usize>,
    /// The layer that must call next.
    pub(super) layer: usize,
    /// Forward passes still to come, the one under way included.
    pub(super) passes: usize,
    /// The votes of the rows whose selection is decided, for the next step: a row for each plan with
    /// [`ballot_row`](SequencePlan::ballot_row).
    pub(super) ballot: Option<K::Ballot>,
    pub(super) stats: StepStats,
    /// The plan that cannot go on, and why, where a layer finds that out.
    pub(super) refused: Option<(usize, Error)>,
}

/// What all sequences of a step have in one band.
#[derive(Debug)]
pub(super) struct BandStep<T> {
    /// Where each row's keys and values go.
    pub(super) slots: Vec<Slot>,
    /// What rows attend to, where that is the same in all layers of the band; made by the first.
    pub(super) table: Option<T>,
    /// Where the index vectors of the sequences with a row in the step's ballot lie; found by the first layer.
    pub(super) index_spans: Option<Vec<Vec<PageSpan>>>,
}

/// Whether a feed takes part in a try of a step, and how.
#[derive(Debug)]
pub(super) enum Admission {
    /// It does.
    Usual,
    /// It does once the thoughts that its sequence holds from earlier steps have left, which there was no room for.
    Lean,
    /// It does not: a layer has refused it.
    Out(Error),
}

/// The rows of one sequence in a step: what goes in and what it sees.
#[derive(Debug)]
pub(super) struct SequencePlan {
    /// The number of its feed in the step.
    pub(super) feed: usize,
    pub(super) sequence: usize,
    pub(super) scope: Scope,
    /// Whether the rows are a prompt's.
    pub(super) prompt: bool,
    pub(super) first_row: usize,
    /// The position of the first row, that is, the sequence's length before the step.
    pub(super) start: usize,
    /// What each row sees without zooming, in bands in which the policy acts.
    pub(super) base: Vec<PositionSet>,
    /// How many thoughts each row may zoom into, in those bands; with blocks, how many passages its ballot decides on.
    pub(super) candidates: Vec<usize>,
    /// The blocks that the rows may choose from, in those bands.
    pub(super) blocks: BlockCandidates,
    /// Whether the last row's votes decide something beyond their own layer.
    pub(super) waits: bool,
    /// What the last row zooms into, where votes of an earlier pass or step have decided it.
    pub(super) chosen: Option<Selection>,
    /// The row of the step's ballot that the last row votes in, where it does; with blocks the first of as many as there
    /// are bands.
    pub(super) ballot_row: Option<usize>,
    /// Whether tokens over a budget go when the step is over.
    pub(super) evicts: bool,
    pub(super) bands: Vec<BandPlan>,
}

/// A sequence's part of a step in one band.
#[derive(Debug)]
pub(super) struct BandPlan {
    /// The index vectors that the step adds.
    pub(super) indexed: Range<usize>,
    /// The vectors of blocks that the step adds.
    pub(super) blocks: Range<usize>,
    /// The passages at hand, where the step before has said; all of them where it has not.
    pub(super) taken: Option<Taken>,
    /// Where not everything is at hand, the tokens of the passages that are.
    pub(super) at_hand: PositionSet,
    /// What index vectors are made of, which stays resident until they are.
    pub(super) sources: PositionSet,
    /// What the rows see, where that is decided.
    pub(super) seen: Option<Visible>,
}

/// What a sequence's rows did in a step.
#[derive(Debug, Default)]
pub(super) struct Trace {
    /// The last row's votes, over the layers so far.
    pub(super) total: Tally,
    /// With blocks, what the last row finds in each band.
    pub(super) found: Vec<Tally>,
    /// What the rows asked for, per layer where tokens are evicted.
    pub(super) asked: Vec<Asked>,
    pub(super) stats: RowStats,
}

impl SequencePlan {
    /// How many rows there are.
    pub(super) fn rows(&self) -> usize {
        self.base.len()
    }

    /// The position of the last row.
    pub(super) fn last(&self) -> usize {
        self.start + self.rows() - 1
    }

    pub(super) fn last_candidates(&self) -> usize {
        self.candidates.last().copied().unwrap_or(0)
    }

    /// The positions of the rows.
    pub(super) fn positions(&self) -> Range<usize> {
        self.start..self.start + self.rows()
    }
}

impl Trace {
    pub(super) fn new(plan: &SequencePlan, acting: usize) -> Self {
        let stats = RowStats {
            sequence: plan.sequence,
            position: plan.last(),
            zoomed: vec![Vec::new(); acting],
            ..RowStats::default()
        };
        Self { stats, ..Self::default() }
    }
}

impl<B: Backend, K: AttentionKernels<B>> Session<B, K> {
    /// Plans a step for all feeds that are not out. Those that find no room are `refused`, and are as they were.
    ///
    /// # Errors
    /// [`Error::Protocol`] for an empty feed or a sequence that is fed twice, [`Error::NoSequence`].
    pub(super) fn plan(
        &mut self,
        feeds: &[Feed<'_>],
        admissions: &[Admission],
        refused: &mut [Option<Error>],
    ) -> Result<Step<B, K>, Error> {
        self.budget.start_peak();
        let bands = self
            .bands
            .iter()
            .map(|_| BandStep { slots: Vec::new(), table: None, index_spans: None })
            .collect();
        let mut step = Step {
            plans: Vec::with_capacity(feeds.len()),
            traces: Vec::with_capacity(feeds.len()),
            bands,
            positions: Vec::new(),
            layer: 0,
            passes: 1,
            ballot: None,
            stats: StepStats::default(),
            refused: None,
        };
        for (number, feed) in feeds.iter().enumerate() {
            let twice = feeds[..number].iter().any(|other| other.sequence == feed.sequence);
            if feed.tokens.is_empty() || twice {
                return Err(Error::Protocol("each sequence of a step is fed once, with at least one token"));
            }
            let (id, before) = (feed.sequence.0, self.sequence(feed.sequence.0)?.len());
            let mut outcome = match admissions[number] {
                Admission::Out(_) => continue,
                Admission::Lean => self.plan_lean(number, feed, &mut step),
                Admission::Usual => self.plan_feed(number, feed, &mut step),
            };
            if let (Admission::Usual, Err(Error::OverCap { .. })) = (&admissions[number], &outcome) {
                self.cut(id, before)?;
                outcome = self.plan_lean(number, feed, &mut step);
            }
            if let Err(error) = outcome {
                self.cut(id, before)?;
                refused[number] = Some(error);
            }
        }
        step.stats.rows = step.positions.len();
        if step.plans.iter().any(|plan| plan.waits && plan.scope == Scope::TwoPass) {
            step.passes = 2;
        }
        self.take_slots(&mut step)?;
        self.open_ballot(&mut step);
        Ok(step)
    }

    /// Adds a feed to the step, or says why there is no room; its sequence may have some of the tokens then.
    fn plan_feed(&mut self, number: usize, feed: &Feed<'_>, step: &mut Step<B, K>) -> Result<(), Error> {
        let mut plan = self.admit(number, feed, step.positions.len())?;
        let mut trace = Trace::new(&plan, self.acting);
        self.place(&mut plan, &mut trace, &mut step.stats.moved)?;
        step.positions.extend(plan.positions());
        step.plans.push(plan);
        step.traces.push(trace);
        Ok(())
    }

    /// As [`plan_feed`](Self::plan_feed), once the thoughts that the sequence holds from earlier steps have left.
    fn plan_lean(&mut self, number: usize, feed: &Feed<'_>, step: &mut Step<B, K>) -> Result<(), Error> {
        self.let_go(feed.sequence.0, &mut step.stats.moved)?;
        self.plan_feed(number, feed, step)
    }

    /// Segments the feed's tokens, as many as can go in one step, and works out what their rows see anyway.
    fn admit(&mut self, number: usize, feed: &Feed<'_>, first_row: usize) -> Result<SequencePlan, Error> {
        let (id, resident, policy) = (feed.sequence.0, self.budget.used(), self.settings.policy());
        let zoom = policy.choice().blocks();
        // With blocks, an earlier step has said what is at hand, whatever scope the feed asks for.
        let scope = if zoom.is_some() { Scope::Global } else { feed.scope };
        // Rows of a prompt are scored layer by layer, so that a prompt need not go token by token.
        let votes = zoom.is_some() || policy.choice() == Choice::Votes;
        let carries = feed.role == Role::Stream && scope != Scope::Layer && votes;
        let sequence = self.sequence_mut(id)?;
        let start = sequence.len();
        let mut plan = SequencePlan {
            feed: number,
            sequence: id,
            scope,
            prompt: feed.role == Role::Prompt,
            first_row,
            start,
            base: Vec::new(),
            candidates: Vec::new(),
            blocks: BlockCandidates::default(),
            waits: false,
            chosen: None,
            ballot_row: None,
            evicts: false,
            bands: Vec::new(),
        };
        for (position, token) in (start..).zip(feed.tokens) {
            sequence.grammar.push(*token, feed.role, resident);
            let stream = sequence.grammar.stream();
            let begins = stream.segments().last().is_some_and(|s| s.range.start == position);
            sequence.layout.push(begins);
            sequence.chosen.push(None);
            plan.base.push(policy.base(stream, position));
            plan.candidates.push(match zoom {
                Some(rule) => {
                    sequence.blocks.follow(stream);
                    rule.votable(stream, &sequence.blocks, position)
                }
                None => policy.candidates(stream, position),
            });
            plan.evicts = policy.eviction().is_some_and(|eviction| eviction.due(stream));
            plan.waits = carries && plan.last_candidates() > 0;
            let stops = plan.waits || plan.evicts || sequence.grammar.due() != Due::Nothing;
            if feed.role == Role::Stream && stops {
                break;
            }
        }
        if scope == Scope::Global && carries && zoom.is_none() {
            let decided = plan.last().checked_sub(1).and_then(|before| sequence.chosen[before].clone());
            plan.chosen = decided.filter(|chosen| chosen.candidates == plan.last_candidates());
        }
        if let Some(rule) = zoom {
            let (stream, blocks) = (sequence.grammar.stream(), &sequence.blocks);
            plan.blocks = BlockCandidates::new(stream, blocks, &rule, plan.positions());
        }
        plan.bands = self.band_plans(id)?;
        if let Some(rule) = zoom.filter(|rule| rule.at_hand != AtHand::All) {
            self.recall_at_hand(&mut plan, &rule)?;
        }
        Ok(plan)
    }

    /// What a sequence, whose tokens have just been segmented, adds to the index of each band.
    fn band_plans(&self, id: usize) -> Result<Vec<BandPlan>, Error> {
        let sequence = self.sequence(id)?;
        let stream = sequence.grammar.stream();
        let plan = |(band, state): (&Band<B, K>, &BandState)| {
            let indexed = state.index.len()..band.indexed(stream).max(state.index.len());
            let blocks = state.vectors.len()..band.blocks(stream, &sequence.blocks).max(state.vectors.len());
            let sources = match band.policy.choice() {
                Choice::Votes => stream.thoughts()[indexed.clone()].iter().map(Thought::indexed_by).collect(),
                Choice::Blocks(_) => {
                    sequence.blocks.all()[blocks.clone()].iter().map(|block| block.range.clone()).collect()
                }
                // Where pages are chosen from everything, everything is there.
                Choice::Pages(_) | Choice::Nothing | Choice::Mass | Choice::BlockMass(_) => {
                    PositionSet::default()
                }
            };
            BandPlan { indexed, blocks, taken: None, at_hand: PositionSet::default(), sources, seen: None }
        };
        Ok(self.bands.iter().zip(&sequence.bands).map(plan).collect())
    }

    /// The slots of all rows in each band, in the order of the rows.
    fn take_slots(&self, step: &mut Step<B, K>) -> Result<(), Error> {
        for (band, in_step) in step.bands.iter_mut().enumerate() {
            for plan in &step.plans {
                let sequence = self.sequence(plan.sequence)?;
                let state = &sequence.bands[band];
                let appended = match &state.evicting {
                    Some(evicting) => evicting.slots.len() - plan.rows()..evicting.slots.len(),
                    None => plan.positions(),
                };
                let spans = state.spans(&sequence.layout, &appended.into())?;
                in_step.slots.extend(spans.iter().flat_map(PageSpan::slots));
            }
        }
        Ok(())
    }

    /// Makes a ballot for the rows whose selection is decided, and whose votes count for what comes after; and for those
    /// that choose blocks.
    pub(super) fn open_ballot(&self, step: &mut Step<B, K>) {
        let (mut candidates, blocks) = (Vec::new(), self.settings.zoom_blocks().is_some());
        for plan in &mut step.plans {
            let votes = plan.waits && plan.chosen.is_some();
            if votes || blocks && plan.blocks.last() > 0 {
                plan.ballot_row = Some(candidates.len());
                match blocks {
                    true => candidates.extend(self.bands.iter().map(|_| plan.blocks.passages)),
                    false => candidates.push(plan.last_candidates()),
                }
            }
        }
        step.ballot = (!candidates.is_empty()).then(|| self.kernels.ballot(&candidates));
    }
}
