//! Measurements in turn: a few of one side, a few of the other, and again; then medians.

use std::time::Duration;

use anyhow::Result;
use zoomr_backend_cpu::read_bandwidth;
use zoomr_core::stats::TierBytes;

use super::{decoder::Decoder, heap::Heap, timed::Spent};

/// Turns that each side gets.
const TURNS: usize = 6;
/// Steps in a turn.
const STEPS_PER_TURN: usize = 8;
/// Steps before any is timed: caches and page tables take shape.
const WARM: usize = 4;
/// Steps at one context, in all.
pub(crate) const STEPS: usize = WARM + TURNS * STEPS_PER_TURN;
/// Tokens of a short context.
pub(crate) const SHORT: usize = 32;
/// Passes over memory in a turn, of which the best counts.
const PASSES: usize = 3;

/// Decoding where there is next to no cache, and what memory delivers at the time.
pub(crate) struct Short {
    /// Bytes per second.
    pub(crate) bandwidth: f64,
    /// Tokens per second.
    pub(crate) speed: f64,
}

/// What is compared.
pub(crate) struct Competitor<'m> {
    pub(crate) name: &'static str,
    pub(crate) decoder: Decoder<'m>,
}

/// One competitor at one context.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    /// Tokens per second.
    pub(crate) speed: f64,
    /// Tokens that the last step attended to.
    pub(crate) attended: f64,
    /// KV bytes by tier at the end.
    pub(crate) bytes: TierBytes,
    /// All its steps, warm.
    pub(crate) cost: Cost,
}

/// What steps took, all together.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) steps: usize,
    /// Nanoseconds.
    pub(crate) time: Spent,
    /// Heap requests.
    pub(crate) requests: Spent,
    /// What the heap gained in each half of the turns.
    pub(crate) gained: [Heap; 2],
    /// Of those bytes, KV memory.
    pub(crate) gained_kv: [i64; 2],
}

/// All competitors at one context.
pub(crate) struct Row {
    /// Tokens before the first step.
    pub(crate) context: usize,
    /// The first is what the others are compared with.
    pub(crate) sides: Vec<Side>,
}

/// Measures decoding at a short context in turn with reading `bytes` of memory.
pub(crate) fn short(decoder: &mut Decoder<'_>, text: &[u32], bytes: u64) -> Result<Short> {
    decoder.fill(text, SHORT)?;
    warm(decoder)?;
    let (mut rates, mut times) = (Vec::new(), Vec::new());
    for _ in 0..TURNS {
        rates.push(read_bandwidth(bytes as usize, PASSES));
        times.extend(turn(decoder)?);
    }
    Ok(Short { bandwidth: median(rates), speed: speed(&times) })
}

/// Measures all competitors at each context, the contexts ascending.
pub(crate) fn at_contexts(
    competitors: &mut [Competitor<'_>],
    text: &[u32],
    contexts: &[usize],
    progress: &dyn Fn(&str),
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for &context in contexts {
        progress(&format!("taking in {context} tokens"));
        competitors.iter_mut().try_for_each(|of| of.decoder.fill(text, context))?;
        progress(&format!("decoding at {context} tokens"));
        competitors.iter_mut().try_for_each(|of| warm(&mut of.decoder))?;
        let mut turns: Vec<Turns> = competitors.iter().map(|_| Turns::default()).collect();
        for half in (0..TURNS).map(|turn| 2 * turn / TURNS) {
            let each = turns.iter_mut().zip(competitors.iter_mut());
            each.into_iter().try_for_each(|(turns, of)| turns.take(&mut of.decoder, half))?;
        }
        let sides = turns.into_iter().zip(competitors.iter()).map(|(turns, of)| turns.side(of));
        rows.push(Row { context, sides: sides.collect() });
    }
    Ok(rows)
}

/// The turns of one side at one context.
#[derive(Default)]
struct Turns {
    times: Vec<Duration>,
    cost: Cost,
}

impl Turns {
    /// Takes a turn, in the first half of them (0) or in the second (1).
    fn take(&mut self, decoder: &mut Decoder<'_>, half: usize) -> Result<()> {
        // What is measured must not be what measuring takes.
        self.times.reserve(STEPS_PER_TURN);
        let clock = decoder.clock();
        let (heap, kv) = (Heap::now(), decoder.allocated() as i64);
        let (time, requests) = (clock.nanoseconds(), clock.requests());
        for _ in 0..STEPS_PER_TURN {
            self.times.push(decoder.step()?);
        }
        let (gained, clock) = (Heap::now().since(heap), decoder.clock());
        let cost = &mut self.cost;
        cost.steps += STEPS_PER_TURN;
        cost.time = cost.time + (clock.nanoseconds() - time);
        cost.requests = cost.requests + (clock.requests() - requests);
        cost.gained[half] = cost.gained[half] + gained;
        cost.gained_kv[half] += decoder.allocated() as i64 - kv;
        Ok(())
    }

    fn side(self, Competitor { name, decoder }: &Competitor<'_>) -> Side {
        let (speed, attended, bytes) = (speed(&self.times), decoder.attended(), decoder.bytes());
        Side { name, speed, attended, bytes, cost: self.cost }
    }
}

fn warm(decoder: &mut Decoder<'_>) -> Result<()> {
    (0..WARM).try_for_each(|_| decoder.step().map(drop))
}

fn turn(decoder: &mut Decoder<'_>) -> Result<Vec<Duration>> {
    (0..STEPS_PER_TURN).map(|_| decoder.step()).collect()
}

/// Tokens per second by the median time.
fn speed(times: &[Duration]) -> f64 {
    median(times.iter().map(Duration::as_secs_f64).collect()).recip()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
