//! The index loss: what an index vector promises should be what a vote for its thought brings (ours).
//!
//! Votes are choices, which have no gradient: under the zoomed mask nothing tells a query which thought it should have
//! asked for. Under the full mask a row sees everything, and its attention weights say how much of it went to what a
//! vote for each old thought brings: its detail and, where summaries are not visible without votes, its summary. Where
//! most of it went to one thought, the loss is the cross-entropy between this mass, taken as given, and the softmax of
//! the row's index scores; its gradient goes to queries and to the keys that index vectors are means of. A head that
//! looks here and there fetches nothing: its masses would only be noise.

use burn::tensor::{
    Device, Int, Tensor, TensorData,
    activation::{log_softmax, softmax},
    backend::Backend,
};
use burn_autodiff::Autodiff;
use zoomr_core::{
    config::{Settings, SummaryVisibility},
    layer::LayerSpec,
    segment::{Kind, Segment, Thought},
};

use super::sequence::Sequence;
use crate::data::synth::draw::Draw;

/// Rows of a sequence's thoughts and summaries that take part, at most: all weights of a long one would cost more than
/// the rest of its step.
const ROWS: usize = 512;
/// How often each row of an answer counts: a text has few, and what they ask for is often long gone.
const ANSWERED: usize = 8;
/// The mass that a thought must have for a head to be fetching it: no two can.
const MOST: f32 = 0.5;
/// The score of what must not be seen. Not infinite: a product with a mass of zero must be zero.
const HIDDEN: f32 = -1e9;

/// The rows of one sequence that the loss is about.
pub(super) struct IndexRows<'a> {
    thoughts: &'a [Thought],
    summaries: SummaryVisibility,
    /// In order of position, each with the number of thoughts that it may zoom into: at least two, as one alone is
    /// always right.
    rows: Vec<(usize, usize)>,
}

impl<'a> IndexRows<'a> {
    /// Some rows of `sequence`, drawn from those that have a choice under `settings`, and [`ANSWERED`] times all of its
    /// answer; `None` where there is no choice.
    pub(super) fn new(sequence: &'a Sequence, settings: &Settings, random: &mut Draw) -> Option<Self> {
        let (stream, policy, last) = (sequence.stream(), settings.policy(), sequence.inputs().len());
        let choices = |answers: bool| -> Vec<(usize, usize)> {
            let segments =
                stream.segments().iter().filter(|segment| (segment.kind == Kind::Answer) == answers);
            let rows = segments.flat_map(|Segment { range, .. }| range.start..range.end.min(last));
            let candidates = rows.map(|row| (row, policy.candidates(stream, row)));
            candidates.filter(|&(_, candidates)| candidates > 1).collect()
        };
        let mut rows = [random.some_of(&choices(false), ROWS), choices(true).repeat(ANSWERED)].concat();
        rows.sort_unstable();
        let most = rows.iter().map(|&(_, candidates)| candidates).max()?;
        Some(Self { thoughts: &stream.thoughts()[..most], summaries: settings.summaries, rows })
    }

    /// The loss of one layer, in nats: a sum over rows, a mean over heads. `q` is `[rows, query_heads, head_dim]`, `k`
    /// `[rows, kv_heads, head_dim]`, both of the whole sequence.
    pub(super) fn loss<B: Backend>(
        &self,
        q: &Tensor<Autodiff<B>, 3>,
        k: &Tensor<Autodiff<B>, 3>,
        spec: LayerSpec,
    ) -> Tensor<Autodiff<B>, 1> {
        let LayerSpec { query_heads, kv_heads, head_dim, scale, .. } = spec;
        let (device, len) = (q.device(), q.dims()[0]);
        let (rows, thoughts, group) = (self.rows.len(), self.thoughts.len(), query_heads / kv_heads);
        let ids: Vec<i64> = self.rows.iter().map(|&(row, _)| row as i64).collect();
        let q = q.clone().select(0, Tensor::<_, 1, Int>::from_data(TensorData::from(&ids[..]), &device));
        let k: Tensor<_, 2> = k.clone().flatten(1, 2); // [len, kv_heads * head_dim]
        let index = Tensor::from_inner(self.means::<B>(len, &device)).matmul(k.clone());
        let [unseen, too_new] = [self.unseen::<B>(len, group, &device), self.too_new::<B>(group, &device)];
        let brought = self.brought::<B>(len, &device);

        let head = |kv_head: usize| {
            let own = kv_head * head_dim..(kv_head + 1) * head_dim;
            let q = q.clone().slice([0..rows, kv_head * group..(kv_head + 1) * group]);
            let q = q.reshape([rows * group, head_dim]);
            let scores = |keys: Tensor<Autodiff<B>, 2>| q.clone().matmul(keys.transpose()) * scale;
            let seen = scores(k.clone().slice([0..len, own.clone()])).inner() + unseen.clone();
            let mass = softmax(seen, 1).matmul(brought.clone()) * too_new.clone().equal_elem(0.0).float();
            let mass = mass.clone() * mass.greater_elem(MOST).float();
            let promised =
                scores(index.clone().slice([0..thoughts, own])) + Tensor::from_inner(too_new.clone());
            (log_softmax(promised, 1) * Tensor::from_inner(mass)).sum()
        };
        let losses: Vec<_> = (0..kv_heads).map(head).collect();
        -Tensor::cat(losses, 0).sum() / query_heads as f32
    }

    /// What makes index vectors of keys: `[thoughts, len]`.
    fn means<B: Backend>(&self, len: usize, device: &Device<B>) -> Tensor<B, 2> {
        let mut weights = vec![0.0; self.thoughts.len() * len];
        for (thought, weights) in self.thoughts.iter().zip(weights.chunks_exact_mut(len)) {
            let keys = thought.indexed_by();
            let share = 1.0 / keys.len() as f32;
            weights[keys].fill(share);
        }
        Tensor::from_data(TensorData::new(weights, [self.thoughts.len(), len]), device)
    }

    /// Which tokens a vote for which thought brings: `[len, thoughts]`.
    fn brought<B: Backend>(&self, len: usize, device: &Device<B>) -> Tensor<B, 2> {
        let mut belongs = vec![0.0; self.thoughts.len() * len];
        for (thought, belongs) in self.thoughts.iter().zip(belongs.chunks_exact_mut(len)) {
            belongs[thought.detail.clone()].fill(1.0);
            if let (SummaryVisibility::Voted, Some(summary)) = (self.summaries, &thought.summary) {
                belongs[summary.clone()].fill(1.0);
            }
        }
        Tensor::<B, 2>::from_data(TensorData::new(belongs, [self.thoughts.len(), len]), device).transpose()
    }

    /// [`HIDDEN`] for tokens after a row, for each head of a group: `[rows * group, len]`.
    fn unseen<B: Backend>(&self, len: usize, group: usize, device: &Device<B>) -> Tensor<B, 2> {
        self.hidden(len, group, |&(row, _)| row + 1, device)
    }

    /// [`HIDDEN`] for thoughts that a row may not zoom into, for each head of a group: `[rows * group, thoughts]`.
    fn too_new<B: Backend>(&self, group: usize, device: &Device<B>) -> Tensor<B, 2> {
        self.hidden(self.thoughts.len(), group, |&(_, candidates)| candidates, device)
    }

    fn hidden<B: Backend>(
        &self,
        columns: usize,
        group: usize,
        shown: impl Fn(&(usize, usize)) -> usize,
        device: &Device<B>,
    ) -> Tensor<B, 2> {
        let mut hidden = vec![0.0; self.rows.len() * group * columns];
        for (row, hidden) in self.rows.iter().zip(hidden.chunks_exact_mut(group * columns)) {
            hidden.chunks_exact_mut(columns).for_each(|hidden| hidden[shown(row)..].fill(HIDDEN));
        }
        Tensor::from_data(TensorData::new(hidden, [self.rows.len() * group, columns]), device)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use burn_ndarray::NdArray;
    use zoomr_core::{
        config::Options,
        segment::{Marker, MarkerPair, Markers},
    };

    use super::*;

    type Cpu = NdArray;

    const SPEC: LayerSpec =
        LayerSpec { query_heads: 4, kv_heads: 2, head_dim: 3, scale: 0.7, sliding_window: None };

    /// Rows of the answer: its last token is only ever predicted.
    const ANSWER: usize = 2;

    /// A prompt, three thoughts of different lengths with summaries, and an answer; tokens 2 to 5 are their marks.
    fn sequence() -> Sequence {
        let pair = |begin, end| MarkerPair { begin: Marker::Id(begin), end: Marker::Id(end) };
        let segmenter = Markers::new(pair(2, 3), pair(4, 5)).unwrap();
        let written: Vec<u32> =
            (1..4).flat_map(|n| [&[2][..], &vec![9; 2 * n], &[3, 4, 8, 5]].concat()).collect();
        let written = [written, vec![6; ANSWER + 1]].concat();
        Sequence::new(&[7; 5], &written, Box::new(segmenter)).unwrap()
    }

    fn settings(summaries: SummaryVisibility) -> Settings {
        Settings::try_from(Options { window: 4, summaries, ..Options::default() }).unwrap()
    }

    /// `[rows, heads, head_dim]`, different everywhere.
    fn values(rows: usize, heads: usize, seed: f32) -> Vec<f32> {
        (0..rows * heads * SPEC.head_dim).map(|i| (i as f32 * 1.7 + seed).sin() * 4.0).collect()
    }

    /// The loss in plain loops, and the rows in which some head fetches.
    fn expected(index: &IndexRows<'_>, q: &[f32], k: &[f32]) -> (f64, Vec<usize>) {
        let LayerSpec { query_heads, kv_heads, head_dim, scale, .. } = SPEC;
        let product =
            |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() * f64::from(scale);
        let vector = |x: &[f32], heads: usize, row: usize, head: usize| -> Vec<f64> {
            let first = (row * heads + head) * head_dim;
            x[first..first + head_dim].iter().map(|&x| f64::from(x)).collect()
        };
        let shares = |scores: Vec<f64>| -> Vec<f64> {
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            scores.into_iter().map(|score| score.exp() / sum).collect()
        };
        let (mut loss, mut fetching) = (0.0, Vec::new());
        for &(row, candidates) in &index.rows {
            for head in 0..query_heads {
                let kv_head = head / (query_heads / kv_heads);
                let q = vector(q, query_heads, row, head);
                let key = |t: usize| vector(k, kv_heads, t, kv_head);
                let weights = shares((0..=row).map(|t| product(&q, &key(t))).collect());
                let mean_key = |thought: &Thought| {
                    let keys: Vec<_> = thought.indexed_by().map(key).collect();
                    (0..head_dim).map(move |i| keys.iter().map(|key| key[i]).sum::<f64>() / keys.len() as f64)
                };
                let thoughts = &index.thoughts[..candidates];
                let promised =
                    shares(thoughts.iter().map(|j| product(&q, &mean_key(j).collect::<Vec<_>>())).collect());
                for (thought, promised) in thoughts.iter().zip(promised) {
                    let of = |tokens: Range<usize>| tokens.map(|t| weights[t]).sum::<f64>();
                    let mut mass = of(thought.detail.clone());
                    if index.summaries == SummaryVisibility::Voted {
                        mass += thought.summary.clone().map_or(0.0, of);
                    }
                    if mass > f64::from(MOST) {
                        loss -= mass * promised.ln();
                        fetching.push(row);
                    }
                }
            }
        }
        fetching.dedup();
        (loss / query_heads as f64, fetching)
    }

    #[test]
    fn it_is_the_cross_entropy_of_masses_and_scores() {
        let fetching =
            [SummaryVisibility::All, SummaryVisibility::Voted].map(|summaries| follows(&settings(summaries)));
        assert!(fetching[0] < fetching[1], "{fetching:?}: summaries that come with a vote count");
    }

    /// Asserts that loss and gradients are those of plain loops; in how many rows some head fetches.
    fn follows(settings: &Settings) -> usize {
        let sequence = sequence();
        let rows = sequence.inputs().len();
        let index = IndexRows::new(&sequence, settings, &mut Draw::new(1, 0)).unwrap();
        assert!(index.thoughts.len() == 3 && index.rows.len() > 5, "{:?}", index.rows);
        let (device, [q, k]) =
            (Default::default(), [(4, 0.3), (2, 0.9)].map(|(h, seed)| values(rows, h, seed)));
        let tensor = |values: &[f32], heads| {
            let data = TensorData::new(values.to_vec(), [rows, heads, SPEC.head_dim]);
            Tensor::<Autodiff<Cpu>, 3>::from_data(data, &device).require_grad()
        };
        let (queries, keys) = (tensor(&q, 4), tensor(&k, 2));
        let loss = index.loss(&queries, &keys, SPEC);
        let found = f64::from(loss.clone().into_scalar());
        let (expected, fetching) = expected(&index, &q, &k);
        assert!((found - expected).abs() < 1e-4 * found, "{found}");

        // Only what makes scores learns: rows in which a head fetches, and the keys of summaries.
        assert!(!fetching.is_empty() && fetching.len() < index.rows.len(), "{fetching:?}");
        let gradients = loss.backward();
        let learns = |x: &Tensor<Autodiff<Cpu>, 3>| -> Vec<usize> {
            let gradient = x.grad(&gradients).unwrap().abs().flatten::<2>(1, 2).sum_dim(1);
            let sums: Vec<f32> = gradient.into_data().into_vec().unwrap();
            (0..rows).filter(|&row| sums[row] > 0.0).collect()
        };
        assert_eq!(learns(&queries), fetching);
        let learning = index.rows.iter().filter(|(row, _)| fetching.contains(row));
        let reached = learning.map(|&(_, candidates)| candidates).max().unwrap();
        let summaries: Vec<usize> = index.thoughts[..reached].iter().flat_map(Thought::indexed_by).collect();
        assert_eq!(learns(&keys), summaries);
        fetching.len()
    }

    #[test]
    fn each_row_of_an_answer_counts_and_more_than_others() {
        let (sequence, settings) = (sequence(), settings(SummaryVisibility::All));
        let index = IndexRows::new(&sequence, &settings, &mut Draw::new(1, 0)).unwrap();
        let times = |row: usize| index.rows.iter().filter(|&&(at, _)| at == row).count();
        let end = sequence.inputs().len();
        assert!((end - ANSWER..end).all(|row| times(row) == ANSWERED), "{:?}", index.rows);
        assert_eq!(times(end - ANSWER - 1), 1);
    }

    #[test]
    fn without_old_thoughts_there_is_nothing_to_learn() {
        let all = Settings::try_from(Options { window: 99, ..Options::default() }).unwrap();
        let (sequence, mut random) = (sequence(), Draw::new(1, 0));
        assert!(IndexRows::new(&sequence, &all, &mut random).is_none());
    }
}
