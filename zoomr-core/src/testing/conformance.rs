//! The kernels against the oracle, over the catalogue: what every provider must pass.

use burn::tensor::{Device, Tensor, TensorData, backend::Backend};

use super::{
    cases::{CATALOGUE, Case, Inputs},
    laws::epsilon,
    oracle,
    tolerance::{Arithmetic, allowed, error},
};
use crate::{
    kernels::{
        AttendGroup, AttentionKernels, KvStore, LinearKernels, PageShape, PageSpan, PageStore, ScoreGroup,
        Slot,
    },
    kv::KvDtype,
    portable::Portable,
    positions::PositionSet,
    select::{Ballot, Tally},
    state::AttentionState,
    weight::StoredWeight,
};

/// What every case is stored as, and the seed that it runs with.
const STORED: [(KvDtype, u64); 5] =
    [(KvDtype::F32, 0), (KvDtype::F32, 1), (KvDtype::F16, 2), (KvDtype::Bf16, 3), (KvDtype::Q8, 4)];

/// Step 8 for every case of the catalogue: the portable kernels within the arithmetic's bound, others within
/// twice the portable kernels' error.
pub fn attention_matches_the_oracle<B: Backend, K: AttentionKernels<B>>(kernels: &K, device: &Device<B>) {
    for case in CATALOGUE {
        for (kv, seed) in STORED {
            let inputs = case.inputs::<B>(seed, kv, device);
            let (output, lse) = expected(&inputs);
            let portable = errors(&run(&Portable, &inputs), &output, &lse);
            let found = errors(&run(kernels, &inputs), &output, &lse);
            let bounds = bounds::<B>(case);
            let eps = epsilon::<B>();
            let magnitude =
                lse.iter().copied().filter(|l| l.is_finite()).fold(1.0, |a: f64, l| a.max(l.abs()));
            assert!(portable[0] <= bounds[0], "{}: portable output errs by {}", case.name, portable[0]);
            assert!(portable[1] <= bounds[1], "{}: portable lse errs by {}", case.name, portable[1]);
            let limits = [allowed(portable[0], eps, 1.0), allowed(portable[1], eps, magnitude)];
            for (what, (found, limit)) in ["output", "lse"].iter().zip(found.iter().zip(limits)) {
                assert!(*found <= limit, "{}, {kv}: {what} errs by {found}, over {limit}", case.name);
            }
        }
    }
}

fn bounds<B: Backend>(case: &Case) -> [f64; 2] {
    let arithmetic = Arithmetic {
        epsilon: epsilon::<B>(),
        head_dim: case.head_dim,
        tokens: case.tokens.iter().copied().max().unwrap_or(0),
        qk: f64::from(case.range),
        value: 1.0,
        scale: (case.head_dim as f64).sqrt().recip(),
    };
    [arithmetic.output_error(), arithmetic.lse_error()]
}

fn expected<B: Backend>(inputs: &Inputs<B>) -> (Vec<f64>, Vec<f64>) {
    let (mut outputs, mut lses) = (Vec::new(), Vec::new());
    for sequence in &inputs.sequences {
        for (row, visible) in sequence.visible.iter().enumerate() {
            let q = &inputs.queries[sequence.first_row + row];
            let (output, lse) = oracle::attend(q, &sequence.dense, visible, f64::from(inputs.scale));
            outputs.extend(output);
            lses.extend(lse);
        }
    }
    (outputs, lses)
}

fn run<B: Backend, K: AttentionKernels<B>>(kernels: &K, inputs: &Inputs<B>) -> AttentionState<B> {
    let group = |s: &'_ super::cases::SequenceInputs| (s.first_row, s.spans.clone(), s.visible.clone());
    let parts: Vec<_> = inputs.sequences.iter().map(group).collect();
    let groups: Vec<_> = parts
        .iter()
        .map(|(first_row, spans, visible)| AttendGroup::new(*first_row, spans, visible))
        .collect();
    let (store, table) = (inputs.store(kernels), kernels.table(&groups));
    kernels.attend(&inputs.q, &store, Inputs::<B>::LAYER, &table, inputs.scale, None)
}

fn errors<B: Backend>(state: &AttentionState<B>, output: &[f64], lse: &[f64]) -> [f64; 2] {
    let flat = |data: TensorData| data.iter().collect::<Vec<f64>>();
    [error(&flat(state.output.clone().into_data()), output), error(&flat(state.lse.clone().into_data()), lse)]
}

/// Law 9: weights over what was attended sum to one; nothing outside of the set contributes.
pub fn law_9_weights_sum_to_one<B: Backend, K: AttentionKernels<B>>(kernels: &K, device: &Device<B>) {
    for case in CATALOGUE {
        let mut inputs = case.inputs::<B>(7, KvDtype::F32, device);
        // Values are one where written, NaN elsewhere (the catalogue's pages hold NaN where nobody looks).
        inputs.values = inputs.values.iter().map(|page| page.clone() * 0.0 + 1.0).collect();
        let output: Vec<f64> = run(kernels, &inputs).output.into_data().iter().collect();
        let width = case.group * case.kv_heads * case.head_dim;
        let visible = inputs.sequences.iter().flat_map(|s| &s.visible);
        for (row, visible) in output.chunks(width).zip(visible) {
            let expected = if visible.is_empty() { 0.0 } else { 1.0 };
            let error = error(row, &vec![expected; width]);
            let limit = epsilon::<B>() * (visible.len() as f64 + 8.0);
            assert!(error <= limit, "{}: weights miss one by {error}", case.name);
        }
    }
}

/// Law 4, for kernels: attending to parts and merging the states gives what attending to all gives.
pub fn states_merge<B: Backend, K: AttentionKernels<B>>(kernels: &K, device: &Device<B>) {
    for case in CATALOGUE {
        let inputs = case.inputs::<B>(11, KvDtype::F32, device);
        let part = |keep: &dyn Fn(usize) -> bool| {
            let mut part = case.inputs::<B>(11, KvDtype::F32, device);
            for set in part.sequences.iter_mut().flat_map(|s| &mut s.visible) {
                let positions = set.ranges().iter().flat_map(Clone::clone).filter(|&p| keep(p));
                *set = positions.map(|p| p..p + 1).collect::<PositionSet>();
            }
            run(kernels, &part)
        };
        let (even, odd) = (part(&|p| p % 2 == 0), part(&|p| p % 2 == 1));
        let (output, lse) = expected(&inputs);
        let merged = errors(&odd.clone().merge(even.clone()), &output, &lse);
        let swapped = errors(&even.merge(odd), &output, &lse);
        let bounds = bounds::<B>(case);
        for (found, bound) in merged.iter().chain(&swapped).zip(bounds.iter().chain(&bounds)) {
            assert!(*found <= 2.0 * bound, "{}: merged states err by {found}, over {bound}", case.name);
        }
    }
}

/// Law 7: equal scores give equal votes. Small integers make every score exact, with many ties.
pub fn law_7_votes_are_the_same_everywhere<B: Backend, K: AttentionKernels<B>>(
    kernels: &K,
    device: &Device<B>,
) {
    let (kv_heads, group, head_dim, page_size) = (2, 3, 4, 5);
    let heads = kv_heads * group;
    let integer = |i: usize| (i * 7 % 5) as f32 - 2.0;
    for thoughts in [1, 5, 6, 23, 97] {
        let rows = 3;
        let q: Vec<f32> = (0..rows * heads * head_dim).map(|i| integer(i * i + 3)).collect();
        let vectors: Vec<f32> = (0..thoughts * kv_heads * head_dim).map(|i| integer(i * i * 3 + i)).collect();
        let pages = thoughts.div_ceil(page_size);
        let shape = PageShape { layers: 2, parts: 1, kv_heads, page_size, head_dim, pages_per_slab: 1 };
        let mut index = kernels.store(shape, KvDtype::F32, device);
        index.resize(pages).expect("memory for a few vectors");
        let slots: Vec<Slot> =
            (0..thoughts).map(|j| Slot { page: j / page_size, slot: j % page_size }).collect();
        let data = TensorData::new(vectors.clone(), [thoughts, kv_heads, head_dim]);
        index.append(1, &[&Tensor::from_data(data, device)], &slots);
        let span = |page: usize| {
            let position = page * page_size;
            PageSpan { page, start: 0, len: page_size.min(thoughts - position), position }
        };
        let spans: Vec<_> = (0..pages).rev().map(span).collect();
        let candidates = [thoughts, 0, thoughts / 2];
        let queries = Tensor::from_data(TensorData::new(q.clone(), [rows, heads, head_dim]), device);
        let scored = ScoreGroup { first_row: 0, ballot_row: 1, spans: &spans, candidates: &candidates };
        for votes in [1, 4] {
            // One more row, which nobody votes in; and everybody votes twice.
            let mut ballot = kernels.ballot(&[9, thoughts, 0, thoughts / 2]);
            for _ in 0..2 {
                kernels.vote(&queries, &index, 1, &[scored], votes, 0.5, &mut ballot);
            }
            let found = ballot.read();
            assert_eq!((found.len(), &found[0]), (rows + 1, &Tally::none(9)), "a tally for each row");
            let found = &found[1..];
            for (row, (found, &candidates)) in found.iter().zip(&candidates).enumerate() {
                let q: Vec<f64> =
                    q[row * heads * head_dim..][..heads * head_dim].iter().map(|&x| x.into()).collect();
                let index: Vec<Vec<f64>> = vectors
                    .chunks(kv_heads * head_dim)
                    .take(candidates)
                    .map(|vector| vector.iter().map(|&x| x.into()).collect())
                    .collect();
                let scores = oracle::scores(&q, &index, kv_heads, head_dim, 0.5);
                let scores: Vec<f32> = scores.into_iter().map(|s| s as f32).collect();
                let mut expected = Tally::from_scores(&scores, candidates, votes);
                expected.add(&expected.clone());
                assert_eq!(*found, expected, "{thoughts} thoughts, row {row}, {votes} votes");
            }
        }
    }
}

/// Products with weights, for odd shapes and few or many rows, against f64.
pub fn linear_matches_the_oracle<B: Backend, K: LinearKernels<B>>(kernels: &K, device: &Device<B>) {
    for (rows, columns, out) in [(1, 59, 97), (1, 576, 192), (3, 64, 1), (17, 97, 33), (130, 1, 5)] {
        let value = |i: usize| ((i * 2_654_435_761) % 1999) as f32 / 1000.0 - 1.0;
        let weight: Vec<f32> = (0..out * columns).map(value).collect();
        let x: Vec<f32> = (0..rows * columns).map(|i| value(i + 17)).collect();
        let stored = StoredWeight::from_f32(&weight, out, columns).expect("sizes agree");
        let tensor = || Tensor::<B, 2>::from_data(TensorData::new(x.clone(), [rows, columns]), device);
        let matrix = kernels.matrix(stored.clone(), device);
        let found: Vec<f64> = kernels.linear(tensor(), &matrix).into_data().iter().collect();
        let own = LinearKernels::<B>::matrix(&Portable, stored, device);
        let portable: Vec<f64> = Portable.linear(tensor(), &own).into_data().iter().collect();
        let dot = |r: usize, o: usize| -> f64 {
            let (x, w) = (&x[r * columns..][..columns], &weight[o * columns..][..columns]);
            x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()
        };
        let expected: Vec<f64> =
            (0..rows).flat_map(|r| (0..out).map(move |o| (r, o))).map(|(r, o)| dot(r, o)).collect();
        let limit = allowed(error(&portable, &expected), epsilon::<B>(), columns as f64);
        let found_error = error(&found, &expected);
        assert!(
            found_error <= limit,
            "[{rows}, {columns}] x [{out}, {columns}]: errs by {found_error}, over {limit}"
        );
        let picked: Vec<f64> =
            kernels.rows(&matrix, &[out as u32 - 1, 0], device).into_data().iter().collect();
        let expected: Vec<f64> =
            [out - 1, 0].iter().flat_map(|o| &weight[o * columns..][..columns]).map(|&w| w.into()).collect();
        assert_eq!(picked, expected, "rows are copied as they are");
    }
}

/// Expands to one `#[test]` per check of the suite, for a provider on a backend.
///
/// ```
/// # #[cfg(any())] mod shown {
/// zoomr_core::conformance_tests!(burn_ndarray::NdArray, zoomr_core::portable::Portable);
/// # }
/// ```
#[macro_export]
macro_rules! conformance_tests {
    ($backend:ty, $kernels:expr) => {
        $crate::conformance_tests!(@each $backend, $kernels;
            conformance::attention_matches_the_oracle,
            conformance::states_merge,
            conformance::linear_matches_the_oracle,
            conformance::law_7_votes_are_the_same_everywhere,
            conformance::law_9_weights_sum_to_one,
            blocks::blocks_match_the_oracle,
            blocks::law_7_equal_blocks_are_chosen_by_age,
            block::norms_match_the_oracle,
            block::norms_do_not_hide_an_overflow,
            block::sums_match_the_oracle,
            block::swiglu_matches_the_oracle,
            block::heads_match_the_oracle,
            block::linear_many_is_each,
            method::session_does_the_method,
            method::baselines_do_what_their_papers_say,
            method::the_oracle_finds_most_mass,
            at_hand::law_9_what_is_not_at_hand_brings_nothing,
            at_hand::no_more_is_resident_than_is_at_hand,
            laws::law_1_zooming_into_everything_is_full_attention,
            laws::law_1_budgets_larger_than_the_text_are_full_attention,
            laws::law_2_chunks_do_not_matter,
            batches::law_3_a_batch_is_its_rows,
            laws::law_4_the_order_of_pages_does_not_matter,
            laws::law_5_detail_returns_bit_for_bit,
            laws::law_6_truncating_forgets,
            laws::law_8_bytes_add_up,
            batches::law_10_refusing_one_leaves_the_others,
            forks::law_11_a_fork_goes_on_as_its_original,
        );
    };
    (@each $backend:ty, $kernels:expr; $($module:ident :: $check:ident),+ $(,)?) => {
        $(
            #[test]
            fn $check() {
                $crate::testing::$module::$check::<$backend, _>(&$kernels, &Default::default());
            }
        )+
    };
}
